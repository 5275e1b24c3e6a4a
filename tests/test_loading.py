"""The table of how fast data comes: what it says of a loader and of a stream."""

from pathlib import Path
from typing import Any

import pytest
from genuine import WRITERS
from problems import needs

from drtrl_bench import loading

pytestmark = [needs("jax"), pytest.mark.xdist_group("jax")]


def test_a_loader_is_timed_beside_every_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(loading.SIZES, "integrator", (5, 4, 1))
    row = loading.batches("integrator", 3)
    assert row["data"] == "integrator (synthetic, sum in 8 ranges)"
    assert row["gradients_per_s"] == max(row[f"{rule}_per_s"] for rule in loading.RULES)
    assert row["kept_over_gradient"] == row["kept_per_s"] / row["gradients_per_s"]
    assert row["first_epoch_per_s"] == row["fingerprint"] == "", "nothing is read from files"


def test_what_is_in_memory_is_not_what_an_epoch_begins_with(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tonic")
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("DRTRL_BENCH_DATA", raising=False)
    from drtrl_bench import registry

    what = registry.dataset("nmnist").PUBLISHED
    registry.dataset("events.making").make(what, lambda *_: None, {"train": 2, "test": 1})
    monkeypatch.setitem(loading.SIZES, "nmnist", (10, 4, 2312))
    row = loading.batches("nmnist", 5)
    assert row["data"] == "N-MNIST layout (event-converted digits)"
    assert len(row["fingerprint"]) == 16
    assert row["first_epoch_per_s"] < row["kept_per_s"]


def test_a_stream_is_timed_and_weighed() -> None:
    row = loading.streamed("bernoulli", 200)
    assert row["data"] == "bernoulli (synthetic)"
    assert row["ms_per_chunk"] == pytest.approx(1e3 * row["seconds"] / 2)
    assert row["rss_peak_mib"] >= row["rss_before_mib"] > 0
    assert row["dense_inputs_mib"] == 4 * 200 * loading.LANES * 64 / 2**20


def test_files_epoch_and_memory_are_what_they_are_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """4 recordings each: "files" goes through tonic, "epoch" reads what was decoded, "kept" reads nothing."""
    pytest.importorskip("tonic")
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path / "data"))
    WRITERS["dvs_gesture"](tmp_path / "data")
    from drtrl_bench import registry

    held, calls = registry.dataset("dvs_gesture").opened("train")[0], []
    read, decode, timed = held.read, held.decode, loading.timed
    monkeypatch.setattr(held, "read", lambda index, *anew: calls.append("read") or read(index, *anew))
    monkeypatch.setattr(held, "decode", lambda index: calls.append("decode") or decode(index))
    monkeypatch.setattr(loading, "gradients", lambda *_: dict.fromkeys(loading.RULES, lambda: None))
    monkeypatch.setattr(loading, "timed", lambda call: calls.append("timed") or timed(call))
    monkeypatch.setitem(loading.SIZES, "dvs_gesture", (10, 4, 32768))
    loading.batches("dvs_gesture", 3)
    files, epoch = ["read", "decode"] * 4, ["read"] * 4
    once = ["timed", *files, "timed", *epoch, "timed", *["timed"] * len(loading.RULES)]
    assert calls == files + 3 * once
