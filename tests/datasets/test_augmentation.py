"""Augmentation: blends, shifts, dilation and jitter, of the training split only."""

from typing import Any

import numpy as np
import pytest
from support.genuine import Known

from drtrl_bench import data

augmentation, recordings = (data.module(f"events.{name}") for name in ("augmentation", "recordings"))


def words(seed: int, number: int = 400) -> Any:
    rng = np.random.default_rng(seed)
    zeros = np.zeros(number, np.uint16)
    t = np.sort(rng.integers(200_000, 800_000, size=number)).astype(np.int32)
    return recordings.Events(t, rng.integers(200, 500, size=number).astype(np.uint16), zeros, zeros.astype(np.uint8))


def test_a_blend_keeps_a_third_around_the_common_mean() -> None:
    parts = [words(seed, 2000) for seed in range(3)]
    parts[1] = parts[1]._replace(x=parts[1].x + np.uint16(60), t=parts[1].t + np.int32(90_000))
    blend = augmentation.blended(np.random.default_rng(0), parts)
    assert len(blend.t) == pytest.approx(0.33 * 6000, rel=0.05)
    assert blend.x.mean() == pytest.approx(np.mean([p.x.mean() for p in parts]), abs=5)
    assert blend.t.mean() == pytest.approx(np.mean([p.t.mean() for p in parts]), abs=15_000)
    assert (np.diff(blend.t) >= 0).all()


def test_moving_shifts_dilates_and_jitters() -> None:
    word = words(0, 2000)
    shifts, dilations, spreads = [], [], []
    for seed in range(300):
        moved = augmentation.moved(np.random.default_rng(seed), word)
        shifts.append(moved.x.mean() - word.x.mean())
        dilations.append(moved.t.mean() / word.t.mean())
        spreads.append(moved.x.var() - word.x.var())
    assert -41 < min(shifts) < -35
    assert 35 < max(shifts) < 41
    assert 0.949 < min(dilations) < 0.97
    assert 1.18 < max(dilations) < 1.201
    assert np.median(dilations) == pytest.approx(np.sqrt(0.95 * 1.2), abs=0.02)
    assert np.mean(spreads) == pytest.approx(16, abs=8)


def test_what_leaves_the_cochlea_or_the_time_is_gone() -> None:
    kept = augmentation.inside(np.array([5.0, -1, 3, 1.4e6, 1, 2]), np.array([0.0, 5, 700, 5, -1, 699]))
    assert kept.t.tolist() == [2, 5]
    assert kept.x.tolist() == [699, 0]


def test_augmented_batches_are_of_the_training_split(known: dict[str, Known]) -> None:
    module = data.dataset("shd")
    plain, augmented, again = (module.batch(50, 8, 3, augment=a) for a in (False, True, True))
    np.testing.assert_array_equal(plain[1], augmented[1])
    np.testing.assert_array_equal(augmented[0], again[0])
    assert not np.array_equal(plain[0], augmented[0])
    for split in ("valid", "test"):
        with pytest.raises(ValueError, match="for training"):
            module.batch(50, 2, 3, split=split, augment=True)


def test_a_blend_takes_no_recording_of_another_split(known: dict[str, Known], monkeypatch: pytest.MonkeyPatch) -> None:
    module = data.events("shd")
    held, available = module.recordings("train")
    taken: list[int] = []
    get = type(held).__getitem__
    monkeypatch.setattr(type(held), "__getitem__", lambda self, index: taken.append(int(index)) or get(self, index))
    module.batch(50, 20, 0, augment=True)
    assert len(taken) == 60
    assert set(taken) <= set(available.tolist())
