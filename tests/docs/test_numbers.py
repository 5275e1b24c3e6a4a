"""The numbers in the text of README.md and of docs/tables, peers, scale and data are those of committed records."""

import csv
import json
import math
import re
from datetime import datetime, timedelta
from itertools import chain
from statistics import median
from typing import Any

import numpy as np
import pytest
from stated import NUMBER, Records, assert_stated, mebibytes, milliseconds, page, records
from support.copies import ROOT

from drtrl_bench.gate import alarms, compare, selftest, slowdown, verdict
from drtrl_bench.measure import gradcheck
from drtrl_bench.records import reading

TABLES = page("docs/tables.md")
LIF = {"cell": "lif_delta", "readout": "leaky"}
GROWTH = ("ms_per_step", "beyond_mib")


def hidden(readout: str, key: str) -> list[float]:
    """The hidden layer's cosine or norm ratio of D-RTRL under a readout, over the length of the sequence."""
    chosen = [records("quick", "drtrl", "jax", readout=readout, steps=steps) for steps in (64, 256, 1024)]
    return [median(r["fidelity"]["per_layer"]["layer0"][key] for r in each) for each in chosen]


def test_three_algorithms_on_digits() -> None:
    three = rf"{NUMBER}, {NUMBER} and {NUMBER}"
    assert_stated(TABLES, rf"readout, a tenth of its norm\*\*: cosine {three} and norm", *hidden("leaky", "cosine"))
    assert_stated(TABLES, rf"{three} at T = 64, 256 and 1024\. The factor", *hidden("leaky", "norm_ratio"))
    assert_stated(TABLES, rf"the same network has cosine {three}", *hidden("linear", "cosine"))
    assert_stated(TABLES, rf"{three}\. - \*\*The cosine of all", *hidden("linear", "norm_ratio"))
    assert_stated(TABLES, rf"1 - exp\(-1/10\) = {NUMBER}", 1 - math.exp(-1 / 10))
    overall = [
        records("quick", "drtrl", "jax", readout="leaky", steps=steps)[0]["fidelity"]["overall"]["cosine"]
        for steps in (64, 1024)
    ]
    assert_stated(TABLES, rf"falls from {NUMBER} to {NUMBER} under the leaky readout", *overall)


