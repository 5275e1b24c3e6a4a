"""Map names to algorithms, cells and data sets, as literals that grep finds; modules are imported on first use."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from drtrl_bench import install, protocols


@dataclass(frozen=True)
class Algorithm:
    """Describe an algorithm: the reference of its gradient, and the facts from which its cost follows."""

    about: str
    """One line of `drtrl-bench list`."""
    reference: str | Callable[..., Any]
    """The NumPy function that defines the gradient: MODULE.NAME in implementations/reference/, or NAME for one in its
    `algorithms`; or a plugin's function."""
    by: tuple[str, ...] = ()
    """Fields of the case that change the gradient; the reference takes them as arguments."""
    options: tuple[str, ...] = ()
    """Fields of the case that `advance` takes."""
    carry: str = "states"
    """What the algorithm carries besides the states, one of `CARRIES`."""
    paths: str = ""
    """Which paths through recurrent weights the loss's adjoint keeps: all, own (a neuron's weight on itself) or none.
    If left out: all for an algorithm that carries the states alone or an influence, none for traces and filters."""
    blockwise: bool = False
    """Whether `advance` takes an `execution`, and runs a chunk in the blocks that it defines."""
    native: bool = False
    """Whether the framework differentiates the forward pass, and so decides what is stored for that. With
    `segments` of 0 it stores everything; our own checkpointed form then picks the number of segments."""
    feedback: str = "layers"
    """How the error reaches a layer: through the weights of the layers above, or direct, from the readout's error."""
    filtered: bool = False
    """Whether every hidden neuron has one more state, its filtered output."""

    @property
    def reference_place(self) -> tuple[str, str]:
        """Return the module of implementations/reference/ and the name in it of the function that is `reference`."""
        module, _, name = str(self.reference).rpartition(".")
        return f"implementations.reference.{module or 'algorithms'}", name

    def module(self, name: str, framework: str) -> protocols.Algorithm:
        """Import the module with the algorithm's `init` and `advance` in a framework."""
        module: Any = importlib.import_module(f"drtrl_bench.{module_name(name, framework)}")
        return module

    @property
    def segmented(self) -> bool:
        """Tell whether the algorithm stores only the states before each segment of a chunk, and runs segments twice."""
        return "segments" in self.options

    @property
    def filters(self) -> bool:
        """Tell whether nothing but filters is carried, so that a block leaves nothing to be done for later ones."""
        return self.carry in ("filters", "lines")

    @property
    def truncated(self) -> bool:
        """Tell whether a chunk shorter than the sequence truncates the gradient, for lack of a carry besides states."""
        return "chunk" in self.by and self.carry == "states"

    def keeps(self, paths: str) -> bool:
        """Tell whether the loss's adjoint keeps exactly these paths through recurrent weights."""
        return paths == (self.paths or ("all" if self.carry in ("states", "influence") else "none"))


def module_name(name: str, framework: str) -> str:
    """Return the name, within the package, of the module of one of the project's algorithms."""
    folder = "exact" if name in EXACT else "further" if name in FURTHER else "approximate"
    return f"implementations.algorithms.{folder}.{name}_{framework}"


