"""The table of how fast data comes: what it says of a loader and of a stream."""

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.genuine import WRITERS
from support.problems import needs

from drtrl_bench.experiments import loading, resident, stream_cost

pytestmark = [needs("jax"), pytest.mark.xdist_group("jax")]


def test_a_loader_is_timed_beside_every_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(loading.SIZES, "integrator", (5, 4, 1))
    row = loading.batches("integrator", 3)
    assert row["data"] == "integrator (synthetic, sum in 8 ranges)"
    assert row["gradients_per_s"] == max(row[f"{rule}_per_s"] for rule in loading.ALGORITHMS)
    assert row["kept_over_gradient"] == row["kept_per_s"] / row["gradients_per_s"]
    assert row["first_epoch_per_s"] == row["fingerprint"] == "", "nothing is read from files"


def test_gradients_are_of_32_bits_in_a_process_that_knows_64(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gradient check of the harness lets JAX have float64; weights drawn in it are not to be timed in it."""
    import jax

    from drtrl_bench.implementations.training import stream_jax

    of_weights: list[str] = []

    def fold(params: Any, _: Any) -> None:
        of_weights.extend(str(w.dtype) for w in params[0].values())

    monkeypatch.setattr(stream_jax, "streaming", lambda *_: fold)
    monkeypatch.setitem(loading.SIZES, "integrator", (40, 4, 1))
    with jax.enable_x64(True):
        row = loading.batches("integrator", 3)
        stream_cost.measure_here("bernoulli", 200)
    assert row["bptt_per_s"] > 0, "mixed numbers cannot be scanned over"
    assert set(of_weights) == {"float32"}


def test_what_is_in_memory_is_not_what_an_epoch_begins_with(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tonic")
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path))
    monkeypatch.delenv("DRTRL_BENCH_DATA", raising=False)
    from drtrl_bench import data

    what = data.events("nmnist").published
    data.module("events.make_stand_in").make(what, lambda *_: None, {"train": 2, "test": 1})
    monkeypatch.setitem(loading.SIZES, "nmnist", (10, 4, 2312))
    row = loading.batches("nmnist", 5)
    assert row["data"] == "N-MNIST layout (event-converted digits)"
    assert len(row["fingerprint"]) == 16
    assert row["first_epoch_per_s"] < row["kept_per_s"]


def test_every_rate_is_of_its_own_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds that are told, of a loader of files and of the three rules; medians, since the first call is slower."""
    held = SimpleNamespace(cache_folder=None)
    module = SimpleNamespace(FEATURES=32768, LABEL="a label", batch=lambda *_: ("inputs", "targets"))
    module.events = SimpleNamespace(recordings=lambda split: (held, None))
    told = {"bptt": 0.25, "es_drtrl": 0.0625, "drtrl": 0.125}
    first = iter([9.0, 7.0, 4.0, 1.0, 4.0, 1.0])  # from files, then from what was decoded

    def timed(call: Any) -> float:
        return told.get(call, 0.5)

    monkeypatch.setattr(loading.data, "dataset", lambda name: module)
    monkeypatch.setattr(loading.data, "fingerprint", lambda name: f"files of {name}")
    monkeypatch.setattr(loading, "gradients", lambda *_: {rule: rule for rule in told})
    monkeypatch.setattr(loading, "cold_seconds", lambda what, call: next(first) if what is held else None)
    monkeypatch.setattr(loading.clock, "once", timed)
    assert loading.batches("dvs_gesture at 128 x 128", 3) == {
        "dataset": "dvs_gesture",
        "data": "a label",
        "fingerprint": "files of dvs_gesture",
        "steps": 60,
        "batch": 16,
        "lines": 32768,
        "from_files_per_s": 0.25,
        "first_epoch_per_s": 1.0,
        "kept_per_s": 2.0,
        "fastest_rule": "es_drtrl",
        "gradients_per_s": 16.0,
        "first_epoch_over_gradient": 0.0625,
        "kept_over_gradient": 0.125,
        "bptt_per_s": 4.0,
        "es_drtrl_per_s": 16.0,
        "drtrl_per_s": 8.0,
    }


def test_a_stream_is_timed_and_weighed() -> None:
    row = stream_cost.measure_here("bernoulli", 200)
    assert row["data"] == "bernoulli (synthetic)"
    assert row["ms_per_chunk"] == pytest.approx(1e3 * row["seconds"] / 2)
    assert row["rss_peak_mib"] >= row["rss_before_mib"] > 0
    assert row["dense_inputs_mib"] == 4 * 200 * stream_cost.LANES * 64 / 2**20


@pytest.mark.parametrize("resettable", [True, False])
def test_the_peak_of_a_stream_is_its_own(resettable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first run compiles; the peak begins anew after it, and both are told in literal numbers."""
    from drtrl_bench.implementations.training import stream_jax

    happened: list[str] = []
    peaks = iter([3 * 2**20, 5 * 2**20])

    def chunks(name: str, steps: int, lanes: int, seed: int, chunk: int, period: int) -> str:
        return f"{name} of {steps} steps in {chunk}"

    def timed(call: Any) -> float:
        call()
        return 0.5

    monkeypatch.setattr(stream_cost.stream, "chunks", chunks)
    monkeypatch.setattr(stream_jax, "streaming", lambda *_: lambda _, given: happened.append(given))
    monkeypatch.setattr(resident.memory, "reset_rss_peak", lambda: happened.append("reset") or resettable)
    monkeypatch.setattr(resident.memory, "rss_peak_bytes", lambda: happened.append("read") or next(peaks))
    monkeypatch.setattr(stream_cost.clock, "once", timed)
    row = stream_cost.measure_here("bernoulli", 500)
    runs = [f"bernoulli of {steps} steps in 100" for steps in (2000, 500)]
    read = ["read"] * resettable  # else it would be the peak of compiling
    assert happened == [runs[0], "reset", *read, runs[1], *read]
    costs = [row[column] for column in ("rss_before_mib", "rss_peak_mib", "seconds", "ms_per_chunk")]
    assert costs == [*([3.0, 5.0] if resettable else [None, None]), 0.5, 100.0]


def test_a_row_is_of_the_commit_before_it_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The checkout changes with each measurement; a stream, which is a process of its own, finds the present one."""
    commits = [0]

    def measured(*_: Any) -> dict[str, Any]:
        commits[0] += 1
        rates = dict.fromkeys(("gradients_per_s", "first_epoch_per_s", "kept_per_s"), 1.0)
        return {"data": "a label", "lines": 1, "fastest_rule": "bptt", "seconds": 1.0, "rss_peak_mib": None} | rates

    monkeypatch.setattr(loading, "SIZES", {"integrator": (5, 4, 1), "dms": (5, 4, 1)})
    monkeypatch.setattr(loading, "LENGTHS", (10, 20))
    monkeypatch.setattr(loading.data, "unavailable", lambda name: "missing" if name == "nmnist" else None)
    monkeypatch.setattr(loading, "batches", measured)
    monkeypatch.setattr(loading.stream_cost, "measure", measured)
    monkeypatch.setattr(loading.environment, "checkout", lambda: {"commit": str(commits[0]), "dirty": False})
    loading.main(tmp_path)
    found = {}
    for name in ("batches", "stream"):
        with (tmp_path / f"{name}.csv").open(encoding="utf-8") as file:
            found[name] = [row["commit"] for row in csv.DictReader(file)]
    assert found == {"batches": ["0", "0"], "stream": ["2", "3"]}
    assert "a label, 20 steps: 1.0 s\n" in capsys.readouterr().out, "its memory is not known"


def test_a_table_is_replaced_when_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.csv"
    loading.write(path, [{"a": 1}, {"a": 2.34567, "b": "of the second row"}])
    text = "a,b\n1,\n2.346,of the second row\n"
    assert path.read_text(encoding="utf-8") == text

    def full(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(csv.DictWriter, "writerows", full)
    with pytest.raises(OSError, match="no space left"):
        loading.write(path, [{"a": 3}])
    assert path.read_text(encoding="utf-8") == text


def test_rules_go_through_the_sequence_as_they_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """BPTT over all steps at once, the others in chunks of 32 as online rules are."""
    from drtrl_bench.implementations.engine import network_jax

    asked: dict[str, int] = {}

    def gradient(algorithm: str, net: Any, params: Any, inputs: Any, targets: Any, *, chunk: int) -> Any:
        asked[algorithm] = chunk
        return inputs

    monkeypatch.setattr(loading.lookup, "algorithm", lambda rule, framework, options: f"{rule} in {framework}")
    monkeypatch.setattr(network_jax, "gradient", gradient)
    monkeypatch.setitem(loading.SIZES, "bernoulli", (40, 2, 64))
    loading.batches("bernoulli", 3)
    assert asked == {"bptt in jax": 40, "es_drtrl in jax": 32, "drtrl in jax": 32}


def test_files_epoch_and_memory_are_what_they_are_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """4 recordings each: "files" goes through tonic, "epoch" reads what was decoded, "kept" reads nothing."""
    pytest.importorskip("tonic")
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path / "data"))
    WRITERS["dvs_gesture"](tmp_path / "data")
    from drtrl_bench import data

    held, calls = data.events("dvs_gesture").recordings("train")[0], []
    read, decode, timed = held.read, held.decode, loading.clock.once
    monkeypatch.setattr(held, "read", lambda index, *anew: calls.append("read") or read(index, *anew))
    monkeypatch.setattr(held, "decode", lambda index: calls.append("decode") or decode(index))
    monkeypatch.setattr(loading, "gradients", lambda *_: dict.fromkeys(loading.ALGORITHMS, lambda: None))
    monkeypatch.setattr(loading.clock, "once", lambda call: calls.append("timed") or timed(call))
    monkeypatch.setitem(loading.SIZES, "dvs_gesture", (10, 4, 32768))
    loading.batches("dvs_gesture", 3)
    files, epoch = ["read", "decode"] * 4, ["read"] * 4
    once = ["timed", *files, "timed", *epoch, "timed", *["timed"] * len(loading.ALGORITHMS)]
    assert calls == files + 3 * once
