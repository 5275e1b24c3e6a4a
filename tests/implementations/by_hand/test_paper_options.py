"""The registry's cells against the paper's tables, every option spelled out: no default is taken from the code."""

from dataclasses import asdict
from importlib.util import find_spec
from typing import Any

import pytest

from drtrl_bench import lookup, registry
from drtrl_bench.case import Case
from drtrl_bench.measure import problem

CELL: dict[str, Any] = {
    "scale_x": 1.0, "scale_r": 1.0, "initial": "normal", "trainable": (), "spread": 0.0, "density": 1.0,
    "signed": False,
}  # fmt: skip
SPIKING: dict[str, Any] = CELL | {"surrogate": "relu", "alpha": 0.3, "width": 1.0, "smooth": False}
LIF: dict[str, Any] = SPIKING | {
    "states": ("V",), "reset": "soft", "detach_reset": False, "tau": 5.0, "threshold": 1.0, "tau_a": 100.0, "beta": 0.1,
    "tau_syn": 10.0, "tau_std": 500.0, "tau_f": 500.0, "tau_d": 100.0, "U": 0.1, "release": "after",
}  # fmt: skip
"""Times in ms, which are steps."""
EGRU: dict[str, Any] = SPIKING | {
    "states": ("h", "y", "o"), "trainable": ("threshold",), "spread": 0.5, "threshold": 0.25, "traced": False,
    "alpha": pytest.approx(1.19, rel=1e-12), "width": pytest.approx(0.5882352941176471, rel=1e-12),
}  # fmt: skip

EXPECTED: dict[str, tuple[str, dict[str, Any]]] = {
    "tanh_rnn": ("TanhRNN", CELL | {"states": ("h",)}),
    "leaky_rnn": ("LeakyRNN", CELL | {"states": ("h",), "tau": 5.0}),
    "leaky_rnn_trained": ("LeakyRNN", CELL | {"states": ("h",), "tau": 5.0, "trainable": ("tau",)}),
    "gru": ("GRU", CELL | {"states": ("h",)}),
    "lstm": ("LSTM", CELL | {"states": ("h", "c")}),
    "mgu": ("MGU", CELL | {"states": ("h",)}),
    "lru": (
        "LRU",
        CELL
        | {"states": ("re", "im"), "trainable": ("rate", "frequency"), "spread": 0.5, "rate": 0.1, "frequency": 0.3},
    ),
    "if_delta": ("LIF", LIF),
    "lif_delta": ("LIF", LIF),
    "lif_delta_hard": ("LIF", LIF | {"reset": "hard"}),
    "lif_delta_trained": ("LIF", LIF | {"trainable": ("tau", "threshold")}),
    "lif_expcu": ("LIF", LIF | {"states": ("V", "g")}),
    "lif_std": ("LIF", LIF | {"states": ("V", "x", "g")}),
    "lif_stp": ("LIF", LIF | {"states": ("V", "u", "x", "g"), "U": 0.15}),
    "lif_std_before": ("LIF", LIF | {"states": ("V", "x", "g"), "release": "before"}),
    "lif_stp_before": ("LIF", LIF | {"states": ("V", "u", "x", "g"), "U": 0.15, "release": "before"}),
    "alif_delta": ("LIF", LIF | {"states": ("V", "a")}),
    "alif_expcu": ("LIF", LIF | {"states": ("V", "a", "g")}),
    "alif_std": ("LIF", LIF | {"states": ("V", "a", "x", "g")}),
    "alif_stp": ("LIF", LIF | {"states": ("V", "a", "u", "x", "g"), "U": 0.15}),
    "gif": (
        "GIF",
        SPIKING | {"states": ("V", "J", "g"), "tau": 100.0, "tau_slow": 1000.0, "tau_syn": 100.0, "A": 1.0},
    ),
    "ei_gif": (
        "EIGIF",
        SPIKING
        | {
            "states": ("V", "J1", "J2", "h", "gE", "gI"), "density": 0.1, "excitatory": 0.8, "tau": 200.0,
            "tau_fast": 50.0, "tau_slow": 2000.0, "tau_h": 100.0, "tau_syn": 10.0, "A_fast": 0.01, "A_slow": 1.0,
            "A_h": 1.0, "E_E": 5.0, "E_I": -10.0,
        },
    ),
    "egru": ("EGRU", EGRU),
    "egru_traced": ("EGRU", EGRU | {"traced": True}),
}  # fmt: skip
READOUTS: dict[str, tuple[str, dict[str, Any]]] = {
    "leaky": ("LeakyReadout", CELL | {"states": ("rho",), "scale_x": 2.0, "tau": 10.0}),
    "linear": ("LinearReadout", CELL | {"states": ("rho",), "scale_x": 2.0}),
}
LAYOUT: dict[str, tuple[tuple[str, ...], dict[str, tuple[int, int]]]] = {
    "TanhRNN": (("I",), {"x": (0, 1), "r": (0, 1), "b": (0, 1)}),
    "LeakyRNN": (("I",), {"x": (0, 1), "r": (0, 1), "b": (0, 1)}),
    "GRU": (("I_nx", "I_r", "I_z", "I_nr"), {"x": (0, 3), "r": (1, 4), "b": (0, 4)}),
    "LSTM": (("I_i", "I_g", "I_f", "I_o"), {"x": (0, 4), "r": (0, 4), "b": (0, 4)}),
    "MGU": (("I_nx", "I_f", "I_nr"), {"x": (0, 2), "r": (1, 3), "b": (0, 3)}),
    "LRU": (("I_re", "I_im"), {"x": (0, 2), "b": (0, 2)}),
    "LIF": (("I",), {"x": (0, 1), "r": (0, 1), "b": (0, 1)}),
    "GIF": (("I",), {"x": (0, 1), "r": (0, 1), "b": (0, 1)}),
    "EIGIF": (("I_x", "I_E", "I_I"), {"x": (0, 1), "r": (1, 3), "b": (0, 3)}),
    "EGRU": (("I_nx", "I_r", "I_z", "I_nr"), {"x": (0, 3), "r": (1, 4), "b": (0, 4)}),
    "LeakyReadout": (("I",), {"x": (0, 1)}),
    "LinearReadout": (("I",), {"x": (0, 1), "b": (0, 1)}),
}
"""The currents of each class, and which of them each kind of weight feeds."""
CODES = [pytest.param(f, marks=pytest.mark.skipif(f is not None and not find_spec(f), reason=f"needs {f}"))
         for f in (None, "jax", "torch")]  # fmt: skip