EXACT = ("bptt", "bptt_checkpointed", "bptt_native", "rtrl")
"""The algorithms of implementations/algorithms/exact; all others lie in approximate, or"""
FURTHER = ("eprop", "snap2", "ottt", "uoro")
"""in implementations/algorithms/further: rules that other libraries have, and new ones."""
BPTT = ("bptt", "bptt_checkpointed", "bptt_native")
"""The implementations of BPTT: costs are compared with those of the quickest."""
CARRIES = ("states", "trace", "influence", "filters", "lines", "other")
"""Nothing else; a trace of every weight; an influence of every weight; filters; one filter, of the presynaptic lines;
what has no formula here."""
ES = ("decay", "decay_x", "bias_correction")
ALGORITHMS = {
    "bptt": Algorithm(
        "backpropagation through time; K < T is truncated BPTT",
        "bptt",
        ("chunk",),
        blockwise=True,
    ),
    "bptt_checkpointed": Algorithm(
        "BPTT that runs segments twice to save memory",
        "bptt",
        ("chunk",),
        ("segments",),
        blockwise=True,
    ),
    "bptt_native": Algorithm(
        "BPTT by the framework's own modules and differentiation",
        "bptt",
        ("chunk",),
        ("segments",),
        blockwise=True,
        native=True,
    ),
    "rtrl": Algorithm(
        "exact real-time recurrent learning, at every K",
        "bptt",
        carry="influence",
        blockwise=True,
    ),
    "drtrl": Algorithm(
        "D-RTRL: paths through weights are cut; same gradient at every K",
        "drtrl_by_cutting",
        carry="trace",
        blockwise=True,
    ),
    "es_drtrl": Algorithm(
        "ES-D-RTRL (pp-prop): two filters instead of a trace", "es_drtrl", ES, ES, carry="filters", blockwise=True
    ),
    "snap1": Algorithm(
        "SnAp-1: D-RTRL that keeps each neuron's weight on itself",
        "snap1_by_cutting",
        carry="trace",
        blockwise=True,
        paths="own",
    ),
    "drtrl_window": Algorithm(
        "BPTT inside windows of K steps, D-RTRL's trace before",
        "drtrl_window",
        ("chunk",),
        carry="trace",
        blockwise=True,
        paths="all",
    ),
    "random_feedback": Algorithm(
        "control: D-RTRL, random weights to hidden layers",
        "random_feedback",
        carry="trace",
        blockwise=True,
        feedback="direct",
    ),
    "snap2": Algorithm(
        "SnAp-2: RTRL within a layer, for the neurons that a weight reaches in two steps",
        "online.snap2",
        carry="other",
        blockwise=True,
    ),
    "eprop": Algorithm(
        "e-prop: D-RTRL whose traces pass the leak of the readout",
        "online.eprop",
        carry="trace",
        blockwise=True,
        filtered=True,
    ),
    "ottt": Algorithm(
        "OTTT: one trace per presynaptic neuron, which fades by the leak",
        "online.ottt",
        carry="lines",
        blockwise=True,
    ),
    "uoro": Algorithm(
        "UORO: RTRL whose influence is a random product of two vectors",
        "online.uoro",
        carry="other",
        blockwise=True,
    ),
    "no_trace": Algorithm("control: the current step only", "no_trace", paths="none", blockwise=True),
}

CELLS: dict[str, tuple[str | Callable[[str | None], Any], dict[str, Any]]] = {
    "tanh_rnn": ("TanhRNN", {}),
    "leaky_rnn": ("LeakyRNN", {}),
    "leaky_rnn_trained": ("LeakyRNN", {"trainable": ("tau",)}),
    "gru": ("GRU", {}),
    "lstm": ("LSTM", {}),
    "mgu": ("MGU", {}),
    "lru": ("LRU", {}),
    "if_delta": ("LIF", {}),
    "lif_delta": ("LIF", {"reset": "soft"}),
    "lif_delta_hard": ("LIF", {"reset": "hard"}),
    "lif_delta_trained": ("LIF", {"trainable": ("tau", "threshold")}),
    "lif_expcu": ("LIF", {"states": ("V", "g")}),
    "lif_std": ("LIF", {"states": ("V", "x", "g"), "U": 0.1}),
    "lif_stp": ("LIF", {"states": ("V", "u", "x", "g"), "U": 0.15}),
    "lif_std_before": ("LIF", {"states": ("V", "x", "g"), "U": 0.1, "release": "before"}),
    "lif_stp_before": ("LIF", {"states": ("V", "u", "x", "g"), "U": 0.15, "release": "before"}),
    "alif_delta": ("LIF", {"states": ("V", "a")}),
    "alif_expcu": ("LIF", {"states": ("V", "a", "g")}),
    "alif_std": ("LIF", {"states": ("V", "a", "x", "g"), "U": 0.1}),
    "alif_stp": ("LIF", {"states": ("V", "a", "u", "x", "g"), "U": 0.15}),
    "gif": ("GIF", {}),
    "ei_gif": ("EIGIF", {}),
    "egru": ("EGRU", {}),
    "egru_traced": ("EGRU", {"traced": True}),
}
"""The class and the options of each cell; the states of a LIF choose adaptation (a) and synapse (g, x, u). In place of
the class a plugin has a function, which returns the class of a framework or, for None, the specification."""

OTHER_DATASETS: dict[str, Any] = {}
"""The data sets of plugins: objects with the attributes of a module of `datasets/`."""

READOUTS = {"leaky": "LeakyReadout", "linear": "LinearReadout"}

FRAMEWORKS = {name: install.command(name) for name in ("jax", "torch")}
