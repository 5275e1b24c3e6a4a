"""The refusal for memory: what the float64 reference takes, and that no sequence is too long for one line."""

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.problems import needs

from drtrl_bench import data, lookup
from drtrl_bench.case import Case, Plan
from drtrl_bench.cost.footprint import footprint, reference_bytes
from drtrl_bench.cost.sizes import sizes
from drtrl_bench.implementations.reference import algorithms as reference
from drtrl_bench.measure import memory, problem, refusal, runner

SMALL = Case(dataset="bernoulli", features=64, threads=1, steps=256, batch=16)
NETWORKS: list[dict[str, Any]] = [
    {"cell": "lif_delta"},
    {"cell": "lif_delta", "neurons": 16, "features": 512},
    {"cell": "gru", "layers": 2, "batch": 8},
    {"cell": "alif_stp", "features": 16},
    {"cell": "lif_delta_trained", "readout": "linear", "dtype": "float64"},
]


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_the_reference_takes_what_its_arrays_do(network: dict[str, Any]) -> None:
    """The arrays of the forward pass, all there when the way back begins; and not more than NumPy asks for."""
    case = replace(SMALL, **network)
    net, (params, inputs, _) = problem.network(case), problem.draw(case)
    tapes = reference.forward(net, params, inputs)
    arrays = [array for tape in tapes for array in (tape.states[1:], tape.currents, tape.outputs)]
    arrays += [array for tape in tapes for kind, array in tape.z.items() if kind != "x"]
    arrays += [tapes[0].z["x"], inputs]
    weights = sum(array.size for layer in params for array in layer.values())
    whole = sum(array.nbytes for array in arrays) + 2 * max(tape.currents.nbytes for tape in tapes)
    expected = reference_bytes(sizes(case, *data.shape(case.dataset, case.features)))
    assert expected == whole + (4 + 8 + 8) * weights
    tracemalloc.start()
    problem.solve(case)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.6 * peak < expected < peak


def test_the_reference_by_hand() -> None:
    """A LIF layer of 3 on 5 lines with a bias, a readout of 2 without: one state and one drive each."""
    case = replace(SMALL, neurons=3, batch=7, steps=11)
    weights = 5 * 3 + 3 * 3 + 3 + 3 * 2
    numbers = 5 + 3 * (1 + 1 + 1 + 1) + 1 + 2 * (1 + 1 + 1) + 2 * 3
    assert reference_bytes(sizes(case, 5, 2)) == 20 * weights + 11 * 7 * (4 * 5 + 8 * numbers)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight GiB free, and every framework installed."""
    monkeypatch.setenv(memory.SETTING, "8")
    monkeypatch.setattr(lookup, "missing", lambda framework: None)


def test_a_sequence_of_10_to_the_12_is_refused_for_its_reference(free: None) -> None:
    """D-RTRL itself needs little: its memory does not grow with the sequence."""
    case = replace(SMALL, neurons=8, features=4, batch=1, steps=10**12)
    least = 10**12 * (4 * 4 + 8 * (4 + 8 * 4 + 1 + 10 * 3 + 2 * 10))  # and the weights, which do not count here
    assert round(least / 2**40) == 648
    assert footprint(sizes(case, 4, 10)).total < 2**20
    assert runner.refusal(case) == (
        "oom",
        "refused: needs at least 648 TiB, 8.00 GiB available (648 TiB of arrays and 64.0 MiB for Python, of the "
        "float64 reference over all steps); choose fewer steps, a smaller batch or fewer neurons",
    )
    assert runner.refusal(replace(case, steps=128)) is None


def test_a_gpu_does_not_help_the_reference(free: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner.environment, "output", lambda *words: "GPU 0")
    case = replace(SMALL, device="gpu", steps=10**9)
    found = runner.refusal(case)
    assert found is not None
    assert "of the float64 reference" in found[1]
    assert runner.refusal(replace(case, steps=128)) is None


def test_the_larger_need_is_named(free: None) -> None:
    """Exact RTRL's influence is larger than the reference of a short sequence, and BPTT's own arrays are smaller."""
    short = replace(SMALL, algorithm="rtrl", neurons=5000, steps=8, chunk=8)
    assert "for the framework and its compiler" in str(runner.refusal(short))
    long = replace(SMALL, algorithm="bptt", steps=10**7, chunk=10**7)
    assert "of the float64 reference" in str(runner.refusal(long))


def test_little_memory_says_how_to_try_all_the_same(free: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(memory.SETTING, "0.01")
    monkeypatch.setattr(refusal, "analytic_bytes", lambda *a: None)
    found = runner.refusal(SMALL)
    assert found is not None
    assert found[1].endswith("end other programs, or try all the same: DRTRL_BENCH_MEMORY_GIB=2")


@needs("torch")
@pytest.mark.parametrize("algorithm", ["drtrl", "bptt", "rtrl", "es_drtrl"])
def test_the_longest_sequence_is_a_row_and_no_error(algorithm: str, tmp_path: Path) -> None:
    case = replace(SMALL, algorithm=algorithm, framework="torch", steps=10**15, neurons=10**6, batch=10**6, layers=100)
    plan = Plan("own", "", (case, replace(case, steps=10**12)))
    lines = runner.run(plan, tmp_path / "r.jsonl", lambda text, line: None)
    assert [(line["status"], line["refused"]) for line in lines] == [("oom", True)] * 2
    assert all("\n" not in str(line["reason"]) for line in lines)
