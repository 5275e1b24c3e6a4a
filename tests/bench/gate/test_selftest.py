"""The gate's self-test: what counts as a false alarm, as caught, and as the power at a slowdown; on made-up records."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import needs
from rich.console import Console
from support.lines import environment, line, write
from test_gate import PLANTED

from drtrl_bench import plan as plans
from drtrl_bench.case import Case
from drtrl_bench.cli import rehearse
from drtrl_bench.cli.terminal import UsageError
from drtrl_bench.figures import gate_power
from drtrl_bench.files import textfile
from drtrl_bench.gate import alarms, compare, injected, selftest, slowdown, verdict
from drtrl_bench.gate import revisions as revisions_module
from drtrl_bench.records import frames, reading
from drtrl_bench.view import selftest_table

CASE = Case(algorithm="drtrl", framework="torch", threads=1)


def comparisons(number: int, noise: float = 0.02, contention: float = 0.0, plan: str = selftest.A_A) -> list[Any]:
    """Rounds of A/A comparisons: processor time varies by `noise`, the clock's by `contention` more."""
    rng, lines = np.random.default_rng(1), []
    for index in range(selftest.QUARTET * number):
        each = line(CASE, round=index, plan=plan)
        worked = 0.01 * (1 + noise * rng.standard_normal(12))
        waited = worked * (1 + contention * rng.random())
        each["time"] |= {"samples_s": list(waited), "cpu_samples_s": list(worked)}
        lines.append(each)
    return lines


def test_comparisons_without_a_change_raise_no_alarm() -> None:
    assert alarms.false_alarms(comparisons(31)) == (0, 29)


def test_an_alarm_counts_though_another_case_was_measured_less_often() -> None:
    often = comparisons(6)
    for each in often[12:24]:
        if each["round"] % 4 in (1, 2):
            each["time"] |= alarms.scale(each, 2.0)["time"]
    seldom = [each | {"case_key": "another"} for each in comparisons(3)]
    assert alarms.false_alarms(often + seldom) == alarms.false_alarms(often) == (1, 4)


def test_a_comparison_that_was_cut_off_mixes_no_sides() -> None:
    lines = [each for each in comparisons(3) if each["round"] not in (6, 7)]
    (quartets,) = alarms.quartets_by_case(lines)
    assert [each["round"] for quartet in quartets for each in quartet] == [0, 1, 2, 3, 8, 9, 10, 11]


def test_other_work_on_the_machine_is_no_slowdown() -> None:
    """The clock doubles, the processor's time does not."""
    lines = comparisons(31, contention=3.0)
    assert alarms.false_alarms(lines) == (0, 29)
    for each in lines:
        del each["time"]["cpu_samples_s"]
    raised, _ = alarms.count_slower(alarms.quartets_by_case(lines)[0], factor=1.2)
    assert raised > 0, "with the clock alone this noise would not be told from a slowdown"


@pytest.mark.parametrize(
    ("key", "value"),
    [(("memory", "working_bytes"), 10**9), (("fidelity", "overall", "error"), 0.9), (("status",), "error")],
)
def test_any_metric_may_raise_a_false_alarm(key: tuple[str, ...], value: Any) -> None:
    lines = comparisons(4)
    at = lines[5]
    for name in key[:-1]:
        at = at[name]
    at[key[-1]] = value
    assert alarms.false_alarms(lines) == (1, 2)


def test_bytes_and_fidelity_of_all_cases_raise_no_alarm_unless_they_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plans.read(verdict.PLAN)
    measured = partial(line, environment=environment(), commit=revisions_module.resolve("HEAD"))
    monkeypatch.setattr(revisions_module, "measure_once", lambda tree, case, *_: [measured(case)])
    path = tmp_path / "gate.jsonl"
    for number in (2, 4):  # the second call goes on
        selftest.remeasure(path, number, lambda _: None)
    lines: Any = reading.read(path)
    assert [each["round"] for each in lines] == sorted(len(plan.cases) * [0, 1, 2, 3])
    assert lines[0]["fidelity"]["per_parameter"], "the gate judges each weight's gradient"
    assert alarms.remeasurement_alarms(lines) == (0, 3)
    lines[-1]["memory"]["working_bytes"] *= 1.02
    assert alarms.remeasurement_alarms(lines) == (1, 3)
    lines[-1]["memory"]["working_bytes"] /= 1.02
    lines[-1]["fidelity"]["per_parameter"]["layer0.x"]["norm_ratio"] += 1e-3
    assert alarms.remeasurement_alarms(lines) == (1, 3)
    del lines[-1]
    assert alarms.remeasurement_alarms(lines) == (1, 3), "a case that was not measured"
    later = [each | {"commit": "another"} for each in lines]
    assert alarms.remeasurement_alarms(lines + later) == (1, 3), "two commits are not compared"
    assert alarms.remeasurement_alarms([]) == (0, 0)


