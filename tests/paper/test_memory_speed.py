"""Experiment 2.5: clocks and meters of both protocols by hand, what is compared, and what is drawn and judged."""

import dataclasses
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.pictures import alike, raw_mathtext, text_of, touching, unnamed

from drtrl_bench.case import Case
from drtrl_bench.figures import style
from drtrl_bench.implementations.reference import algorithms as reference
from drtrl_bench.measure import memory, problem
from drtrl_bench.paper import records
from drtrl_bench.paper.metering import costs
from drtrl_bench.paper.metering import costs_compared as compared
from drtrl_bench.paper.metering.costs import Batch
from drtrl_bench.paper.studies import memory_speed

TINY = dataclasses.replace(
    memory_speed.SIZES["cpu"],
    neurons=8,
    features=16,
    batch=2,
    lengths=(10, 20),
    chunk=2,
    budget_s=0.0,
    batches=3,
    threads=1,
    passes=((0, 1), (2,)),
)


def in_framework(framework: str) -> Any:
    pytest.importorskip(framework)
    if framework == "jax":
        from drtrl_bench.paper.metering import costs_jax as own
    else:
        from drtrl_bench.paper.metering import costs_torch as own
    return own


def job(study: str, rule: str, framework: str) -> dict[str, Any]:
    every = json.loads(json.dumps(memory_speed.jobs(TINY)))
    return next(
        each for each in every if (each["study"], each["algorithm"], each["framework"]) == (study, rule, framework)
    )


def test_the_first_and_the_last_batch_are_not_published() -> None:
    batches = [Batch(9.0, 10.0, 1), Batch(1.0, 2.0, 2), Batch(3.0, 5.0, 3), Batch(7.0, 7.0, 4)]
    assert costs.averaged(batches) == {"time_s": 2.0, "done_s": 3.5, "first_s": 10.0, "in_use_bytes": 4}


def test_the_published_clock_stops_before_the_device_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    now, order = iter([10.0, 11.0, 14.0]), []
    monkeypatch.setattr(costs.time, "time", lambda: order.append("clock") or next(now))
    found = costs.timed(lambda: order.append("run") or "result", order.append, lambda: order.append("meter") or 5)
    assert found == Batch(1.0, 4.0, 5)
    assert order == ["clock", "run", "clock", "result", "clock", "meter"]


