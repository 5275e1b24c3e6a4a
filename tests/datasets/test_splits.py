"""Splits: no recording and no held-out speaker in two, each batch from its own."""

import numpy as np
import pytest
from support.genuine import WRITERS, Known

from drtrl_bench import data

splits = data.module("events.splits")
NAMES = tuple(WRITERS)


@pytest.mark.parametrize("name", NAMES)
def test_splits_share_no_recording(known: dict[str, Known], name: str) -> None:
    """By the events themselves, which all differ."""
    module = data.events(name)
    seen: dict[str, set[bytes]] = {}
    for split in ("train", "valid", "test"):
        held, available = module.recordings(split)
        seen[split] = {b"".join(column.tobytes() for column in held[i]) for i in available}
        assert len(seen[split]) == len(available) > 0
    assert not seen["train"] & seen["valid"]
    assert not (seen["train"] | seen["valid"]) & seen["test"]
    assert sum(map(len, seen.values())) == sum(map(len, known[name].values()))


@pytest.mark.parametrize("name", ["shd", "dvs_gesture"])
def test_validation_is_on_other_speakers_and_subjects(known: dict[str, Known], name: str) -> None:
    held, train = data.events(name).recordings("train")
    _, valid = data.events(name).recordings("valid")
    assert not set(held.groups[train]) & set(held.groups[valid])
    assert set(held.labels[valid]) == set(held.labels)


def test_validation_has_all_digits(known: dict[str, Known]) -> None:
    held, valid = data.events("nmnist").recordings("valid")
    np.testing.assert_array_equal(np.bincount(held.labels[valid]), 1)
    labels = np.repeat(np.arange(10), 600)
    np.testing.assert_array_equal(np.bincount(labels[splits.stratified(labels)]), 60)


def test_a_single_speaker_cannot_be_held_out() -> None:
    with pytest.raises(ValueError, match="needs two"):
        splits.by_group(np.zeros(5))
    held = splits.by_group(np.repeat(np.arange(10), 3))
    assert np.flatnonzero(held).tolist() == [24, 25, 26, 27, 28, 29], "the last two of ten"


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_draws_from_its_split(known: dict[str, Known], name: str) -> None:
    module = data.events(name)
    for split in ("train", "valid", "test"):
        held, available = module.recordings(split)
        _, targets = module.batch(2, len(available), 0, split=split)
        np.testing.assert_array_equal(np.sort(targets[0]), np.sort(held.labels[available]))
        with pytest.raises(ValueError, match=f"between 1 and {len(available)}"):
            module.batch(2, len(available) + 1, 0, split=split)
    with pytest.raises(ValueError, match="train, valid, test"):
        module.batch(2, 1, 0, split="validation")