def test_a_slowdown_counts_when_all_three_looks_say_so() -> None:
    (quartets,) = alarms.quartets_by_case(comparisons(4))
    assert alarms.count_slower(quartets, 1.5) == (4, 4)
    assert alarms.count_slower(quartets, 1.1) == (0, 4)
    (mixed,) = alarms.quartets_by_case(comparisons(3, noise=0.0))
    for look in (0, 1):
        assert alarms.count_slower(mixed, both=False) == (0, 1), "a look is not slower, and clears the others"
        mixed[look] = [alarms.scale(each, f) for each, f in zip(mixed[look], (1, 1.6, 1.6, 1), strict=True)]
    assert alarms.count_slower(mixed, both=False) == (0, 1), "the third look is not slower"
    mixed[2] = [alarms.scale(each, f) for each, f in zip(mixed[2], (1, 1.6, 1.6, 1), strict=True)]
    assert alarms.count_slower(mixed, both=False) == (1, 1)


def test_help_says_how_many_slowdowns_are_judged() -> None:
    source = Path(rehearse.__file__).read_text(encoding="utf-8")
    assert f"fewer than {selftest_table.ENOUGH + slowdown.LOOKS - 1} are not judged" in source


def test_figure_has_the_rates() -> None:
    lines = [each | {"environment": environment()} for each in comparisons(10)]
    points = gate_power.data(frames.frame(lines))
    at = points.set_index("slowdown")[["alarms", "comparisons"]]
    assert tuple(at.loc[1.0]) == (0, 16)
    assert tuple(at.loc[2.0]) == (16, 16)
    assert gate_power.draw(frames.frame(lines)).axes


def records(plan: str, **of: Any) -> list[Any]:
    return [line(replace(CASE, framework=framework), plan=plan, **of) for framework in ("jax", "torch")]


def test_what_is_caught_is_counted_where_it_was_injected() -> None:
    regression = next(
        each
        for each in injected.INJECTED
        if each.file == "implementations/algorithms/approximate/drtrl_torch.py" and "crashes" in each.name
    )
    unchanged = records(selftest.UNCHANGED)
    assert alarms.count_caught(unchanged, regression) == (0, 1), "what was not measured was not caught"
    missed = records(injected.plan_name(regression))
    assert alarms.count_caught(unchanged + missed, regression) == (0, 1)
    crashed = [*missed[:1], line(CASE, plan=injected.plan_name(regression), status="error", reason="planted")]
    assert alarms.count_caught(unchanged + crashed, regression) == (1, 1)


def test_table_says_whether_all_is_well() -> None:
    lines = comparisons(4) + records(selftest.UNCHANGED)
    console = Console(record=True, width=100)
    assert not selftest_table.render(lines, console)
    assert "2 comparisons" in console.export_text()


def test_a_gate_that_misses_slowdowns_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """By samples scaled and by calls slowed down; with few comparisons neither is judged."""
    monkeypatch.setattr(injected, "INJECTED", [])
    blind = partial(comparisons, noise=0.0)
    same = [line(case, plan=verdict.PLAN, round=index) for case in plans.read(verdict.PLAN).cases for index in range(2)]
    for number, factor, well in ((22, 1.5, True), (22, 1.0, False), (4, 1.0, True)):
        slow = blind(number, plan=selftest.slowdown_plan(1.5))
        for each in slow:
            if each["round"] % 4 in (1, 2):
                each |= alarms.scale(each, factor)
        console = Console(record=True, width=80)
        assert selftest_table.render(blind(22) + slow + same, console) == well
        said = console.export_text()
        assert "torch, cases: 1, both orders" in said
        assert " ".join(said.split()).count("too few to judge") == (number < selftest_table.ENOUGH)
    monkeypatch.setattr(slowdown, "SLOWER", 1.7)
    assert not selftest_table.render(blind(22) + same, console)
    assert selftest_table.render(blind(4) + same, console)
    assert not selftest_table.render(blind(4), console), "of all cases nothing was measured twice"