def test_nothing_is_left_out() -> None:
    assert list(registry.CELLS) == list(EXPECTED), "spell its options out in EXPECTED, and its currents in LAYOUT"
    assert list(registry.READOUTS) == list(READOUTS)


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("code", CODES)
def test_options(code: str | None, name: str) -> None:
    cell, _, readout = lookup.network(name, "leaky", 2, code)
    assert (type(cell).__name__, asdict(cell)) == EXPECTED[name]
    assert (type(readout).__name__, asdict(readout)) == READOUTS["leaky"]


@pytest.mark.parametrize("name", READOUTS)
def test_readouts(name: str) -> None:
    *hidden, readout = lookup.network("gru", name, 3)
    assert (type(readout).__name__, asdict(readout)) == READOUTS[name]
    assert [type(cell).__name__ for cell in hidden] == ["GRU"] * 3


@pytest.mark.parametrize("name", [*EXPECTED, *READOUTS])
def test_which_weights_feed_which_drives(name: str) -> None:
    cell = lookup.network(name, "leaky", 1)[0] if name in EXPECTED else lookup.network("gru", name, 1)[-1]
    currents, feeds = LAYOUT[type(cell).__name__]
    assert cell.currents == currents
    assert {kind: (s.start, s.stop) for kind, s in cell.feeds.items()} == feeds
    if cell.trainable:
        assert cell.reads["p"] == slice(len(currents), len(currents) + len(cell.trainable))
    assert cell.reads.keys() - feeds.keys() == ({"p"} if cell.trainable else set())


def test_scales_of_a_case() -> None:
    """They are the hidden layers'; the readout keeps its own, but starts from the same kind of distribution."""
    case = Case(cell="alif_stp", readout="linear", layers=2, scale_x=20.0, scale_r=6.0, initial="truncated")
    first, second, readout = problem.network(case)
    changed = {"scale_x": 20.0, "scale_r": 6.0, "initial": "truncated"}
    assert asdict(first) == asdict(second) == EXPECTED["alif_stp"][1] | changed
    assert asdict(readout) == READOUTS["linear"][1] | {"initial": "truncated"}


def test_surrogate_and_reset_of_a_case() -> None:
    """They are the hidden layers', too; by default a cell's are its own."""
    case = Case(cell="lif_delta_hard", surrogate="atan", detach_reset=True)
    assert asdict(problem.network(case)[0]) == LIF | {"reset": "hard", "surrogate": "atan", "detach_reset": True}
    assert asdict(problem.network(Case(cell="lif_std", reset="multiply"))[0]) == EXPECTED["lif_std"][1] | {
        "reset": "multiply"
    }
    assert asdict(problem.network(Case(cell="egru", surrogate="superspike"))[0]) == EGRU | {"surrogate": "superspike"}
    for name in EXPECTED:
        assert asdict(problem.network(Case(cell=name))[0]) == EXPECTED[name][1]


FILTERS = ("decay", "decay_x", "bias_correction")
ALGORITHMS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...], str]] = {
    "bptt": ("bptt", ("chunk",), (), "states"),
    "bptt_checkpointed": ("bptt", ("chunk",), ("segments",), "states"),
    "bptt_native": ("bptt", ("chunk",), ("segments",), "states"),
    "rtrl": ("bptt", (), (), "influence"),
    "drtrl": ("drtrl_by_cutting", (), (), "trace"),
    "es_drtrl": ("es_drtrl", FILTERS, FILTERS, "filters"),
    "snap1": ("snap1_by_cutting", (), (), "trace"),
    "drtrl_window": ("drtrl_window", ("chunk",), (), "trace"),
    "random_feedback": ("random_feedback", (), (), "trace"),
    "snap2": ("online.snap2", (), (), "other"),
    "eprop": ("online.eprop", (), (), "trace"),
    "ottt": ("online.ottt", (), (), "lines"),
    "uoro": ("online.uoro", (), (), "other"),
    "no_trace": ("no_trace", (), (), "states"),
}
"""What defines each rule's gradient, what changes it, what `advance` takes, and what is carried."""


def test_algorithms() -> None:
    facts = {name: (a.reference, a.by, a.options, a.carry) for name, a in registry.ALGORITHMS.items()}
    missing = {name: facts[name] for name in facts.keys() - ALGORITHMS.keys()}
    assert not missing, "spell its facts out in ALGORITHMS above"
    assert facts == ALGORITHMS