def test_chunks() -> None:
    def lif(algorithm: str, framework: str, steps: int, chunk: int, **case: Any) -> Records:
        return records("headline", algorithm, framework, steps=steps, chunk=chunk, **LIF, **case)

    def ratios(framework: str, chunk: int) -> list[float]:
        """BPTT's time over D-RTRL's in each round."""
        pairs = zip(lif("bptt", framework, 512, 512), lif("drtrl", framework, 512, chunk), strict=True)
        return [median(b["time"]["samples_s"]) / median(d["time"]["samples_s"]) for b, d in pairs]

    jax = [milliseconds(lif("drtrl", "jax", 512, 128)), milliseconds(lif("bptt", "jax", 512, 512))]
    assert_stated(TABLES, rf"{NUMBER} against {NUMBER} ms in JAX \(", *jax)
    four = rf"{NUMBER}, {NUMBER}, {NUMBER} and {NUMBER}"
    assert_stated(TABLES, rf"\(BPTT / D-RTRL {four} in the four", *ratios("jax", 128))
    torch = [milliseconds(lif("drtrl", "torch", 512, 128)), milliseconds(lif("bptt", "torch", 512, 512))]
    assert_stated(TABLES, rf"{NUMBER} against {NUMBER} ms in PyTorch \(", *torch)
    assert_stated(TABLES, rf"in PyTorch \({four}\)", *ratios("torch", 128))
    assert_stated(TABLES, rf"as quick as BPTT in JAX \({four}\)", *ratios("jax", 32))
    assert_stated(
        TABLES, rf"slower in PyTorch \({NUMBER} to {NUMBER}\)", min(ratios("torch", 32)), max(ratios("torch", 32))
    )
    rounds = [lif(*which) for which in (("drtrl", "jax", 4096, 32), ("bptt", "jax", 4096, 4096))]
    times = [[1e3 * median(r["time"]["samples_s"]) for r in each] for each in rounds]
    ends = [end(each) for each in times for end in (min, max)]
    assert_stated(TABLES, rf"takes {NUMBER} to {NUMBER} ms and BPTT {NUMBER} to {NUMBER} ms in JAX", *ends)
    long = [milliseconds(lif(*which)) for which in (("drtrl", "torch", 4096, 32), ("bptt", "torch", 4096, 4096))]
    assert_stated(TABLES, rf"slower in PyTorch \({NUMBER} against {NUMBER}\)", *long)
    flops = [lif(*which)[0]["floor"]["flops"] for which in (("bptt", "jax", 4096, 4096), ("drtrl", "jax", 4096, 32))]
    assert_stated(TABLES, rf"There BPTT takes {NUMBER} of D-RTRL's operations", flops[0] / flops[1])

    native = [("jax", 0), ("jax", 23), ("jax", 512), ("torch", 0)]
    times = [milliseconds(lif("bptt_native", f, 512, 512, segments=n)) for f, n in native]
    stated = rf"takes {NUMBER} ms in JAX, {NUMBER} with checkpoints .* {NUMBER} with one in every step, and {NUMBER} ms"
    assert_stated(TABLES, stated, *times)

    for framework, pattern in (("jax", r"goes from {0} to {0} MiB"), ("torch", r"and from {0} to {0} MiB")):
        sizes = [mebibytes(lif("bptt", framework, steps, steps)) for steps in (512, 4096)]
        assert_stated(TABLES, pattern.format(NUMBER), *sizes)
    assert_stated(
        TABLES,
        rf"K = 32 stays at {NUMBER} and {NUMBER} MiB, to the byte",
        *(mebibytes([*lif("drtrl", f, 512, 32), *lif("drtrl", f, 4096, 32)]) for f in ("jax", "torch")),
    )
    trace = 16 * (64 + 256 + 1) * 256 * 4 / 2**20  # B (I + N + 1) N numbers of 4 bytes; S = 1
    assert_stated(TABLES, r"(\d) MiB of it are the trace", trace)
    longest = [mebibytes(lif("drtrl", f, 512, 128)) for f in ("jax", "torch")]
    assert_stated(TABLES, rf"K = 128 takes {NUMBER} and {NUMBER} MiB, at T = 512", *longest)
    assert_stated(TABLES, rf"as much as BPTT, {NUMBER} MiB, in PyTorch", mebibytes(lif("bptt", "torch", 512, 512)))
    assert longest[0] > mebibytes(lif("bptt", "jax", 512, 512))

    forward = [median(r["time"]["forward_s"] for r in lif("drtrl", f, 512, 128)) * 1e3 for f in ("jax", "torch")]
    times = [milliseconds(lif("drtrl", f, 512, 128)) for f in ("jax", "torch")]
    over = [time / alone for time, alone in zip(times, forward, strict=True)]
    assert_stated(TABLES, rf"takes {NUMBER} \(JAX\) and {NUMBER} \(PyTorch\) times the forward", *over)
    rtrl = {(f, K): milliseconds(records("headline", "rtrl", f, chunk=K)) for f in ("jax", "torch") for K in (1, 128)}
    faster = [rtrl[f, 1] / rtrl[f, 128] for f in ("jax", "torch")]
    assert_stated(TABLES, rf"RTRL at K = 128 is {NUMBER} \(JAX\) and {NUMBER} \(PyTorch\) times faster", *faster)
    faster = [milliseconds(lif("drtrl", f, 512, 1)) / milliseconds(lif("drtrl", f, 512, 128)) for f in ("jax", "torch")]
    assert_stated(TABLES, rf"is only {NUMBER} and {NUMBER} times faster than at K = 1", *faster)

    for framework, pattern in (
        ("jax", r"in JAX {0} MiB at T = 512 and {0} at 4096, for {0} % and {0} % more time"),
        ("torch", r"in PyTorch {0} and {0} MiB, at T = 4096 more than D-RTRL's, for {0} % and {0} % more time"),
    ):
        twice = [lif("bptt_checkpointed", framework, steps, steps) for steps in (512, 4096)]
        once = [lif("bptt", framework, steps, steps) for steps in (512, 4096)]
        more = [100 * (milliseconds(c) / milliseconds(b) - 1) for c, b in zip(twice, once, strict=True)]
        assert_stated(TABLES, pattern.format(NUMBER), *map(mebibytes, twice), *more)
        if framework == "jax":
            each = [milliseconds([c]) / milliseconds([b]) for c, b in zip(chain(*twice), chain(*once), strict=True)]
            assert_stated(TABLES, rf"do not agree: {NUMBER} to {NUMBER} times", min(each), max(each))


def test_compiled_and_on_a_gpu() -> None:
    def times(algorithm: str, chunk: int) -> list[float]:
        return [
            milliseconds(records("compiled", algorithm, "torch", chunk=chunk, mode=m)) for m in ("plain", "compile")
        ]

    assert_stated(TABLES, rf"`bptt_native` {NUMBER} to {NUMBER} ms, BPTT", *times("bptt_native", 512))
    assert_stated(TABLES, rf"BPTT {NUMBER} to {NUMBER} ms, D-RTRL at", *times("bptt", 512))
    assert_stated(TABLES, rf"D-RTRL at K = 128 {NUMBER} to {NUMBER},", *times("drtrl", 128))
    assert_stated(TABLES, rf"ES-D-RTRL {NUMBER} to {NUMBER}\.", *times("es_drtrl", 16))
    sizes = {"neurons": 512, "batch": 32, "steps": 1024, "mode": "triton", "dataset": "bernoulli"}
    gpu = {
        (a, f): milliseconds(records("gpu_h100", a, f, chunk=K, **sizes))
        for a, K in (("drtrl", 256), ("bptt", 1024))
        for f in ("torch", "jax")
    }
    pattern = (
        rf"takes {NUMBER} ms in PyTorch and {NUMBER} in JAX, and BPTT with the same .* kernel {NUMBER} and {NUMBER} ms"
    )
    assert_stated(TABLES, pattern, *gpu.values())


def test_the_front_page_on_memory() -> None:
    """The memory of D-RTRL over BPTT's, which the front table has, too."""
    wanted = {"readout": "leaky", "layers": 2}
    for algorithm, name, after in (
        ("drtrl", "input lines, D-RTRL", " Over"),
        ("es_drtrl", "- \\*\\*ES-D-RTRL", "\\*\\* It"),
    ):
        both = [
            [mebibytes(records("algorithms", a, f, **wanted)) for a in (algorithm, "bptt")] for f in ("jax", "torch")
        ]
        pattern = rf"{name} takes {NUMBER} of BPTT's memory in JAX and {NUMBER} in PyTorch\.{after}"
        assert_stated(page("README.md"), pattern, *(share / whole for share, whole in both))