@needs("torch")
def test_more_bytes_are_allocated_and_not_only_said() -> None:
    """The meter must see them; in JAX what it read is changed, because its bytes are the compiler's own figure."""
    from drtrl_bench.measure import backend_torch, problem

    case = replace(CASE, dataset="bernoulli", features=16, neurons=8, batch=2, steps=8, chunk=4, scale_x=4.0)
    drawn = problem.solve(case)
    honest = backend_torch.Backend(case, drawn, "float32").measure_memory()["working_bytes"]
    larger = type("Backend", (backend_torch.Backend,), {})
    exec(injected.LARGER_TORCH, {"Backend": larger, "torch": backend_torch.torch})
    assert larger(case, drawn, "float32").measure_memory()["working_bytes"] > compare.BYTES * honest


def test_every_regression_can_be_injected() -> None:
    for regression in injected.INJECTED:
        assert (revisions_module.ROOT / regression.file).is_file()
        compile(regression.code, regression.file, "exec")
    for file, old, _, _ in PLANTED:
        assert (revisions_module.ROOT / file).read_text(encoding="utf-8").count(old) == 1


def test_comparisons_go_on_where_they_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a case that the plan did not have when they began gets as many as the others."""
    whole = plans.read(selftest.A_A)
    measured = []

    def interleaved(sides: tuple[str, str], plan: Any, *_: Any, **__: Any) -> tuple[list[Any], list[Any]]:
        measured.append((sides, len(plan.cases)))
        rounds = [line(case, round=n) | {"environment": environment()} for case in plan.cases for n in range(4)]
        return [r for r in rounds if r["round"] in (0, 3)], [r for r in rounds if r["round"] in (1, 2)]

    monkeypatch.setattr(revisions_module, "measure_interleaved", interleaved)
    path, few = tmp_path / "gate.jsonl", replace(whole, cases=whole.cases[:2])
    selftest.interleave(path, selftest.A_A, few, 1, lambda _: None)
    selftest.interleave(path, selftest.A_A, few, 2, lambda _: None)
    selftest.measure_a_a(path, 3, lambda _: None)
    added = len(whole.cases) - 2
    assert measured == [(("HEAD", "HEAD"), number) for number in (2, 2, added, added, added + 2)]
    by_case = alarms.quartets_by_case(reading.read(path))
    assert {len(quartets) for quartets in by_case} == {3}
    for quartets in by_case:
        assert [r["round"] for quartet in quartets for r in quartet] == list(range(12))


def test_the_records_are_a_regular_file_of_some_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "gate.jsonl"
    assert selftest.read(path) == []
    path.symlink_to("/dev/full")
    for read in (lambda: selftest.read(path), lambda: rehearse.rehearse(records=path, measure=False)):
        with pytest.raises(textfile.UnreadableError, match="a device; it must be a regular file"):
            read()
    path.unlink()
    write(tmp_path, records("p")).rename(path)
    assert len(selftest.read(path)) == 2
    monkeypatch.setattr(selftest, "MOST_BYTES", path.stat().st_size - 1)
    with pytest.raises(textfile.UnreadableError, match="it may have"):
        selftest.read(path)


def test_a_record_of_no_commit_is_of_no_commit() -> None:
    lines = records(selftest.UNCHANGED)
    del lines[0]["commit"]
    assert alarms.of_last_commit(lines) == lines[1:]
    assert alarms.of_last_commit(lines[::-1]) == lines[:1]


def test_a_case_that_this_version_cannot_express_is_one_line(tmp_path: Path) -> None:
    """A record of a later version: what its field decides is not known."""
    later = line(Case())
    later["case"]["bias_coreection"] = "corrected"
    path = write(tmp_path, [line(Case()), later])
    with pytest.raises(UsageError, match="a case has the field 'bias_coreection', which this version does not know"):
        rehearse.rehearse(records=path, measure=False)
