"""What the harness asks of a data set, whoever offers it: a module of the project, its object, or a plugin's object."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from drtrl_bench import data, registry

binning = data.module("events.binning")
SIZES = {
    "bernoulli": (64, 10),
    "copying": (10, 10),
    "digits": (512, 10),
    "dms": (100, 2),
    "dvs_gesture": (32768, 11),
    "evidence": (100, 2),
    "integrator": (1, 8),
    "nmnist": (2312, 10),
    "shd": (700, 20),
    "ssc": (700, 35),
}
"""Lines and classes of each."""
PUBLISHED = ("dvs_gesture", "nmnist", "shd", "ssc")


@pytest.fixture(autouse=True)
def no_files(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("DRTRL_BENCH_DATA", raising=False)


def test_every_data_set_tells_its_sizes() -> None:
    assert {name: data.shape(name, 0) for name in data.datasets()} == SIZES
    assert data.shape("nmnist", 578) == (578, 10)


def test_what_is_published_has_events_and_nothing_else_has() -> None:
    events = {name: data.dataset(name).events for name in data.datasets()}
    assert {name: one.published.module for name, one in events.items() if one} == {name: name for name in PUBLISHED}


def test_what_is_published_says_that_its_files_are_missing() -> None:
    for name in PUBLISHED:
        assert data.label_and_fingerprint(name) == [f"{data.events(name).published.name} (no files)", ""]
        assert (data.unavailable(name) or "").endswith(f"drtrl-bench data make {name}")


def test_what_is_generated_reads_nothing() -> None:
    for name in set(SIZES) - set(PUBLISHED):
        assert (data.label_and_fingerprint(name), data.fingerprint(name), data.unavailable(name)) == ([], "", None)


class Ones:
    """A data set of ones, and of twos where it is not dense yet."""

    LABEL, SYNTHETIC, CLASSES, FEATURES = "ones (synthetic)", True, 2, 3

    @staticmethod
    def batch(steps: int, size: int, seed: int, number: float = 1.0) -> tuple[Any, Any]:
        return np.full((steps, size, 3), number, np.float32), np.zeros((steps, size), np.int32)


def test_a_set_that_offers_sparse_is_drawn_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    twos = SimpleNamespace(batch=Ones.batch, sparse=lambda *_, **__: "twos")
    monkeypatch.setitem(registry.OTHER_DATASETS, "twos", twos)
    monkeypatch.setitem(registry.OTHER_DATASETS, "ones", Ones)
    assert data.dataset("twos").sparse(4, 2, 0) == "twos"
    dense = data.dataset("ones").sparse(4, 2, 0, number=5.0)
    assert dense.dense(1, 3, np.uint8).tolist() == np.full((2, 2, 3), 5.0).tolist()
    assert dense.targets(1, 4).shape == (3, 2)


def test_cells_are_cached_by_all_that_makes_them() -> None:
    """Files that were written before are still read: their names are these."""
    bins = binning.Binning(100, (128, 128, 2), 2048, (0.0, 1.5))
    assert bins.file_name(3) == "3 100 (128, 128, 2) 2048 (0.0, 1.5) False"
    assert binning.Binning(7, (700, 1, 1), 70, late=True).file_name(0) == "0 7 (700, 1, 1) 70 None True"
    assert bins.pools
    assert not binning.Binning(100, (128, 128, 2), 32768).pools
