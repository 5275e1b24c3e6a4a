"""The steps that the gradient check runs on: where a wrong gradient shows, in every data set and task."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support import genuine
from support.problems import needs

from drtrl_bench import data
from drtrl_bench.case import Case, Plan
from drtrl_bench.measure import fidelity, gradcheck, problem, runner
from drtrl_bench.measure.problem import Problem

TASK = Case(framework="torch", cell="leaky_rnn", features=4, neurons=3, batch=2, steps=40, chunk=4, threads=1)
"""Its checks take 2 * 4 + 3 steps, but at least 16."""


@pytest.fixture
def files(layouts: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files in the layout of every published data set."""
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(layouts))
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layouts")
    for write in genuine.WRITERS.values():
        write(folder)
    return folder


def posed(labels: dict[int, int], inputs: Any = None, steps: int = 40) -> Problem:
    """A problem of TASK with random inputs and labels at some steps, the same in every sample."""
    lines, classes = TASK.features, 10
    rng = np.random.default_rng(3)
    sizes = ((lines, TASK.neurons), (TASK.neurons, classes))
    params = [cell.initial_weights(rng, *io) for cell, io in zip(problem.network(TASK), sizes, strict=True)]
    targets = np.full((steps, 3), -1, np.int32)
    for t, label in labels.items():
        targets[t] = label
    drawn = rng.standard_normal((steps, 3, lines)).astype(np.float32)
    return Problem(params, drawn if inputs is None else inputs, targets, [], [])


class Numbers:
    """Stands for the tested implementation: a gradient that is the reference's, or is handed in."""

    def __init__(self, change: Callable[[float, fidelity.Gradient], tuple[float, fidelity.Gradient]]) -> None:
        self.change = change

    def Backend(self, case: Case, part: Problem, dtype: str) -> Any:  # noqa: N802
        from drtrl_bench.implementations.reference import algorithms as reference

        assert dtype == "float64"
        found = reference.drtrl(problem.network(case), part.params, part.inputs.astype(np.float64), part.targets)
        return SimpleNamespace(gradient=lambda: self.change(*found))


def checked(case: Case, whole: Problem, change: Any = lambda loss, gradient: (loss, gradient)) -> tuple[Any, Any]:
    """What the check found, and why the case may not be measured."""
    found = gradcheck.gradient_check(case, whole, Numbers(change).Backend)
    return found, gradcheck.failure(found, {"firing_rate": []})


SCALES = {"shd": 30.0, "ssc": 30.0, "nmnist": 1e4, "dvs_gesture": 1e4}
"""Of the input weights, for files of 60 events a recording in up to 32,768 lines; elsewhere the plans' default."""


@needs("torch")
@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        *((name, {}) for name in data.datasets() if name != "dvs_gesture"),
        ("dvs_gesture", {"features": 512}),
        pytest.param("dvs_gesture", {"scale_x": 1e6}, marks=pytest.mark.slow),  # 32,768 lines take seconds
        ("dms", {"steps": 40, "chunk": 4}),
        ("copying", {"steps": 300, "chunk": 4}),
        ("copying", {"steps": 128, "chunk": 1}),
        ("copying", {"chunk": 128}),
        ("evidence", {"chunk": 1}),
        ("evidence", {"steps": 500}),
    ],
)
def test_every_data_set_is_checked_at_the_plans_defaults(name: str, sizes: dict[str, Any]) -> None:
    from drtrl_bench.measure import backend_torch as subject_torch

    case = replace(Case(), dataset=name, framework="torch", scale_x=SCALES.get(name, 1.0))
    case = replace(case, **sizes)
    inputs, targets = problem.draw(case)[1:]
    net, part = problem.network(case), Problem(problem.draw(case)[0], inputs, targets, [], [])
    found = gradcheck.gradient_check(case, part, subject_torch.Backend)
    assert gradcheck.failure(found, fidelity.activity(problem.spikes(net, part.params, inputs))) is None
    assert found["error"] < 1e-12
    assert found["loss_error"] < 1e-12
    assert found["loss"] > 0.1


@needs("torch")
@pytest.mark.usefixtures("files")
@pytest.mark.xdist_group("torch")
def test_a_task_labelled_at_its_end_is_measured(tmp_path: Path) -> None:
    """Ten labels after 118 steps without; the densest input, of as many lines at every step, is the first."""
    case = Case(framework="torch", dataset="copying", neurons=8, batch=2, threads=1)
    (line,) = runner.run(Plan("p", "", (case,), limit_s=90, budget_s=0.01), tmp_path / "r.jsonl", lambda *_: None)
    assert (line["status"], line["reason"]) == ("ok", None)
    assert (line["gate"]["steps"], line["gate"]["batch"]) == (67, 2)
    assert line["gate"]["loss"] > 1


def test_the_window_ends_in_the_label_at_the_last_step() -> None:
    part = gradcheck.most_active_window(posed({39: 5}), steps=16, batch=2, chunk=4)
    assert part.targets[:, 0].tolist() == [-1] * 15 + [5]
    assert part.targets.shape == (16, 2)