def test_the_front_page_on_rounds() -> None:
    """The processor's time over that of BPTT in each round."""
    ends: list[float] = []
    for algorithm in ("drtrl", "es_drtrl"):
        for f in ("jax", "torch"):
            both = (records("algorithms", a, f, readout="leaky") for a in (algorithm, "bptt"))
            own, true = ([median(r["time"]["cpu_samples_s"]) for r in each] for each in both)
            ratios = [a / b for a, b in zip(own, true, strict=True)]
            assert len(ratios) == 5
            ends += [min(ratios), max(ratios)]
    pair = rf"{NUMBER} to {NUMBER}"
    pattern = rf"D-RTRL takes {pair} of BPTT's time in JAX and {pair} in PyTorch, ES-D-RTRL {pair} and {pair}\."
    assert_stated(page("README.md"), pattern, *ends)


def test_the_front_page_on_long_sequences() -> None:
    """D-RTRL over BPTT at 4,096 steps: memory in both frameworks, and time in each round."""
    shares, ratios = [], []
    for f in ("jax", "torch"):
        own, other = (records("headline", a, f, steps=4096, chunk=K) for a, K in (("drtrl", 32), ("bptt", 4096)))
        assert [r["round"] for r in own] == [r["round"] for r in other] == [0, 1, 2, 3]
        shares.append(mebibytes(own) / mebibytes(other))
        each = [milliseconds([a]) / milliseconds([b]) for a, b in zip(own, other, strict=True)]
        ratios += [min(each), max(each)]
    pattern = (
        rf"chunks of 32, it takes {NUMBER} of BPTT's memory in JAX and {NUMBER} in PyTorch; and of BPTT's time, "
        rf"from round to round, {NUMBER} to {NUMBER} in JAX and {NUMBER} to {NUMBER} in PyTorch"
    )
    assert_stated(page("README.md"), pattern, *shares, *ratios)


def test_bptt_of_neurons_with_several_states() -> None:
    """JAX's own differentiation over the shared backward pass: the processor's time in each round, and memory."""
    text, shares = page("docs/paper.md"), []
    for cell, pattern in (
        ("gif", rf"takes {NUMBER} to {NUMBER} of the other's time for GIF neurons"),
        ("ei_gif", rf"\(`dms`\), {NUMBER} to {NUMBER} for the excitatory"),
        ("egru_traced", rf"and {NUMBER} to {NUMBER} for the event-based GRU"),
        ("gru", rf"it takes {NUMBER} to {NUMBER} times its time"),
    ):
        own, shared = (records("states", name, "jax", cell=cell) for name in ("bptt_native", "bptt"))
        assert [r["round"] for r in own] == [r["round"] for r in shared] == [0, 1]
        times = [[median(r["time"]["cpu_samples_s"]) for r in each] for each in (own, shared)]
        ratios = [a / b for a, b in zip(*times, strict=True)]
        assert_stated(text, pattern, min(ratios), max(ratios))
        shares.append(mebibytes(own) / mebibytes(shared))
        in_torch = (records("states", name, "torch", cell=cell) for name in ("bptt_native", "bptt"))
        native, engine = ([median(r["time"]["cpu_samples_s"]) for r in each] for each in in_torch)
        slower = sum(a > b for a, b in zip(native, engine, strict=True))
        assert slower == (2 if cell in ("egru_traced", "gru") else 1)
    assert "`bptt` is the quicker in both rounds for the event-based GRU and the GRU, and in one of two" in text
    assert_stated(text, rf"in {NUMBER}, {NUMBER} and {NUMBER} of its memory", *shares[:3])