def test_memory_of_the_whole_machine_is_what_is_not_available(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "meminfo"
    file.write_text("MemTotal:  1000 kB\nMemFree:   100 kB\nMemAvailable:   300 kB\n", encoding="utf-8")
    monkeypatch.setattr(memory, "MEMINFO", file)
    assert costs.machine_bytes() == 700 * 1024


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate\nmore")])
def test_lengths_end_where_memory_does(error: Exception) -> None:
    def loop(case: Case, _: Any) -> Iterator[Batch]:
        while case.steps < 20:
            yield Batch(1.0, 1.0, case.steps)
        raise error

    case = Case(dataset="bernoulli", features=4, neurons=2, batch=1)
    rows = costs.published(case, [10, 20, 30], 0, 3, loop, ("out of memory",))
    assert [(row["status"], row["steps"]) for row in rows] == [("ok", 10), ("oom", 20)]
    assert rows[0]["in_use_bytes"] == 10
    assert rows[1]["reason"] in ("out of memory", "CUDA out of memory. Tried to allocate")


def test_another_error_is_not_called_a_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the published loop does, which ends at any."""

    def fails(*_: Any) -> Any:
        raise RuntimeError("another")

    case, backend = Case(dataset="bernoulli", features=4, neurons=2, batch=1, steps=4), SimpleNamespace(Backend=None)
    monkeypatch.setattr(costs.gradcheck, "gradient_check", fails)
    with pytest.raises(RuntimeError, match="another"):
        costs.published(case, [10], 0, 3, fails, ("out of memory",))
    backend.OUT_OF_MEMORY = ("exhausted",)
    with pytest.raises(RuntimeError, match="another"):
        costs.corrected(case, [0], 0.0, backend, fails)
    backend.OUT_OF_MEMORY = ("another",)
    assert costs.corrected(case, [0], 0.0, backend, fails) == [{"status": "oom", "reason": "another", "steps": 4}]


def test_bytes_on_the_device_count_an_array_once(framework: str) -> None:
    own = in_framework(framework)
    before = own.in_use()
    if framework == "jax":
        import jax.numpy as jnp

        array: Any = jnp.zeros(1000, jnp.float32)
    else:
        import torch

        array = torch.zeros(1000)
    view = array[10:] if framework == "torch" else array
    assert own.in_use() - before == 4000
    del array, view
    assert own.in_use() == before


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # states 2 (3 * 8 + 10), filters of inputs 2 (16 + 8 + 8 + 8 + 8 + 8 + 8), of neurons 2 (3 * 8 + 10), the time
        ("es_drtrl", 4 * (68 + 128 + 68 + 1)),
        # states, and for each of 2 samples the weights (16 + 8 + 1) 8 + 2 (8 + 8 + 1) 8 + 8 * 10
        ("drtrl", 4 * (68 + 2 * (200 + 272 + 80))),
    ],
)
def test_carried_bytes_by_hand(rule: str, expected: int, framework: str) -> None:
    in_framework(framework)
    one, two = memory_speed.compute(job("carried", rule, framework) | {"widths": [1, 2]})
    assert (one["width"], one["carried_bytes"]) == (1, expected)
    assert two["width"] == 2
    assert (1.5 if rule == "es_drtrl" else 3) < two["carried_bytes"] / expected < (2 if rule == "es_drtrl" else 4)


def test_shapes_are_those_of_the_weights_that_are_drawn() -> None:
    case = memory_speed.case(job("corrected", "drtrl", "jax"))
    drawn, _, _ = problem.draw(case)
    assert costs.weight_shapes(case) == [{k: v.shape for k, v in layer.items()} for layer in drawn]


def test_another_seed_is_measured_with_its_own_weights_and_data(framework: str) -> None:
    own = in_framework(framework)
    case = memory_speed.case(job("corrected", "bptt", framework))
    other = dataclasses.replace(case, seed=7)
    make = own.backend_jax.Backend if framework == "jax" else own.backend_torch.Backend
    backend = own.refill(make(case, costs.drawn(case), "float64"), other, costs.drawn(other))
    loss, gradient = backend.gradient()
    params, inputs, targets = problem.draw(other)
    true_loss, true = reference.bptt(problem.network(other), params, inputs.astype(np.float64), targets)
    assert loss == pytest.approx(true_loss, rel=1e-5 if framework == "torch" else 1e-10)
    for found, right in zip(gradient, true, strict=True):
        for kind, values in right.items():
            np.testing.assert_allclose(found[kind], values, atol=1e-3 if framework == "torch" else 1e-9)


def test_corrected_rows(framework: str) -> None:
    in_framework(framework)
    rows = memory_speed.compute(job("corrected", "drtrl", framework))
    assert [row["seed"] for row in rows] == [0, 1]
    json.dumps(rows, allow_nan=False)
    for row in rows:
        assert (row["status"], row["steps"], row["timings"]) == ("ok", 10, 5)
        assert 0 < row["time_s"] < 10
        assert (row["clock"], 0 < row["wall_s"] < 10) == ("processor", True)
        assert len(row["rate"]) == 3
        assert all(0 < rate < 1000 for rate in row["rate"])
        assert row["working_bytes"] >= 4 * (200 + 272 + 80)  # the gradient alone
    assert rows[0]["working_bytes"] == rows[1]["working_bytes"]


def test_one_thread_of_a_processor_is_timed_by_it_and_anything_else_by_the_clock() -> None:
    timed = {"samples_s": [1.0, 3.0, 9.0, 3.0, 2.0], "cpu_samples_s": [1.0, 1.0, 1.02, 1.0, 1.0], "median_s": 3.0}
    timed |= {"unstable": True, "busy": False}
    alone, several = (costs.summarized(timed, alone) for alone in (True, False))
    assert (alone["time_s"], alone["clock"], alone["unstable"], alone["wall_s"]) == (1.0, "processor", False, 3.0)
    assert (several["time_s"], several["clock"], several["unstable"]) == (3.0, "wall", True)
    assert costs.summarized(timed | {"cpu_samples_s": None}, True)["clock"] == "wall"  # too short for its clock


def test_several_threads_are_timed_by_the_clock() -> None:
    in_framework("torch")
    rows = memory_speed.compute(job("corrected", "es_drtrl", "torch") | {"threads": 2})
    assert {row["clock"] for row in rows} == {"wall"}


def test_the_caption_says_whose_times_they_are_and_the_points_have_both() -> None:
    rows = rows_of(TIMES)
    ((figure, points),) = memory_speed.figures(rows).values()
    assert "corrected times are the processor's time for the process" in " ".join(text_of(figure).split())
    measures = points.groupby("study")["measure"].unique()
    assert {"time_s", "wall_s"} <= set(measures["corrected"])
    rows.loc[rows["clock"].eq("processor").idxmax(), "clock"] = "wall"
    ((mixed, _),) = memory_speed.figures(rows).values()
    assert "corrected times are those of the clock" in " ".join(text_of(mixed).split())


@pytest.mark.parametrize("column", ["busy", "unstable"])
def test_doubtful_times_are_hollow(column: str) -> None:
    """Where one of the times of a median is, and in ratios also where that of BPTT is."""
    rows = rows_of(TIMES)
    one = (rows["algorithm"] == "bptt") & (rows["framework"] == "jax") & (rows["steps"] == 20) & (rows["seed"] == 2)
    rows.loc[one & (rows["study"] == "corrected"), column] = True
    ((figure, points),) = memory_speed.figures(rows).values()
    doubted = points[points["in_doubt"]]
    assert set(zip(doubted["framework"], doubted["algorithm"], doubted["steps"], strict=True)) == {("jax", "bptt", 20)}
    assert set(doubted["measure"]) == {"time_s", "wall_s"}
    hollow = {
        axes.get_ylabel(): [line for line in axes.lines if line.get_label() == style.DOUBTFUL]
        for axes in figure.axes
        if any(line.get_label() == style.DOUBTFUL for line in axes.lines)
    }
    assert {label: len(lines) for label, lines in hollow.items()} == {"a gradient (ms)": 1, "time / BPTT's": 4}
    assert {float(x) for lines in hollow.values() for line in lines for x in line.get_xdata()} == {20}  # type: ignore
    assert style.DOUBTFUL in text_of(figure)
    ((sound, points),) = memory_speed.figures(rows_of(TIMES)).values()
    assert style.DOUBTFUL not in text_of(sound)
    assert not points["in_doubt"].any()


def test_a_network_that_says_nothing_is_not_measured(framework: str) -> None:
    in_framework(framework)
    with pytest.raises(ValueError, match="never spikes"):
        memory_speed.compute(job("corrected", "drtrl", framework) | {"scale_x": 0.0})


@pytest.mark.parametrize("rule", ["bptt_native", "drtrl"])
def test_published_batches_train(rule: str, framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adam's first step moves each weight that has a gradient by the rate, whatever the gradient's size."""
    own, seen = in_framework(framework), []
    case = memory_speed.case(job("published", rule, framework))
    original = costs.timed

    def timed(run: Any, wait: Any, in_use: Any) -> Batch:
        def kept() -> Any:
            result = run()
            seen.append(result)
            return result

        return original(kept, wait, in_use)

    drawn = costs.drawn(case)
    before = [{k: np.array(v, np.float32) for k, v in layer.items()} for layer in drawn.params]
    monkeypatch.setattr(own.costs, "timed", timed)
    if framework == "torch":
        import torch

        made: list[Any] = []
        adam = torch.optim.Adam
        monkeypatch.setattr(torch.optim, "Adam", lambda leaves, lr: made.append(leaves) or adam(leaves, lr=lr))
        next(own.loop(case, drawn))
        after = [leaf.numpy() for leaf in made[0]]
    else:
        import jax

        next(own.loop(case, drawn))
        after = [np.asarray(leaf) for layer in seen[0][0] for leaf in layer.values()]
        assert len(jax.tree.leaves(seen[0][0])) == len(after)
    flat = [values for layer in before for values in layer.values()]
    order = sorted(range(len(flat)), key=lambda i: flat[i].shape)
    ours = sorted(after, key=lambda values: values.shape)
    moved = 0.0
    for i, values in zip(order, ours, strict=True):
        if [each.shape for each in flat].count(flat[i].shape) > 1:
            continue
        step = np.abs(values - flat[i])
        assert step.max() <= 1.01e-3
        moved = max(moved, float(step.max()))
    assert moved == pytest.approx(1e-3, rel=0.02)


def test_jobs_of_the_sizes() -> None:
    jobs = memory_speed.jobs(memory_speed.SIZES["cpu"])
    assert len(jobs) == len({json.dumps(each) for each in jobs}) == 6 + 4 + 2 * 3 * 2 * 4
    shortest = [each for each in jobs if each.get("steps") == 100]
    one, two = ([each for each in shortest if each["seeds"] == seeds] for seeds in ((0, 1, 2), (3, 4)))
    assert [each["algorithm"] for each in one[:4]] == ["bptt", "bptt_checkpointed", "drtrl", "es_drtrl"]
    assert [each["algorithm"] for each in two[:4]] == ["es_drtrl", "drtrl", "bptt_checkpointed", "bptt"]
    for size in memory_speed.SIZES.values():
        for each in memory_speed.corrected_jobs(size):
            case = memory_speed.case(each)
            assert case.steps % case.chunk == 0
            assert (case.scale_x, case.scale_r, case.decay, case.layers) == (10, 2, 0.9, 3)
            assert case.chunk == (25 if "drtrl" in case.algorithm else case.steps)
    paper = memory_speed.case(next(memory_speed.corrected_jobs(memory_speed.SIZES["paper"])))
    assert (paper.neurons, paper.features, paper.batch, paper.device) == (512, 32768, 128, "gpu")


def rows_of(times: dict[str, float], busy: bool = False, lengths: tuple[int, ...] = (10, 20)) -> Any:
    """The frame of a size, of made-up numbers: BPTT's memory grows with the steps, that of the others does not."""
    lines, jobs = [], memory_speed.jobs(dataclasses.replace(TINY, lengths=lengths))
    for number, each in enumerate(json.loads(json.dumps(jobs))):
        rule, rows = each["algorithm"], []
        if each["study"] == "carried":
            power = 1 if rule == "es_drtrl" else 2
            rows = [{"status": "ok", "width": w, "seed": None, "carried_bytes": 1000 * w**power} for w in (1, 2, 4)]
        for steps in each.get("lengths", []):
            row = {"status": "ok", "steps": steps, "seed": 0, "time_s": 0.01 * steps, "done_s": 0.02 * steps}
            rows.append(row | {"in_use_bytes": 10_000, "machine_bytes": 2 * 10**9, "first_s": 1.0})
        for seed in each["seeds"] if each["study"] == "corrected" else []:
            row = {"status": "ok", "steps": each["steps"], "seed": seed, "rate": [10.0, 20.0, 30.0], "first_s": 1.0}
            bytes_taken = 10_000 if "drtrl" in rule else 2_000 * each["steps"]
            row |= {"working_bytes": bytes_taken, "analytic_bytes": bytes_taken, "busy": busy, "unstable": False}
            seconds = times[rule] * each["steps"] * (1 + 0.01 * seed)
            rows.append(row | {"time_s": seconds, "wall_s": seconds, "clock": "processor"})
        data = {"label": "bernoulli (synthetic)", "synthetic": True}
        lines.append({
            "experiment": "memory_speed", "size": "cpu", "job": each, "job_key": str(number), "implementation_sha": "",
            "env_hash": "e", "data": data, "rows": rows,
        })  # fmt: skip
    return records.frame(lines, {}, "cpu")


TIMES = {"bptt": 0.002, "bptt_checkpointed": 0.003, "drtrl": 0.004, "es_drtrl": 0.001}


def test_ratios_are_paired_by_seed_and_of_the_quickest_bptt() -> None:
    rows = compared.of_study(rows_of(TIMES), "corrected")
    one = rows[(rows["framework"] == "jax") & (rows["steps"] == 20)].copy()
    assert compared.quickest(one) == "bptt"
    assert tuple(compared.against_bptt(one, "es_drtrl", "time_s"))[:3] == pytest.approx((0.5, 0.5, 0.5))
    one.loc[(one["algorithm"] == "es_drtrl") & (one["seed"] == 2), "time_s"] *= 10
    found = compared.against_bptt(one, "es_drtrl", "time_s")
    assert (found.median, found.low, found.high) == pytest.approx((0.5, 0.5, 5.0))
    one.loc[one["algorithm"] == "bptt_checkpointed", "time_s"] /= 2
    assert compared.quickest(one) == "bptt_checkpointed"


def test_lengths_that_bptt_did_not_reach_are_not_compared() -> None:
    rows = rows_of(TIMES)
    lost = (rows["study"] == "corrected") & (rows["steps"] == 20) & rows["algorithm"].str.startswith("bptt")
    rows.loc[lost & (rows["framework"] == "jax"), "status"] = "oom"
    corrected = compared.of_study(rows, "corrected")
    beside = compared.beside_bptt(corrected)
    assert set(zip(beside["framework"], beside["steps"], strict=True)) == {("jax", 10), ("torch", 10), ("torch", 20)}
    verdicts = dict(zip(memory_speed.CLAIMS, memory_speed.verdicts(rows), strict=True))
    assert verdicts["memory"].measured.startswith(
        "yes in JAX, yes in PyTorch; JAX: BPTT 0.0191, BPTT, checkpointed 0.0191"
    )  # 20,000 bytes
    assert verdicts["steps"].measured.startswith("JAX: BPTT 1.00")
    assert verdicts["steps"].outcome == "cannot be judged here"  # of one length
    ((figure, _),) = memory_speed.figures(rows).values()
    assert "out of memory: BPTT, JAX, corrected at T = 20" in text_of(figure)


def test_every_rule_is_compared_from_three_chunks_on() -> None:
    """With two chunks the loop over chunks runs once, and its memory is no measure of that of many chunks."""
    rows = rows_of(TIMES)
    rows.loc[(rows["algorithm"] == "drtrl") & (rows["steps"] == 10), "working_bytes"] /= 2
    assert memory_speed.verdicts(rows)[0].measured.startswith("JAX: BPTT 2.00, ES-D-RTRL 1.00, D-RTRL 2.00")
    assert memory_speed.verdicts(rows)[0].outcome == "not at reduced size"
    rows.loc[rows["algorithm"].isin(memory_speed.ONLINE), "chunk"] = 4  # T = 10 has two and a half
    judged = memory_speed.verdicts(rows)[0]
    assert judged.measured.startswith("JAX: BPTT 1.00 (open), ES-D-RTRL 1.00 (open)")  # BPTT starts no earlier
    assert "from T = 20, at least 3 chunks, to T = 20" in judged.why


def test_a_memory_that_falls_on_the_way_is_open_until_it_is_above_all() -> None:
    """As BPTT in JAX: 5.6 MB at T = 100, 4.7 at 200, 6.0 at 400, and more than twice that at 1,000."""
    rows = rows_of(TIMES, lengths=(10, 20, 40))
    assert memory_speed.verdicts(rows)[0].outcome == "only at reduced size"
    longer = rows_of(TIMES, lengths=(10, 20, 40, 100))
    for each in (rows, longer):
        for steps, taken in ((10, 56_000), (20, 47_000), (40, 60_000), (100, 130_000)):
            own = (each["algorithm"] == "bptt") & (each["framework"] == "jax") & (each["steps"] == steps)
            each.loc[own, "working_bytes"] = taken
    judged = memory_speed.verdicts(rows)[0]
    assert judged.outcome == "cannot be judged here"
    assert judged.measured.startswith("JAX: BPTT 1.07 (open), ES-D-RTRL 1.00")
    assert memory_speed.verdicts(longer)[0].outcome == "only at reduced size"
    rows.loc[rows["algorithm"].eq("drtrl") & rows["framework"].eq("torch") & rows["steps"].eq(40), "working_bytes"] *= 2
    assert memory_speed.verdicts(rows)[0].outcome == "not at reduced size"  # whatever BPTT does


def test_growth_and_power_by_hand() -> None:
    rows = rows_of(TIMES)
    jax = rows[rows["framework"] == "jax"]
    assert compared.growth(compared.of_study(jax, "corrected"), "bptt") == 2
    assert compared.growth(compared.of_study(jax, "corrected"), "drtrl") == 1
    assert compared.exponent(compared.of_study(jax, "carried"), "es_drtrl") == pytest.approx(1)
    assert compared.exponent(compared.of_study(jax, "carried"), "drtrl") == pytest.approx(2)


def judged(rows: Any) -> dict[str, Any]:
    return dict(zip(memory_speed.CLAIMS, memory_speed.verdicts(rows), strict=True))


YES, NO, OPEN = "only at reduced size", "not at reduced size", "cannot be judged here"


def test_verdicts() -> None:
    found = judged(rows_of(TIMES))
    assert {each.outcome for each in found.values()} == {YES}
    assert found["steps"].measured.startswith("JAX: BPTT 2.00, ES-D-RTRL 1.00, D-RTRL 1.00; PyTorch:")
    assert found["linear"].measured.startswith("JAX: ES-D-RTRL 1.00 (0.000954 to 0.00381 MiB)")
    assert found["quadratic"].measured.startswith("JAX: D-RTRL 2.00 (0.000954 to 0.0153 MiB)")
    assert (
        "BPTT 40.4 ms, BPTT, checkpointed 60.6 ms, D-RTRL 80.8 ms, ES-D-RTRL 20.2 ms, 0.500" in found["speed"].measured
    )
    assert found["memory"].measured.startswith(
        "yes in JAX, yes in PyTorch; JAX: BPTT 0.0381, BPTT, checkpointed 0.0381, D-RTRL 0.00954"
    )
    assert judged(rows_of(TIMES | {"es_drtrl": 0.0021}))["speed"].outcome == NO
    open_rows = rows_of(TIMES)
    late = (open_rows["algorithm"] == "es_drtrl") & (open_rows["seed"] == 2)
    open_rows.loc[late, "time_s"] *= 10
    assert judged(open_rows)["speed"].outcome == OPEN
    paper = rows_of(TIMES)
    paper.attrs["size"] = "paper"
    assert {each.outcome for each in memory_speed.verdicts(paper)} == {YES}  # other time constants and classes


def test_memory_is_judged_against_both_kinds_of_bptt() -> None:
    rows = rows_of(TIMES)
    rows.loc[(rows["algorithm"] == "bptt_checkpointed") & (rows["framework"] == "torch"), "working_bytes"] = 8_999
    found = judged(rows)
    assert (found["memory"].outcome, found["checkpointed"].outcome) == (YES, NO)
    assert found["memory"].measured.startswith("yes in JAX, yes in PyTorch; ")
    assert found["checkpointed"].measured.startswith("yes in JAX, no in PyTorch; ")
    rows.loc[(rows["algorithm"] == "bptt_checkpointed") & (rows["framework"] == "torch"), "working_bytes"] = 9_999
    nearly = judged(rows)["checkpointed"]
    assert (nearly.outcome, nearly.open_as) == (OPEN, "they are equal within a tenth in PyTorch")
    assert nearly.measured.startswith("yes in JAX, equal within a tenth in PyTorch; ")


def test_linear_and_quadratic_are_told_apart() -> None:
    rows = rows_of(TIMES)
    rows.loc[rows["carried_bytes"].notna(), "carried_bytes"] = 1000 * rows["width"] ** 1.5
    found = judged(rows)
    assert (found["linear"].outcome, found["quadratic"].outcome) == (NO, NO)


@pytest.mark.parametrize("column", ["busy", "unstable"])
def test_doubtful_times_are_open(column: str) -> None:
    """Of a framework; another one, whose times are sound, may still say no."""
    rows = rows_of(TIMES)
    rows.loc[(rows["framework"] == "torch") & (rows["algorithm"] == "es_drtrl"), column] = True
    assert [judged(rows)[claim].outcome for claim in ("memory", "speed")] == [YES, OPEN]
    assert judged(rows)["speed"].why.endswith(
        "processor time; left open, as times are in doubt in PyTorch: unstable, of a busy machine, or of several "
        "machines"
    )
    timed = rows["clock"].notna()
    assert "; wall time; left open" in judged(rows.assign(clock=rows["clock"].where(~timed, "wall")))["speed"].why
    slow = rows_of(TIMES | {"es_drtrl": 0.0021})
    slow[column] = rows[column]
    assert judged(slow)["speed"].outcome == NO
    slow[column] = slow["study"] == "corrected"
    assert judged(slow)["speed"].outcome == OPEN


def test_times_of_several_machines_are_open() -> None:
    rows = rows_of(TIMES)
    rows.loc[rows["algorithm"] == "drtrl", "setup"] = "B"
    assert judged(rows)["speed"].outcome == OPEN


@pytest.mark.parametrize("alone", ["jax", "torch"])
def test_one_framework_alone_is_judged(alone: str) -> None:
    rows = rows_of(TIMES)
    assert {each.outcome for each in memory_speed.verdicts(rows[rows["framework"] == alone])} == {YES}


def test_an_interval_is_over_processes_before_seeds() -> None:
    """Nine seeds of one process are one process: as easily as it, the other might have been measured alone."""
    rows = pd.DataFrame({"seed": range(10), "seeds": [[*range(9)]] * 9 + [[9]], "time_s": [1.0] * 9 + [2.0]})
    found = compared.of_column(rows, "time_s")
    assert (found.median, found.low, found.high, found.values) == (1.0, 1.0, 2.0, 10)


def test_the_figure_is_complete_and_shows_both_protocols() -> None:
    rows = rows_of(TIMES)
    ((name, (figure, points)),) = memory_speed.figures(rows).items()
    assert name == "memory_speed"
    assert unnamed(figure) == []
    assert alike(figure) == []
    assert touching(figure) == []
    assert raw_mathtext(figure) == []
    text = text_of(figure)
    for said in ("as published", "corrected", "bernoulli (synthetic)", "records", "3 seeds", "10.0 to 30.0 Hz"):
        assert said in text
    found = points.set_index(["study", "framework", "algorithm", "measure"]).sort_index()
    assert found.loc[("corrected", "jax", "bptt", "working_bytes")]["median"].tolist() == [20_000, 40_000]
    assert found.loc[("published", "torch", "drtrl", "done_s")]["median"].tolist() == pytest.approx([0.2, 0.4])
    assert found.loc[("carried", "jax", "drtrl", "carried_bytes")]["median"].tolist() == [1000, 4000, 16000]
