"""What results/README.md says of the sweeps over T, N, B and K are numbers of results/records/speed.jsonl."""

import json
import math
from itertools import pairwise
from typing import Any

import pytest
from stated import NUMBER, Records, assert_stated, mebibytes, milliseconds, page, records
from support.copies import ROOT

TEXT = page("results/README.md")
LIF = {"cell": "lif_delta", "neurons": 128, "batch": 8, "trace_dtype": "same", "auto": False, "segments": 0}
LONG = [LIF | {"steps": steps} for steps in (64, 256, 512, 1024, 4096)]
OTHER = [LIF | {"steps": 256} | other for other in ({"neurons": 32}, {"neurons": 512}, {"batch": 1}, {"batch": 64})]
"""The problems of LIF neurons: of those in LONG, checkpointed BPTT was measured, too."""
RTRL = {"cell": "tanh_rnn", "steps": 256, "batch": 1, "chunk": 128}
FRAMEWORKS = ("jax", "torch")
n, more = NUMBER, rf"{NUMBER} to {NUMBER}"


def of(algorithm: str, framework: str, **case: Any) -> Records:
    chosen = records("speed", algorithm, framework, **(LIF | case))
    assert len(chosen) == 1
    return chosen


def ms(algorithm: str, framework: str, **case: Any) -> float:
    return milliseconds(of(algorithm, framework, **case))


def mib(algorithm: str, framework: str, **case: Any) -> float:
    return mebibytes(of(algorithm, framework, **case))


def quickest(framework: str, problem: dict[str, Any]) -> float:
    """Milliseconds of the quicker BPTT with this project's backward pass, with checkpoints or without."""
    names = ("bptt", "bptt_checkpointed") if problem in LONG else ("bptt",)
    return min(ms(name, framework, **problem) for name in names)


def test_over_the_steps() -> None:
    rules: tuple[tuple[str, dict[str, Any]], ...] = (("drtrl", {"chunk": 32}), ("bptt", {}), ("bptt_checkpointed", {}))
    found = [ms(name, f, steps=4096, **chunk) for f in FRAMEWORKS for name, chunk in rules]
    of_jax, of_torch = (
        rf"{n} ms in JAX, plain BPTT {n} and checkpointed BPTT {n}",
        rf"in PyTorch {n} \(noisy\), {n} and {n}\.",
    )
    assert_stated(TEXT, rf"D-RTRL at K = 32 takes {of_jax}; {of_torch}", *found)
    chunks = [[*(ms("drtrl", f, steps=512, chunk=k) for k in (64, 256)), ms("bptt", f, steps=512)] for f in FRAMEWORKS]
    of_jax, of_torch = (
        rf"take {n} and {n} ms in JAX, where BPTT takes {n}",
        rf"{n} and {n} in PyTorch, where it takes {n}",
    )
    assert_stated(TEXT, rf"K = 64 and 256 {of_jax}, and {of_torch}\.", *chunks[0], *chunks[1])
    steps = [problem["steps"] for problem in LONG if problem["steps"] != 512]
    held = [max(mib("drtrl", f, steps=T, chunk=32) for T in steps) for f in FRAMEWORKS]
    grown = [mib(name, "jax", steps=T) for name in ("bptt", "bptt_checkpointed") for T in (64, 4096)]
    from_to = rf"goes from {n} at T = 64 to {n} and checkpointed BPTT's from {n} to {n}"
    assert_stated(TEXT, rf"at K = 32 is at most {n} MiB \({n} in PyTorch\), where BPTT's {from_to}", *held, *grown)


def ends(values: list[float]) -> list[float]:
    return [min(values), max(values)]


def test_how_the_frameworks_differentiate() -> None:
    problems = (*LONG, *OTHER)
    over = [ends([ms("bptt_native", f, **each) / quickest(f, each) for each in problems]) for f in FRAMEWORKS]
    pattern = rf"takes {more} times the time of the quickest BPTT here in JAX and {more} times in PyTorch"
    assert_stated(TEXT, pattern, *over[0], *over[1])


def test_filters() -> None:
    problems = [problem for problem in LONG if problem["steps"] != 512]
    over = [ends([quickest(f, each) / ms("es_drtrl", f, **each, chunk=32) for each in problems]) for f in FRAMEWORKS]
    assert_stated(TEXT, rf"quickest BPTT takes {more} times its time in JAX and {more} in PyTorch", *over[0], *over[1])
    for framework in FRAMEWORKS:
        (held,) = {mib("es_drtrl", framework, **each, chunk=32) for each in problems}
        assert held < min(mib("drtrl", framework, **each, chunk=32) for each in problems)


def test_many_samples() -> None:
    many = {"steps": 256, "batch": 64}
    over = [ms("drtrl", f, **many, chunk=32) / ms("bptt", f, **many) for f in FRAMEWORKS]
    assert_stated(TEXT, rf"it takes {n} times BPTT's time in JAX and {n} times in PyTorch\.", *over)


def test_exact_rtrl_over_the_neurons() -> None:
    times = [[ms("rtrl", f, **(RTRL | {"neurons": size})) for size in (32, 64, 128, 256, 512)] for f in FRAMEWORKS]
    grown = [math.log2(large / small) for each in times for small, large in pairwise(each)]
    assert_stated(TEXT, rf"exponents {n}, {n}, {n} and {n} in JAX and {n}, {n}, {n} and {n} in PyTorch", *grown)