def test_fidelity_along_training() -> None:
    """Hidden cosines along training and accuracies after it, as the figures' points have them."""

    def points(name: str) -> list[dict[str, str]]:
        with (ROOT / "results" / "figures" / "paper" / f"{name}.csv").open(encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def ends(task: str, rules: tuple[str, ...], column: str) -> tuple[float, float]:
        chosen = [float(p[column]) for p in points("along_accuracy") if p["task"] == task and p["rule"] in rules]
        assert len(chosen) == 5 * len(rules)
        return min(chosen), max(chosen)

    text, online = page("docs/paper.md"), ("drtrl", "es_drtrl", "no_trace", "random_feedback")
    of_drtrl = {"task": "copying", "rule": "drtrl", "layer": "layer0", "measure": "cosine"}
    course = {int(p["update"]): float(p["median"]) for p in points("along_training") if of_drtrl.items() <= p.items()}
    assert_stated(text, rf"hidden layer falls from {NUMBER} to {NUMBER} \(medians", course[0], course[200])
    for rule, words in (
        ("no_trace", "without a trace medians along training"),
        ("random_feedback", "random feedback they"),
        ("drtrl", "with D-RTRL medians along training"),
        ("es_drtrl", "with ES-D-RTRL they"),
    ):
        right = (100 * share for share in ends("copying", (rule,), "test_accuracy"))
        pattern = rf"{words} are {NUMBER} to {NUMBER}, and {NUMBER} to {NUMBER} %"
        assert_stated(text, pattern, *ends("copying", (rule,), "cosine"), *right)
    shares = [100 * share for share in ends("copying", ("bptt",), "test_accuracy")]
    assert_stated(text, rf"BPTT gets {NUMBER} to {NUMBER} % of the symbols right", *shares)
    match = [100 * share for rules in (online, ("bptt",)) for share in ends("dms", rules, "test_accuracy")]
    pattern = rf"above {NUMBER}, and test accuracies are {NUMBER} to {NUMBER} %, where BPTT's are {NUMBER} to {NUMBER}"
    assert_stated(text, pattern, ends("dms", online, "cosine")[1], *match)


def test_paths_within_a_step() -> None:
    """Medians as published over those corrected, of the spiking networks and of the LSTM, as the points have them."""
    with (ROOT / "results" / "figures" / "paper" / "in_step.csv").open(encoding="utf-8") as file:
        points = list(csv.DictReader(file))

    def pairs(rule: str, part: str, measure: str) -> dict[str, tuple[float, float]]:
        chosen = [p for p in points if (p["rule"], p["part"], p["measure"]) == (rule, part, measure)]
        by = {(p["cell"], p["protocol"]): float(p["median"]) for p in chosen}
        return {cell: (by[cell, "as published"], by[cell, "corrected"]) for cell, _ in by}

    text, longer, moved = page("docs/paper.md"), [], 0.0
    for rule in ("drtrl", "es_drtrl"):
        ratios = pairs(rule, "layer0", "norm_ratio")
        own = [twice / once for cell, (twice, once) in ratios.items() if cell != "lstm"]
        assert len(own) == 6
        longer += [min(own), max(own)]
        cosines = pairs(rule, "layer0", "cosine")
        moved = max(moved, *(abs(twice - once) for cell, (twice, once) in cosines.items() if cell != "lstm"))
    pattern = rf"gradient {NUMBER} to {NUMBER} times as long, and ES-D-RTRL's {NUMBER} to {NUMBER} times; the cosines"
    assert_stated(text, rf"{pattern} move by {NUMBER} at most", *longer, moved)
    twice, once = pairs("drtrl", "layer0", "norm_ratio")["lstm"]
    assert_stated(text, rf"The LSTM's is {NUMBER} times as long", twice / once)
    cosines = pairs("drtrl", "all", "cosine")["lstm"]
    pattern = rf"as published, {NUMBER} against {NUMBER}: .* which is exact, {NUMBER} and {NUMBER} of BPTT's"
    assert_stated(text, pattern, *cosines, twice, once)


def of_pp_prop(file: str, kind: str, cell: str) -> Records:
    """The lines of pp_prop, or of ES-D-RTRL beside it, in a file of comparisons with other libraries, by round."""
    lines = map(json.loads, (ROOT / "results" / "peers" / f"{file}.jsonl").read_text(encoding="utf-8").splitlines())
    chosen = [line for line in lines if (line["kind"], line.get("way"), line.get("cell")) == (kind, "pp_prop", cell)]
    assert {line["status"] for line in chosen} == {"ok"}
    return sorted(chosen, key=lambda line: line["round"])


def test_pp_prop_beside_es_drtrl() -> None:
    def ratios(file: str, cell: str) -> list[float]:
        both = zip(*(of_pp_prop(file, kind, cell) for kind in ("peer", "ours")), strict=True)
        return [median(theirs["time"]["samples_s"]) / median(own["time"]["samples_s"]) for theirs, own in both]

    text, cells = page("docs/peers.md"), ("lif_delta", "tanh_rnn", "gru")
    rounds = [ratios("pp_prop", cell) for cell in cells]
    each = rf"{NUMBER} \({NUMBER} to {NUMBER}\)"
    stated = chain(*([median(values), min(values), max(values)] for values in rounds))
    assert_stated(text, rf"pp_prop takes {each}, {each} and {each} times the time of ES-D-RTRL", *stated)
    sizes = [[mebibytes(of_pp_prop("pp_prop", kind, cell)) for kind in ("peer", "ours")] for cell in cells]
    shares = [theirs / own for theirs, own in sizes]
    assert_stated(text, rf"{NUMBER}, {NUMBER} and {NUMBER} of its memory", *shares)
    assert mebibytes(of_pp_prop("pp_prop", "peer", "lif_delta")) == mebibytes(
        of_pp_prop("compare", "peer", "lif_delta")
    )


def test_the_ratios_with_other_libraries() -> None:
    """The processor's time of a way over that of what is beside it here, in each of two rounds."""
    path = ROOT / "results" / "peers" / "compare.jsonl"
    lines = [line for line in map(json.loads, path.read_text(encoding="utf-8").splitlines()) if "way" in line]
    assert {line["round"] for line in lines} == {0, 1}

    def took(kind: str, peer: str, way: str, algorithm: str) -> list[float]:
        wanted = {"kind": kind, "peer": peer, "way": way}
        chosen = [line for line in lines if wanted.items() <= line.items() and line["case"]["algorithm"] == algorithm]
        assert {(line["status"], line["case"]["threads"]) for line in chosen} == {("ok", 1)}
        ordered = sorted(chosen, key=lambda line: line["round"])
        return [median(line["time"]["cpu_samples_s"]) for line in ordered]

    def ratio(peer: str, way: str, algorithm: str) -> float:
        # the case of a peer's line is the first of those beside it
        both = (took(kind, peer, way, algorithm) for kind in ("peer", "ours"))
        return median(theirs / own for theirs, own in zip(*both, strict=True))

    text = page("docs/peers.md")
    braintrace = [("d_rtrl", "drtrl"), ("d_rtrl_vmap", "drtrl"), ("pp_prop", "es_drtrl")]
    batched, vmap, pp_prop = (ratio("braintrace", *each) for each in braintrace)
    assert_stated(text, rf"batching takes {NUMBER} times the time of the chunked D-RTRL here", batched)
    assert_stated(text, rf"with `vmap=True` it takes {NUMBER} times the time", vmap)
    assert_stated(text, rf"pp_prop takes {NUMBER} times the time of ES-D-RTRL here", pp_prop)
    further = [("braintrace", "eprop", "eprop"), ("braintrace", "uoro", "uoro"), ("spikingjelly", "ottt", "ottt")]
    assert_stated(
        text,
        rf"e-prop and UORO take {NUMBER} and {NUMBER} times the time of those here, .* OTTT {NUMBER} times",
        *(ratio(*each) for each in further),
    )
    ways = (
        ("braintrace", "bptt"),
        ("spyx", "bptt"),
        ("norse", "bptt"),
        ("snntorch", "bptt"),
        ("snntorch", "bptt_undelayed"),
    )
    ways += ("spikingjelly", "bptt"), ("spikingjelly", "bptt_detached")
    every = [ratio(*way, "bptt") for way in ways]
    assert_stated(text, rf"BPTT: every library takes {NUMBER} to {NUMBER} times the time", min(every), max(every))


def test_the_ratios_with_other_libraries_at_other_sizes() -> None:
    """The processor's time, and the bytes, of a way over those of the quickest beside it here, in the first round."""
    path = ROOT / "results" / "peers" / "sweep.jsonl"
    lines = [line for line in map(json.loads, path.read_text(encoding="utf-8").splitlines()) if "way" in line]

    def over(peer: str, way: str, cell: str, steps: int) -> tuple[float, float]:
        at = {"peer": peer, "way": way, "cell": cell, "steps": steps, "neurons": 256, "round": 0, "status": "ok"}
        costs: dict[str, list[tuple[float, float]]] = {"peer": [], "ours": []}
        for line in lines:
            if at.items() <= line.items():
                cost = median(line["time"]["cpu_samples_s"]), line["memory"]["working_bytes"]
                costs[line["kind"]].append(cost)
        ((time, size),), best = costs["peer"], min(costs["ours"])
        return time / best[0], size / best[1]

    text, lengths = page("docs/peers.md"), (128, 512, 2048)
    times, sizes = zip(*(over("braintrace", "d_rtrl_vmap", "lif_delta", T) for T in lengths), strict=True)
    three = rf"{NUMBER}, {NUMBER} and {NUMBER}"
    assert_stated(text, rf"`vmap=True` takes {three} times the time of the D-RTRL here", *times)
    assert_stated(text, rf"at T = 128, 512 and 2,048, in {three} of its memory", *sizes)
    gru = [number for way in ("bptt", "pp_prop") for number in over("braintrace", way, "gru", 512)]
    pattern = (
        rf"its BPTT takes {NUMBER} times the time of the quickest BPTT here, in {NUMBER} times its memory, and its "
    )
    pattern += rf"pp_prop {NUMBER} times the time of ES-D-RTRL here, in {NUMBER} of its memory"
    assert_stated(text, pattern, *gru)
    ways = {(line["peer"], line["way"]) for line in lines if line["way"].startswith("bptt")}
    every = [over(*way, "lif_delta", T)[0] for way in ways for T in lengths]
    assert_stated(text, rf"BPTT takes every library {NUMBER} to {NUMBER} times the time", min(every), max(every))


def test_a_brain() -> None:
    def table(name: str) -> list[dict[str, str]]:
        with (ROOT / "results" / "brain" / f"{name}.csv").open(encoding="utf-8") as file:
            return list(csv.DictReader(file))

    text = page("docs/scale.md")
    whole = {(row["rule"], row["framework"]): row for row in table("brain") if row["neurons"] == "130000"}
    assert {(row["pairs"], row["status"], row["dirty"]) for row in whole.values()} == {("15000000", "ok", "False")}

    def of(column: str, *rules: str) -> list[float]:
        return [float(whole[rule, framework][column]) for rule in rules for framework in ("jax", "torch")]

    times = rf"takes {NUMBER} ms by D-RTRL in JAX and {NUMBER} in PyTorch, {NUMBER} and {NUMBER} by ES-D-RTRL, {NUMBER}"
    assert_stated(text, rf"{times} and {NUMBER} by BPTT", *of("ms_per_step", "drtrl", "es_drtrl", "bptt"))
    assert_stated(text, rf"holds {NUMBER} MiB in JAX and {NUMBER} in PyTorch", *of("rss_peak_mib", "drtrl"))
    assert_stated(text, rf"end it held at most {NUMBER} and {NUMBER}\.", *of("rss_whole_mib", "drtrl"))
    (drawing,) = {float(row["rss_drawing_mib"]) for row in whole.values()}
    assert_stated(text.replace(",", ""), rf"drew the network had held {NUMBER}\.", drawing)
    growth = {name: [float(row["exponent"]) for row in table("growth") if row["quantity"] == name] for name in GROWTH}
    span = rf"{NUMBER} to {NUMBER}"
    stated = [end(growth[name]) for name in GROWTH for end in (min, max)]
    assert_stated(text, rf"exponents of {span}, memory beyond the framework with {span}", *stated)

    def between(least: str, most: str) -> dict[tuple[str, str], float]:
        """The exponents of time from one size to another, by rule and framework."""
        of_size = [{(r["rule"], r["framework"]): r for r in table("brain") if r["neurons"] == N} for N in (least, most)]
        logs = [
            {key: (math.log(float(r["ms_per_step"])), math.log(int(r["pairs"]))) for key, r in found.items()}
            for found in of_size
        ]
        return {key: (logs[1][key][0] - ms) / (logs[1][key][1] - pairs) for key, (ms, pairs) in logs[0].items()}

    first, last = between("1000", "5000"), between("30000", "130000")
    in_both = rf"with {NUMBER} in JAX and {NUMBER} in PyTorch"
    assert_stated(text, rf"time hardly grows, {in_both}", first["drtrl", "jax"], first["drtrl", "torch"])
    own = last["drtrl", "jax"], last["drtrl", "torch"]
    assert_stated(text, rf"time grows with {span}, by D-RTRL {in_both}", min(last.values()), max(last.values()), *own)
    trained = {(r["rule"], r["framework"]): r for r in table("low_rank") if r["neurons"] == "130000"}
    costs = [float(trained[rule, f]["ms_per_step"]) for rule in ("es_drtrl", "bptt") for f in ("jax", "torch")]
    pattern = rf"takes {NUMBER} ms by ES-D-RTRL in JAX and {NUMBER} in PyTorch, {NUMBER} and {NUMBER} by BPTT"
    assert_stated(text, pattern, *costs)
    dense = {f: [float(r["ratio"]) for r in table("against_dense") if r["framework"] == f] for f in ("jax", "torch")}
    ends = [end(dense[f]) for f in dense for end in (min, max)]
    assert_stated(text, rf"takes {span} of the time of dense weights in JAX, and {span} in PyTorch", *ends)


@pytest.mark.parametrize("name", ["nmnist", "dvs_gesture", "shd", "ssc"])
def test_what_can_be_learned_from_stand_ins(name: str) -> None:
    layout = {"nmnist": "N-MNIST", "dvs_gesture": "DVS-Gesture", "shd": "SHD", "ssc": "SSC"}[name]
    with (ROOT / "results" / "learning.csv").open(encoding="utf-8") as file:
        (row,) = [row for row in csv.DictReader(file) if (row["dataset"], row["algorithm"]) == (name, "bptt")]
    numbers = float(row["test_accuracy"]), float(row["chance"])
    assert_stated(page("docs/data.md"), rf"in {layout}'s layout[^|]* \| {NUMBER} \| {NUMBER} \|", *numbers)


@pytest.mark.parametrize(("machine", "column"), [("gate", 1), ("calm", 2)])
def test_alarms_of_the_gate(machine: str, column: int) -> None:
    """On a disturbed and on a calm machine: of nothing changed, of injected slowdowns, of scaled samples."""
    section = (ROOT / "results" / "README.md").read_text(encoding="utf-8").partition("## The gate, tested")[2]
    cells = [line.strip("| ").split(" | ") for line in section.partition("\n## ")[0].splitlines() if line[:2] == "| "]
    lines = reading.read(ROOT / "results" / "gate" / f"{machine}.jsonl")

    def stated(*words: str) -> str:
        (said,) = (row[column] for row in cells if all(word in row[0] for word in words))
        return said

    def found(plan: str, factor: float, scaled: bool) -> str:
        counts = [alarms.count_slower(of_case, factor, scaled) for of_case in alarms.quartets_by_case(lines, plan)]
        return "{} of {}".format(*map(sum, zip(*counts, strict=True)))

    assert stated("speed:") == "{} of {}".format(*alarms.false_alarms(lines))
    if machine == "gate":
        assert stated("bytes and fidelity").startswith(
            "{} of {}, all alike".format(*alarms.remeasurement_alarms(lines))
        )
    for factor in selftest.SLOWDOWNS:
        plan = selftest.slowdown_plan(factor)
        assert stated(f"{factor} times slower", "injected") == found(plan, 1.0, scaled=False)
    for name, factor in (*((f"{each} times slower", each) for each in (1.2, 1.3, 1.4, 1.5)), ("twice", 2.0)):
        assert stated(name, "scaled") == found(selftest.A_A, factor, scaled=True)


def test_bytes_and_fidelity_are_alike_to_the_last_digit() -> None:
    found: dict[str, set[str]] = {}
    for line in reading.read(ROOT / "results" / "gate" / "gate.jsonl"):
        if line["plan"] == verdict.PLAN:
            own = json.dumps([line["memory"]["working_bytes"], line["fidelity"]], sort_keys=True)
            found.setdefault(line["case_key"], set()).add(own)
    assert_stated(page("results/README.md"), rf"bytes and fidelity of all {NUMBER} cases", len(found))
    assert {len(own) for own in found.values()} == {1}


def test_how_much_the_machines_of_the_gate_were_disturbed() -> None:
    def share(machine: str, since: str = "") -> float:
        by_case: dict[str, list[tuple[str, float]]] = {}
        for line in reading.read(ROOT / "results" / "gate" / f"{machine}.jsonl"):
            samples = line["time"].get("cpu_samples_s") or line["time"].get("samples_s")
            if line["plan"] == selftest.A_A and samples:
                by_case.setdefault(line["case_key"], []).append((line["started"] or "", median(samples)))
        slow = [
            time > 1.3 * np.percentile([each for _, each in own], 5)
            for own in by_case.values()
            for started, time in own
            if started > since
        ]
        return round(100 * sum(slow) / len(slow))

    text = page("results/README.md")
    assert_stated(text, rf"the calm one {NUMBER} % of the rounds", share("calm"))
    assert_stated(text, rf"the disturbed one {NUMBER} % did", share("gate"))
    assert_stated(text, rf"the two measurements ran, it was {NUMBER} %", share("gate", "2026-11-29T14:23"))


def test_two_looks_of_the_gate_would_not_do(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = reading.read(ROOT / "results" / "gate" / "gate.jsonl")
    monkeypatch.setattr(slowdown, "LOOKS", 2)
    counts = [alarms.count_slower(of, 1.5) for of in alarms.quartets_by_case(lines)]
    caught, number = (sum(column) for column in zip(*counts, strict=True))
    pattern = rf"false alarm in {NUMBER} of {NUMBER} comparisons, and found {NUMBER} of {NUMBER} slowdowns by 1.5"
    assert_stated(page("results/README.md"), pattern, *alarms.false_alarms(lines), caught, number)


def test_limits_are_those_of_the_code() -> None:
    measuring, gate = page("docs/measuring.md"), page("docs/gate.md")
    assert "must agree to 1e-10" in measuring
    assert gradcheck.LIMIT == 1e-10
    assert "every weight's gradient may differ by 2e-2" in measuring
    assert gradcheck.PLAIN_LIMITS == {"bfloat16": 2e-2}
    assert_stated(gate, rf"more than {NUMBER} % more \|", 100 * (compare.BYTES - 1))
    assert_stated(gate, rf"\| more than {NUMBER} times the processor's time", slowdown.SLOWER)
    assert re.findall(r"(\d+e-\d+) more of", gate) == ["2e-4", "1e-6"]
    assert (compare.FIDELITY, compare.ROUNDING) == (2e-4, 1e-6)
    codes = re.search(r"exits with (\d) for a regression, and with (\d) if a case could not be compared", gate)
    assert codes
    assert tuple(map(int, codes.groups())) == (verdict.REGRESSION, verdict.NOTHING) == (3, 4)


def test_rules_of_other_libraries() -> None:
    """Ratios are of the processor's time, round by round, bytes, and gradients, alike in both frameworks."""
    text = page("results/README.md")
    networks = {
        "digits": {"dataset": "digits", "cell": "lif_delta"},
        "wide": {"dataset": "bernoulli", "cell": "lif_delta"},
        "tanh": {"dataset": "bernoulli", "cell": "tanh_rnn"},
    }

    def of(algorithm: str, network: str, framework: str = "jax") -> Records:
        found = records("further", algorithm, framework, **networks[network])
        assert len(found) == 3
        return found

    def times(algorithm: str, base: str, network: str, framework: str) -> list[float]:
        rounds = zip(of(algorithm, network, framework), of(base, network, framework), strict=True)
        ratios = [median(a["time"]["cpu_samples_s"]) / median(b["time"]["cpu_samples_s"]) for a, b in rounds]
        return [min(ratios), max(ratios)]

    def bytes_taken(algorithm: str, base: str, network: str) -> list[float]:
        pairs = [(of(algorithm, network, f), of(base, network, f)) for f in ("jax", "torch")]
        return [mebibytes(a) / mebibytes(b) for a, b in pairs]

    def gradient(algorithm: str, network: str, key: str) -> list[float]:
        layers = of(algorithm, network)[0]["fidelity"]["per_layer"]
        return [layers[name][key] for name in sorted(layers) if name != "readout"]

    n, more = NUMBER, rf"{NUMBER} to {NUMBER}"
    norm, cosine = ([gradient(a, "wide", key)[0] for a in ("eprop", "drtrl")] for key in ("norm_ratio", "cosine"))
    assert_stated(text, rf"norm is {n} of BPTT's, where D-RTRL's is {n}", *norm)
    for each in cosine:
        assert_stated(text, rf"the cosine is {n} for both", each)
    both = [*gradient("eprop", "digits", "norm_ratio")[::-1], *gradient("drtrl", "digits", "norm_ratio")[::-1]]
    assert_stated(
        text, rf"it is {n} in the layer below the readout and {n} in the first one, .*? is {n} and {n}\.", *both
    )
    for network, where in (
        ("wide", rf"takes {more} times D-RTRL's time in JAX and {more} in PyTorch for 256"),
        ("digits", rf"on digits {more} times its time in JAX and {more} in PyTorch\."),
    ):
        assert_stated(text, where, *times("eprop", "drtrl", network, "jax"), *times("eprop", "drtrl", network, "torch"))
    assert_stated(text, rf"256 neurons, and {n} and {n} times its memory", *bytes_taken("eprop", "drtrl", "wide"))
    for algorithm, where in (
        ("ottt", rf"it takes {more} of BPTT's time in JAX, {more} in PyTorch, and {n} and {n} of its memory"),
        ("es_drtrl", rf"ES-D-RTRL takes {more}, {more}, and {n} and {n}\."),
    ):
        spent = [*times(algorithm, "bptt", "digits", "jax"), *times(algorithm, "bptt", "digits", "torch")]
        assert_stated(text, where, *spent, *bytes_taken(algorithm, "bptt", "digits"))
    cosines = [c for a in ("ottt", "es_drtrl", "drtrl") for c in gradient(a, "digits", "cosine")]
    assert_stated(text, rf"are {n} and {n} for OTTT, {n} and {n} for ES-D-RTRL, {n} and {n} for D-RTRL", *cosines)
    far = [*gradient("uoro", "digits", "cosine"), *gradient("uoro", "digits", "norm_ratio")]
    assert_stated(text, rf"cosine {n} and {n} in the hidden layers, norm {n} and {n} times", *far)
    spent = [*times("uoro", "bptt", "digits", "jax"), *times("uoro", "bptt", "digits", "torch")]
    assert_stated(text, rf"takes {more} times BPTT's time in JAX; in PyTorch, .*?, {more}\.", *spent)
    snap2 = [gradient("snap2", "tanh", key)[0] for key in ("cosine", "norm_ratio")]
    assert_stated(
        text,
        rf"`tanh_rnn` on Bernoulli input .synthetic. its hidden gradient has cosine {n} and, .*?, a norm of {n}\.",
        *snap2,
    )
    spent = [*times("snap2", "rtrl", "tanh", "jax"), *times("snap2", "rtrl", "tanh", "torch")]
    assert_stated(text, rf"takes {more} times RTRL's time in JAX and {more} in PyTorch\.", *spent)


def test_the_longest_chunks() -> None:
    text = page("results/README.md")
    bptt = records("chunks", "bptt", "jax")

    def over(algorithm: str, **case: Any) -> list[float]:
        rounds = zip(records("chunks", algorithm, "jax", **case), bptt, strict=True)
        return [median(a["time"]["samples_s"]) / median(b["time"]["samples_s"]) for a, b in rounds]

    n = NUMBER
    chunks = [ratio for K in (128, 256, 512) for ratio in over("drtrl", chunk=K)]
    assert_stated(
        text, rf"{n} and {n} of plain BPTT's time at K = 128, {n} and {n} at 256, .*? on, {n} and {n}, in", *chunks
    )
    assert_stated(text, rf"in {n} MiB where BPTT takes {n}\. BPTT with 128",
                  mebibytes(records("chunks", "drtrl", "jax", chunk=512)), mebibytes(bptt))  # fmt: skip
    short = [records("chunks", "bptt_checkpointed", "jax", segments=each) for each in (128, 256)]
    assert_stated(text, rf"256 checkpoints takes {n} and {n} MiB", *map(mebibytes, short))
    ratios = [ratio for each in (128, 256) for ratio in over("bptt_checkpointed", segments=each)]
    assert_stated(text, rf"and from {n} to {n} of plain BPTT's time\.", min(ratios), max(ratios))


def test_what_the_run_of_all_experiments_took() -> None:
    files = sorted((ROOT / "results" / "paper").glob("*.jsonl"))
    lines = chain(*(path.read_text(encoding="utf-8").splitlines() for path in files))
    results = [line for line in map(json.loads, lines) if line["kind"] == "result" and line["size"] == "cpu"]
    names = {"memory_speed": "alone", **dict.fromkeys(("dms", "copying", "integrator", "length"), "second")}
    alone, second, first = (
        [r for r in results if names.get(r["experiment"]) == run] for run in ("alone", "second", None)
    )
    for own in (alone, second, first):
        assert len({(line["commit"], line["dirty"]) for line in own}) == 1
    for own in (second, first):
        assert len({line["env_hash"] for line in own}) == 1

    def minutes(own: list[Any]) -> float:
        begun = [datetime.fromisoformat(line["started"]) for line in own]
        ended = [at + timedelta(seconds=line["duration_s"]) for at, line in zip(begun, own, strict=True)]
        return (max(ended) - min(begun)).total_seconds() / 60

    text = " ".join(page("docs/paper.md").split())
    assert f"which took {minutes(second):.0f} minutes from the first job to the end of the last" in text
    assert f"with nothing else beside it, took {minutes(alone):.0f} minutes" in text
    assert f"All {len(results):,} jobs took {sum(line['cpu_s'] for line in results):,.0f} s of a thread" in text
    tests = [
        median(row["test_accuracy"] for line in second for row in line["rows"] if wanted.items() <= line["job"].items())
        for wanted in (
            {"condition": "delay of 1000 ms", "framework": "jax", "variant": "", "rule": rule}
            for rule in ("drtrl", "bptt")
        )
    ]
    assert_stated(text, rf"those of the AMD machine give {NUMBER} and {NUMBER}\.", *tests)
    rates = [
        {
            row["rate"]
            for line in second
            for row in line["rows"]
            if wanted | {"rule": rule} == {name: line["job"].get(name) for name in (*wanted, "rule")}
        }
        for wanted in ({"condition": "delay of 1000 ms", "framework": "jax", "variant": ""},)
        for rule in ("drtrl", "bptt")
    ]
    assert rates == [{0.01}, {0.003}]
    assert "at 0.003 there and at 0.01 here; BPTT's rate is 0.003 in both." in text
    timed = [row for line in alone if line["job"]["study"] == "corrected" for row in line["rows"]]
    doubted = sum(row["unstable"] or row["busy"] for row in timed)
    assert f"{doubted} of its {len(timed)} corrected times are in doubt" in text
