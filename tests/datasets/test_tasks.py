"""The tasks: labels are what their definitions say, for any size and seed, and rates and periods are the paper's."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drtrl_bench import data

dms, evidence, copying, integrator = (data.module(name) for name in ("dms", "evidence", "copying", "integrator"))
SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 12)
few = settings(max_examples=30)


def only_at_the_end(targets: np.ndarray, first: int) -> np.ndarray:
    """The one label of each trial, once it is sure that no step before `first` has one."""
    assert (targets[:first] == -1).all()
    assert (targets[first:] == targets[-1]).all()
    return targets[-1]


@few
@given(SEEDS, SIZES, st.integers(4, 300))
def test_dms_label_is_whether_test_is_sample(seed: int, size: int, steps: int) -> None:
    inputs, targets = dms.batch(steps, size, seed, features=16)
    sample, test = dms.trials(np.random.default_rng(seed), size)
    label = only_at_the_end(targets, round(1510 / 2010 * steps))
    np.testing.assert_array_equal(label, sample == test)
    assert set(np.unique(inputs)) <= {0, 1}
    assert ((sample >= 0) & (sample < 8) & (test >= 0) & (test < 8)).all()


def test_dms_matches_half_the_time_and_else_turns_anywhere() -> None:
    sample, test = dms.trials(np.random.default_rng(0), 40_000)
    turned = np.bincount((test - sample) % 8, minlength=8) / 40_000
    assert turned[0] == pytest.approx(0.5, abs=0.015)
    np.testing.assert_allclose(turned[1:], 0.5 / 7, atol=0.008)
    np.testing.assert_allclose(np.bincount(sample) / 40_000, 1 / 8, atol=0.01)


def test_dms_at_the_paper_s_size() -> None:
    inputs, targets = dms.batch(2010, 3, 0)
    assert inputs.shape == (2010, 3, 100)
    assert ((targets >= 0).sum(axis=0) == 500).all()
    # With 8 lines, each prefers one of the 8 directions.
    inputs, _ = dms.batch(2010, 400, 0, features=8)
    sample, test = dms.trials(np.random.default_rng(0), 400)
    rates = [inputs[part].mean(axis=0) * 1000 for part in np.split(np.arange(2010), [10, 510, 1510])]
    assert rates[0].mean() == pytest.approx(1, abs=0.8)
    assert rates[2].mean() == pytest.approx(1, abs=0.1)
    for shown, rate in ((sample, rates[1]), (test, rates[3])):
        for away in range(5):
            seen = np.concatenate([rate[range(400), (shown + turn) % 8] for turn in (away, -away)])
            expected = 1 + 100 * np.exp(3 * (np.cos(np.pi * away / 4) - 1))
            assert seen.mean() == pytest.approx(expected, rel=0.03, abs=0.3)


def test_dms_coarser_steps_have_as_many_spikes_in_a_trial() -> None:
    fine, coarse = dms.batch(2010, 100, 0)[0], dms.batch(402, 100, 0)[0]
    assert coarse.sum() == pytest.approx(fine.sum(), rel=0.02)


@few
@given(SEEDS, SIZES, st.integers(44, 400), st.sampled_from([1, 3, 7]))
def test_evidence_label_is_the_majority(seed: int, size: int, steps: int, cues: int) -> None:
    inputs, targets = evidence.batch(steps, size, seed, features=8, cues=cues)
    left = evidence.trials(np.random.default_rng(seed), size, cues)
    length = 150 * cues + 1150
    label = only_at_the_end(targets, round((length - 150) / length * steps))
    np.testing.assert_array_equal(label, left.sum(axis=1) > cues / 2)
    assert set(np.unique(inputs)) <= {0, 1}


def test_evidence_at_the_paper_s_size() -> None:
    inputs, targets = evidence.batch(2200, 80, 1)
    assert inputs.shape == (2200, 80, 100)
    assert ((targets >= 0).sum(axis=0) == 150).all()
    left = evidence.trials(np.random.default_rng(1), 80, 7)
    lines = inputs.reshape(2200, 80, 4, 25)
    for cue in range(7):
        gap, on = slice(150 * cue, 150 * cue + 50), slice(150 * cue + 50, 150 * cue + 150)
        assert not lines[gap, :, :3].any()
        for side, chosen in ((0, left[:, cue]), (1, ~left[:, cue])):
            assert lines[on, chosen, side].mean() == pytest.approx(0.04, abs=0.003)
            assert not lines[on, ~chosen, side].any()
    assert not lines[1050:2050, :, :3].any()
    assert lines[2050:, :, 2].mean() == pytest.approx(0.04, abs=0.002)
    assert lines[:, :, 3].mean() == pytest.approx(0.01, abs=0.001)


def test_evidence_cues_favour_a_side() -> None:
    left = evidence.trials(np.random.default_rng(0), 40_000, 7).mean(axis=1)
    # Half the trials are binomial with 0.7 and half with 0.3: mean 1/2, variance 0.21 / 7 + 0.04.
    assert left.mean() == pytest.approx(0.5, abs=0.01)
    assert left.var() == pytest.approx(0.21 / 7 + 0.04, abs=0.002)


@few
@given(SEEDS, SIZES, st.integers(2, 80), st.data())
def test_copying_targets_are_the_symbols_shown(seed: int, size: int, steps: int, data: Any) -> None:
    length = data.draw(st.one_of(st.none(), st.integers(1, steps // 2)))
    inputs, targets = copying.batch(steps, size, seed, length)
    n = length or min(10, steps // 2)
    assert (inputs.sum(axis=2) == 1).all()
    shown = inputs.argmax(axis=2)
    np.testing.assert_array_equal(targets[-n:], shown[:n])
    assert ((shown[:n] >= 1) & (shown[:n] <= 8)).all()
    assert (shown[n : steps - n] == 0).all()
    assert (shown[steps - n :] == 9).all()
    assert (targets[:-n] == -1).all()


def test_copying_at_the_paper_s_size() -> None:
    inputs, targets = copying.batch(520, 128, 0)
    assert inputs.shape == (520, 128, 10)
    assert ((targets >= 0).sum(axis=0) == 10).all()


@few
@given(SEEDS, SIZES, st.integers(1, 100))
def test_integrator_targets_are_ranges_of_the_sum(seed: int, size: int, steps: int) -> None:
    inputs, targets = integrator.batch(steps, size, seed)
    edges = integrator.edges(steps)
    assert (np.diff(edges) > 0).all()
    sums = np.zeros(size)
    for x, t in zip(inputs[..., 0].astype(np.float64), targets, strict=True):
        sums = sums + x
        low, high = np.concatenate([[-np.inf], edges])[t], np.concatenate([edges, [np.inf]])[t]
        assert ((low <= sums) & (sums < high)).all()


def test_integrator_at_the_example_s_size() -> None:
    inputs, targets = integrator.batch(25, 40_000, 0)
    # A bias of 0.05 (z - 1/2) in each trial, and noise of 0.01 / sqrt(0.04) at each step.
    bias, noise = inputs[..., 0].mean(axis=0), inputs[..., 0].std(axis=0, ddof=1)
    assert bias.mean() == pytest.approx(-0.025, abs=0.001)
    assert bias.std() == pytest.approx(np.hypot(0.05, 0.05 / 5), abs=0.001)
    assert noise.mean() == pytest.approx(0.05, abs=0.001)
    np.testing.assert_allclose(np.bincount(targets[-1]) / 40_000, 1 / 8, atol=0.01)


@pytest.mark.parametrize(
    ("module", "sizes", "options", "said"),
    [
        (dms, (2, 1, 0), {}, "too few"),
        (dms, (10, 1, 0), {"features": 0}, "at least 1"),
        (evidence, (10, 1, 0), {}, "too few"),
        (evidence, (200, 1, 0), {"features": 10}, "multiple of 4"),
        (evidence, (200, 1, 0), {"cues": 4}, "odd"),
        (copying, (1, 1, 0), {}, "at least 2"),
        (copying, (10, 1, 0), {"length": 6}, "at least 12"),
    ],
)
def test_impossible_trials_are_refused(module: Any, sizes: Any, options: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        module.batch(*sizes, **options)


# Trials written out, with chance taken away


def test_copying_written_out() -> None:
    """Symbols, blanks, cues; the symbols again under the cues, in their order."""
    inputs, targets = copying.batch(8, 1, 0, length=3)
    assert inputs[:, 0].argmax(axis=1).tolist() == [7, 6, 5, 0, 0, 9, 9, 9]
    assert targets[:, 0].tolist() == [-1, -1, -1, -1, -1, 7, 6, 5]


def test_evidence_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """In steps of 50 ms lines of 40 Hz spike for sure: gap, cue, cue, seven times; 20 of delay; 3 of recall."""
    cues = [[1, 1, 0, 1, 0, 0, 1], [0, 1, 0, 1, 0, 0, 1]]
    monkeypatch.setattr(evidence, "trials", lambda *_: np.array(cues, bool))
    inputs, targets = evidence.batch(44, 2, 0, features=4)
    silent = [0] * 23
    assert inputs[:, 0, 0].tolist() == [0, 1, 1, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, *silent]
    assert inputs[:, 0, 1].tolist() == [0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 1, 1, 0, 0, 0, *silent]
    assert inputs[:, 0, 2].tolist() == [0] * 41 + [1, 1, 1]
    assert targets[:, 0].tolist() == [-1] * 41 + [1, 1, 1]  # four of seven on the left
    assert targets[:, 1].tolist() == [-1] * 41 + [0, 0, 0]


def test_evidence_delay_moves_the_recall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "trials", lambda *_: np.ones((1, 1), bool))
    inputs, targets = evidence.batch(10, 1, 0, features=4, cues=1, delay=200)  # 150, 200 and 150 ms in steps of 50
    assert inputs[:, 0, 0].tolist() == [0, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    assert inputs[:, 0, 2].tolist() == [0, 0, 0, 0, 0, 0, 0, 1, 1, 1]
    assert targets[:, 0].tolist() == [-1, -1, -1, -1, -1, -1, -1, 1, 1, 1]


def test_dms_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a narrow tuning and no background only the line of the direction shown spikes, for sure at 251 ms a step."""
    monkeypatch.setattr(dms, "trials", lambda *_: (np.array([2, 2]), np.array([2, 5])))
    monkeypatch.setattr(dms, "KAPPA", 1000.0)
    monkeypatch.setattr(dms, "ALWAYS", 0.0)
    inputs, targets = dms.batch(8, 2, 0, features=8)
    spikes = [[np.flatnonzero(inputs[step, lane]).tolist() for step in range(8)] for lane in (0, 1)]
    assert spikes[0] == [[2], [2], [], [], [], [], [2], [2]]
    assert spikes[1] == [[2], [2], [], [], [], [], [5], [5]]
    assert targets.T.tolist() == [[-1, -1, -1, -1, -1, -1, 1, 1], [-1, -1, -1, -1, -1, -1, 0, 0]]


def test_integrator_written_out() -> None:
    """Bias 0.05 (z - 1/2) and noise 0.01 sqrt(3) of PCG64's first normal numbers from seed 0; eighths of the normal
    distribution of mean -0.025 and deviation sqrt(0.05^2 + 0.01^2), both times 3."""
    inputs, targets = integrator.batch(3, 2, 0)
    z = [0.12573022, -0.13210486]
    noise = [[0.64042265, 0.10490012], [-0.53566937, 0.36159505], [1.30400005, 0.94708096]]
    expected = [[0.05 * (z[b] - 0.5) + 0.01 * 3**0.5 * step[b] for b in (0, 1)] for step in noise]
    np.testing.assert_allclose(inputs[..., 0], expected, atol=1e-7)
    edges = [-0.250970, -0.178177, -0.123742, -0.075, -0.026258, 0.028177, 0.100970]
    np.testing.assert_allclose(integrator.edges(3), edges, atol=1e-6)
    assert targets.T.tolist() == [[5, 4, 4], [4, 4, 4]]  # sums -.0076, -.0356, -.0317 and -.0298, -.0551, -.0703