def test_how_many_rows_are_unstable() -> None:
    lines = (ROOT / "results" / "records" / "speed.jsonl").read_text(encoding="utf-8").splitlines()
    unstable = [line["time"]["unstable"] for line in map(json.loads, lines) if line["kind"] == "record"]
    pattern = rf"{n} of {n} rows are marked unstable, and {n} noisy"
    assert_stated(TEXT, pattern, sum(unstable), len(unstable), len(NOISY))


NOISY = {
    ("drtrl", "torch", 4096, 128, 32): "in PyTorch 751 (noisy), 411 and 850.",
    ("rtrl", "torch", 256, 256, 128): "in PyTorch, where N = 256 is noisy.",
    ("drtrl", "torch", 512, 128, 16): "in PyTorch, where the row that gives 0.44 is noisy.",
}
"""The rows whose interval is wider than their median, and the words by which the text says so."""


def test_which_rows_are_noisy() -> None:
    lines = (ROOT / "results" / "records" / "speed.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [line for line in map(json.loads, lines) if line["kind"] == "record"]
    wide = [row["case"] for row in rows if row["time"]["high_s"] - row["time"]["low_s"] > row["time"]["median_s"]]
    keys = ("algorithm", "framework", "steps", "neurons", "chunk")
    assert {tuple(case[key] for key in keys) for case in wide} == NOISY.keys()
    for said in NOISY.values():
        assert said in TEXT
    assert TEXT.count("noisy") == 1 + len(NOISY)


def test_the_time_of_a_trace_of_half_the_size() -> None:
    sizes = [{"steps": 512, "chunk": chunk} for chunk in (1, 16, 64)]
    half = {"trace_dtype": "bfloat16"}
    over = [ends([ms("drtrl", f, **each, **half) / ms("drtrl", f, **each) for each in sizes]) for f in FRAMEWORKS]
    pattern = rf"rows with it take {more} times the time of those without in JAX, and {more} in PyTorch"
    assert_stated(TEXT, pattern, *over[0], *over[1])


@pytest.mark.parametrize("library", FRAMEWORKS)
@pytest.mark.parametrize("chunk", [1, 16, 64])
def test_a_trace_of_half_the_size(library: str, chunk: int) -> None:
    whole, half = (of("drtrl", library, steps=512, chunk=chunk, trace_dtype=kind) for kind in ("same", "bfloat16"))
    layers = [each[0]["fidelity"]["per_layer"] for each in (whole, half)]
    first, second = ({k: (f"{v['cosine']:.3f}", f"{v['norm_ratio']:.2f}") for k, v in each.items()} for each in layers)
    assert first == second
    assert mebibytes(half) < mebibytes(whole)


def test_what_the_cost_model_picks() -> None:
    """The lengths that it picks, and the times of those beside the time of every other length."""

    def picked(framework: str, **case: Any) -> tuple[int, float]:
        (found,) = of("rtrl" if "cell" in case else "drtrl", framework, auto=True, steps=512, **case)
        return found["case"]["chunk"], milliseconds([found])

    (k, in_jax), (whole, in_torch) = (picked(f) for f in FRAMEWORKS)
    assert (k, whole) == (256, 512)
    below = [ends([ms("drtrl", f, steps=512, chunk=c) for c in (1, 4, 16, 64, 256)]) for f in FRAMEWORKS]
    others = rf"that length once more and the others below K = T take {more}"
    of_jax = rf"picks K = 256 for D-RTRL at N = 128 in JAX \({n} ms; {others}\)"
    assert_stated(
        TEXT, rf"{of_jax} and K = T in PyTorch \({n} ms; below it {more}\)", in_jax, *below[0], in_torch, *below[1]
    )
    wide = [picked(f, neurons=512, batch=4) for f in FRAMEWORKS]
    assert [k for k, _ in wide] == [256, 256]
    fixed = [[ms("drtrl", f, steps=512, neurons=512, batch=4, chunk=k) for k in (16, 64, 256)] for f in FRAMEWORKS]
    assert all(each == sorted(each, reverse=True) for each in fixed)
    gain = 100 * (fixed[0][1] / fixed[0][2] - 1)
    of_64, of_256 = (of("drtrl", "jax", steps=512, neurons=512, batch=4, chunk=k)[0]["time"] for k in (64, 256))
    assert of_64["low_s"] < of_256["high_s"], "intervals that overlap: less than the noise"
    pattern = rf"256 at N = 512 \({n} and {n} ms; the quickest of K = 16, 64 and 256, in JAX by {n} % and so"
    assert_stated(TEXT, pattern, *(each for _, each in wide), gain)
    small = {"cell": "tanh_rnn", "neurons": 64, "batch": 4}
    exact = [picked(f, **small) for f in FRAMEWORKS]
    assert [k for k, _ in exact] == [128, 128]
    longer = [{"steps": 512, "chunk": 256} | small, {"steps": 512, "auto": True} | small]
    times = [[each, ms("rtrl", f, **longer[0])] for f, (_, each) in zip(FRAMEWORKS, exact, strict=True)]
    more_memory = [mib("rtrl", f, **longer[0]) / mib("rtrl", f, **longer[1]) for f in FRAMEWORKS]
    of_jax, of_torch = rf"{n} ms in JAX, where K = 256 takes {n}", rf"{n} in PyTorch, where it takes {n}"
    pattern = rf"B = 4: {of_jax}, and {of_torch}, at {n} and {n} times the memory\."
    assert_stated(TEXT, pattern, *times[0], *times[1], *more_memory)