def test_a_label_comes_after_every_chunk_boundary() -> None:
    """Labels in the first steps, where the input is dense, would not show what a carry brings past step 12."""
    inputs = np.full((40, 3, 4), 0.1, np.float32)
    inputs[:6] = 9
    part = gradcheck.most_active_window(posed(dict.fromkeys([0, 1, 2, 5, 33], 5), inputs), steps=16, batch=2, chunk=4)
    assert part.targets[:, 0].tolist().index(5) >= 12


def test_input_that_comes_after_the_last_label_does_not_count() -> None:
    inputs = np.zeros((40, 3, 4), np.float32)
    inputs[21:40] = 9  # of which a window that ends in label 20 could hold three steps
    inputs[2:7] = 1
    whole = posed({17: 5, 20: 6}, inputs)
    part = gradcheck.most_active_window(whole, steps=16, batch=2, chunk=4)
    assert part.targets[:, 0].tolist() == [-1] * 15 + [5], "steps 2 to 17"
    assert part.inputs[0].min() == 1


def test_of_windows_with_labels_the_one_with_the_densest_input() -> None:
    inputs = np.zeros((40, 3, 5), np.float32)
    inputs[21:25, 0] = 1
    inputs[2:9, 2] = 9  # a sample that the check does not take
    whole = Problem([], inputs, np.tile(np.arange(40, dtype=np.int32)[:, None], 3), [], [])
    part = gradcheck.most_active_window(whole, steps=4, batch=2, chunk=2)
    assert part.inputs.shape == (4, 2, 5)
    assert part.inputs.sum() == inputs[:, :2].sum()
    assert part.targets[:, 0].tolist() == [21, 22, 23, 24]


def test_samples_that_are_not_checked_lend_no_label() -> None:
    whole = posed({39: 5})
    whole.targets[39, :2] = -1
    whole.targets[10, 1] = 4
    part = gradcheck.most_active_window(whole, steps=16, batch=2, chunk=4)
    assert sorted(set(part.targets.ravel().tolist())) == [-1, 4]


def test_the_window_grows_until_the_network_is_alive() -> None:
    """All input lies 25 steps before the only label: 16 steps see none of it, 32 do."""
    inputs = np.zeros((40, 3, 4), np.float32)
    inputs[8:14] = 1
    found, reason = checked(TASK, posed({39: 5}, inputs))
    assert reason is None
    assert found["steps"] == 32


@pytest.mark.parametrize(
    ("labels", "inputs", "said"),
    [
        ({}, None, "no step is labelled in 40 steps of the first 2 samples"),
        ({39: 5}, np.zeros((40, 3, 4), np.float32), "the reference gradient of layer0.x, layer0.r"),
    ],
)
def test_where_nothing_can_be_wrong_the_reason_says_so(labels: dict[int, int], inputs: Any, said: str) -> None:
    found, reason = checked(TASK, posed(labels, inputs))
    assert reason is not None
    assert reason.startswith(f"gradient check: {said}")
    assert "\n" not in reason
    assert "finite" not in reason
    assert "error" not in found, "nothing was compared"


def test_a_network_that_is_certain_says_nothing() -> None:
    """A loss of exactly 0: softmax of the right class is 1 in float64."""
    whole = posed({39: 5})
    whole.params[-1]["x"][:] = 0
    whole.params[-1]["x"][:, :, 5] = 1e6
    whole.params[0]["x"][:] = np.abs(whole.params[0]["x"])
    _, reason = checked(TASK, replace(whole, inputs=np.abs(whole.inputs)))
    assert reason is not None
    assert reason.startswith("gradient check: the reference loss is 0")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda loss, g: (1.25 * loss, g), "gradient check: the loss is off by 2.5e-01, allowed 1e-10"),
        (lambda loss, g: ((1 - 3e-10) * loss, g), "gradient check: the loss is off by 3.0e-10, allowed 1e-10"),
        (lambda loss, g: (float("nan"), g), "gradient check: the loss is not finite"),
        (
            lambda loss, g: (loss, times(g, "b", 0.5)),
            "gradient check: the gradient of layer0.b is off by 5.0e-01, allowed 1e-10",
        ),
        (
            lambda loss, g: (loss, times(g, "r", 1 + 2e-10)),
            "gradient check: the gradient of layer0.r is off by 2.0e-10",
        ),
        (lambda loss, g: (loss, times(g, "x", float("inf"))), "gradient check: the gradient of layer0.x is not finite"),
        (lambda loss, g: (loss, times(g, "x", 1 + 5e-11)), None),
    ],
)
def test_an_error_is_told_by_name_and_size(change: Any, said: str | None) -> None:
    reason = checked(TASK, posed({39: 5, 20: 1}), change)[1]
    assert reason == said or (said is not None and reason is not None and reason.startswith(said))


def times(gradient: fidelity.Gradient, kind: str, factor: float) -> fidelity.Gradient:
    first, *rest = gradient
    return [first | {kind: factor * first[kind]}, *rest]
