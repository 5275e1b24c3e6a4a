"""Comparing records: what is called a regression, and that nothing measured is no success."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from rich.console import Console
from support.command_line import command
from support.lines import environment as described
from support.lines import line, write

from drtrl_bench import plan as plans
from drtrl_bench.case import Case, Plan
from drtrl_bench.cli import gate as gate_words
from drtrl_bench.cli.compare import records_of
from drtrl_bench.files import textfile
from drtrl_bench.gate import alarms, baseline, compare, revisions, slowdown, trend, verdict
from drtrl_bench.measure import environment
from drtrl_bench.records.reading import read
from drtrl_bench.view import compare_table

CASE = Case(algorithm="drtrl")
OTHER = replace(CASE, framework="torch")


def timed(case: Case, *medians: float, noise: float = 0.01) -> list[Any]:
    """One record per round, with samples around its median."""
    rng, found = np.random.default_rng(len(medians)), []
    for number, median in enumerate(medians):
        record = line(case, time_s=median, round=number)
        record["time"]["samples_s"] = list(median * (1 + noise * rng.standard_normal(20)))
        found.append(record)
    return found


def verdicts(old: list[Any], new: list[Any]) -> dict[str, str]:
    return {change.metric: change.verdict for change in compare.changes(old, new)}


def test_the_same_is_the_same() -> None:
    found = compare.changes(timed(CASE, 0.01, 0.011), timed(CASE, 0.011, 0.01))
    assert {change.verdict for change in found} == {"same"}
    assert {change.metric for change in found} == {"time_s", "working_bytes", "error"}
    assert verdict.exit_code(found) == verdict.OK
    assert found[0].low is not None
    assert found[0].high is not None
    assert found[0].low < 1 < found[0].high


def test_an_interval_is_from_the_lowest_over_the_highest_to_the_reverse() -> None:
    old, new = [[2.0, 3.0, 4.0], [3.0, 4.0, 5.0]], [[6.0, 7.0, 8.0], [9.0, 9.0, 9.0]]
    assert slowdown.ratio_interval(old, new) == (6 / 5, 9 / 2), "of three samples the whole range is known, no less"


@pytest.mark.parametrize(("machine", "expected"), [("calm", (260, 274)), ("gate", (146, 168))])
def test_intervals_of_a_commit_against_itself_hold_1_as_often_as_is_said(
    machine: str, expected: tuple[int, int]
) -> None:
    lines = read(Path(__file__).parents[3] / "results" / "gate" / f"{machine}.jsonl")
    quartets = [quartet for own in alarms.quartets_by_case(lines) for quartet in own]
    sides = [slowdown.judged_samples([a, d], [b, c])[:2] for a, b, c, d in quartets]
    held = [low <= 1 <= high for low, high in (slowdown.ratio_interval(*side) for side in sides)]
    assert (sum(held), len(held)) == expected


@pytest.mark.parametrize(
    ("new", "verdict"),
    [
        ((0.016, 0.0155), "slower"),
        ((0.012, 0.0115), "slower?"),
        ((0.03, 0.0102), "same"),
        ((0.008, 0.0082), "faster"),
        ((0.03, 0.0125), "slower?"),
    ],
)
def test_a_slowdown_is_believed_when_every_round_is_slow(new: tuple[float, float], verdict: str) -> None:
    assert verdicts(timed(CASE, 0.01, 0.0101), timed(CASE, *new))["time_s"] == verdict


def changed(path: tuple[str, ...], by: float) -> list[Any]:
    record = deepcopy(line(CASE))
    at = record
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = type(at[path[-1]])(at[path[-1]] * by)
    return [record]


@pytest.mark.parametrize(
    ("path", "by", "metric", "expected"),
    [
        (("memory", "working_bytes"), 1.02, "working_bytes", "larger"),
        (("memory", "working_bytes"), 1.005, "working_bytes", "same"),
        (("memory", "working_bytes"), 0.9, "working_bytes", "smaller"),
        (("fidelity", "overall", "error"), 1e-3 / 3e-7 + 1, "error", "less exact"),
        (("fidelity", "overall", "error"), 2.0, "error", "same"),
        (("fidelity", "overall", "error"), 5.0, "error", "less exact"),
    ],
)
def test_bytes_and_fidelity(path: tuple[str, ...], by: float, metric: str, expected: str) -> None:
    found = verdicts([line(CASE)], changed(path, by))
    assert found[metric] == expected
    assert verdict.exit_code(compare.changes([line(CASE)], changed(path, by))) == (
        verdict.REGRESSION if expected in compare.REGRESSIONS else verdict.OK
    )


def test_a_gradient_that_is_another_one_is_no_success_even_if_its_error_fell() -> None:
    old, new = line(CASE, error=0.4), line(CASE, error=0.4)
    new["fidelity"]["overall"] = new["fidelity"]["overall"] | {"norm_ratio": 1.001, "error": 0.399}
    assert verdicts([old], [new]) == {
        "time_s": "same",
        "working_bytes": "same",
        "error": "more exact",
        "norm ratio of all": "other",
    }


def test_a_single_weights_error_is_seen() -> None:
    old, new = line(CASE, error=0.4), line(CASE, error=0.4)
    each = new["fidelity"]["per_parameter"]
    new["fidelity"]["per_parameter"] = each | {"readout.b": each["readout.b"] | {"error": 0.401}}
    assert verdicts([old], [new])["error of readout.b"] == "less exact"


@pytest.mark.parametrize(
    ("path", "metric"),
    [
        (("time", "samples_s"), "time_s"),
        (("memory", "working_bytes"), "working_bytes"),
        (("fidelity", "overall", "error"), "error"),
        (("fidelity", "overall", "norm_ratio"), "norm ratio of all"),
        (("fidelity", "per_parameter", "readout.b"), "error of readout.b"),
        (("fidelity", "per_parameter", "readout.b", "norm_ratio"), "norm ratio of readout.b"),
    ],
)
def test_a_metric_that_is_no_more_fails(path: tuple[str, ...], metric: str) -> None:
    new = json.loads(json.dumps(line(CASE)))
    at = new
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = None
    found = compare.changes([line(CASE)], [new])
    assert {change.metric: change.verdict for change in found}[metric] == "vanished"
    assert verdict.exit_code(found) == verdict.REGRESSION
    assert verdict.exit_code(compare.changes([new], [line(CASE)])) == verdict.OK, "what is new is no regression"


def test_a_gradient_that_was_exact_must_stay_so() -> None:
    """Where an approximation may move by 2e-4, what was exact to rounding may not."""
    for old, new, expected in ((0.4, 0.40015, "same"), (3e-7, 1.5e-4, "less exact"), (1.5e-4, 3e-7, "more exact")):
        assert verdicts([line(CASE, error=old)], [line(CASE, error=new)])["error"] == expected


def test_frameworks_must_agree() -> None:
    twins = [line(CASE, error=0.4), line(OTHER, error=0.4001)]
    assert [change.verdict for change in compare.parity(twins)] == ["same"]
    apart = compare.parity([twins[0], line(OTHER, error=0.401)])
    assert [change.verdict for change in apart] == ["apart"]
    assert verdict.exit_code(apart) == verdict.REGRESSION
    assert verdict.exit_code(compare.parity(twins)) == verdict.NOTHING, "parity compares no old with no new"
    exact = [line(CASE, error=2e-7), line(OTHER, error=1.5e-4)]
    assert [change.verdict for change in compare.parity(exact)] == ["apart"], "of rounding in one, and not in the other"
    several = [line(case, error=error, round=n) for n in (0, 1) for case, error in ((CASE, 0.4), (OTHER, 0.401))]
    assert [change.verdict for change in compare.parity(several)] == ["apart"], "in more rounds than one, too"


def test_where_one_thread_works_its_own_time_decides() -> None:
    alone = replace(CASE, threads=1)
    old, new = timed(alone, 0.01, 0.0101), timed(alone, 0.02, 0.021)
    for record in (*old, *new):
        record["time"]["cpu_samples_s"] = [0.009, 0.0091, 0.0092]
    assert verdicts(old, new)["time_s"] == "same"
    for record in new:
        record["time"]["samples_s"] = [0.03, 0.031]
        record["time"]["cpu_samples_s"] = [0.018, 0.0182, 0.0184]
    assert verdicts(old, new)["time_s"] == "slower"
    judged = compare.changes(old, new)[0]
    assert judged.processor
    assert judged.ratio == pytest.approx(2, rel=0.01), "what is shown is what was judged"
    console = Console(record=True, width=100)
    compare_table.render([judged], console)
    assert "cpu time" in console.export_text()
    for record in old:
        del record["time"]["cpu_samples_s"]
    assert verdicts(old, new)["time_s"] == "slower", "an older record has the clock's samples alone"


@pytest.mark.parametrize(
    ("new", "expected", "code"),
    [
        ([], "vanished", verdict.REGRESSION),
        ([line(CASE, status="error", reason="x")], "crashed", verdict.REGRESSION),
        ([line(CASE, status="wrong", reason="x")], "wrong", verdict.REGRESSION),
        ([line(CASE, status="skip", reason="x")], "vanished", verdict.REGRESSION),
        ([line(CASE), line(CASE, status="wrong", reason="x", round=1)], "wrong", verdict.REGRESSION),
    ],
)
def test_a_case_that_is_no_more(new: list[Any], expected: str, code: int) -> None:
    found = compare.changes([line(CASE), line(OTHER)], [*new, line(OTHER)])
    assert [change.verdict for change in found if change.metric == "status"] == [expected]
    assert verdict.exit_code(found) == code


def test_a_case_that_was_broken_before_is_no_regression_and_no_success() -> None:
    broken = [line(CASE, status="error", reason="x")]
    assert verdict.exit_code(compare.changes(broken, broken)) == verdict.NOTHING
    assert verdict.exit_code(compare.changes([], [line(CASE)])) == verdict.NOTHING
    assert verdict.exit_code([]) == verdict.NOTHING


def test_command_compares_files(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    old, new = write(tmp_path / "a", timed(CASE, 0.01)), write(tmp_path / "b", timed(CASE, 0.02))
    done = command("compare", str(old), str(new))
    assert done.returncode == 0
    assert "slower" in done.stdout
    assert "2.0" in done.stdout
    assert max(len(text) for text in done.stdout.splitlines()) <= 80
    assert command("compare", str(old), str(new), "--gate").returncode == verdict.REGRESSION
    every = command("compare", str(old), str(new), "--all", "--svg", str(tmp_path / "table.svg")).stdout
    assert "working_bytes" not in every
    assert "memory" in every
    assert "slower" in (tmp_path / "table.svg").read_text()
    assert command("compare", str(old), str(old), "--gate").returncode == verdict.OK


def test_command_says_what_it_cannot_compare(tmp_path: Path) -> None:
    old = write(tmp_path, timed(CASE, 0.01))
    mixed = command("compare", str(old), "HEAD")
    assert mixed.returncode == 2
    assert "'HEAD' is not a record file" in mixed.stderr
    unknown = command("compare", "no-such-revision")
    assert unknown.returncode == 2
    assert "unknown revision 'no-such-revision'" in unknown.stderr
    assert len(unknown.stderr.splitlines()) == 1
    (tmp_path / "notes.md").write_text("no record\n" * 200, encoding="utf-8")
    for words, said in (((str(old), str(tmp_path / "notes.md")), "no record in it"), (("", "HEAD"), "empty text")):
        done = command("compare", *words)
        assert done.returncode == 2
        assert said in done.stderr
        assert len(done.stderr.splitlines()) < 10


def test_a_shallow_clone_has_nothing_to_compare_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, shallow = tmp_path / "whole", tmp_path / "shallow"
    who = ("-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "init", "-q", "-b", "main", str(whole)], check=True)
    for _ in range(2):
        subprocess.run(["git", *who, "commit", "-q", "--allow-empty", "-m", "a change"], cwd=whole, check=True)
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{whole}", str(shallow)], check=True)
    monkeypatch.setattr(revisions, "ROOT", shallow)
    for ask in (revisions.base, lambda: revisions.resolve("HEAD~1")):
        with pytest.raises(revisions.RevisionError, match="this clone is shallow: git fetch --unshallow"):
            ask()


def repository(folder: Path, branch: str) -> Path:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "init", "-q", "-b", branch, str(folder)], check=True)
    for _ in range(2):
        subprocess.run(["git", *who, "commit", "-q", "--allow-empty", "-m", "a change"], cwd=folder, check=True)
    return folder


def test_without_main_no_other_commit_passes_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revisions, "ROOT", repository(tmp_path, "change"))
    with pytest.raises(revisions.RevisionError, match="git fetch --unshallow, or --against REV"):
        revisions.base()
    subprocess.run(["git", "branch", "main"], cwd=tmp_path, check=True)
    assert revisions.base() == revisions.resolve("HEAD~1"), "on main itself: the commit before"
    subprocess.run(["git", "checkout", "-q", "--orphan", "apart"], cwd=tmp_path, check=True)
    who = ("-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, "commit", "-q", "--allow-empty", "-m", "apart"], cwd=tmp_path, check=True)
    with pytest.raises(revisions.RevisionError, match="git fetch --unshallow, or --against REV"):
        revisions.base()


def test_a_change_is_compared_with_the_main_of_the_origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where both are there, since one's own main may be old."""
    monkeypatch.setattr(revisions, "ROOT", repository(tmp_path, "change"))
    subprocess.run(["git", "branch", "main", "HEAD~1"], cwd=tmp_path, check=True)
    subprocess.run(["git", "update-ref", "refs/remotes/origin/main", "HEAD"], cwd=tmp_path, check=True)
    origin_s = revisions.resolve("HEAD")
    who = ("-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, "commit", "-q", "--allow-empty", "-m", "the change"], cwd=tmp_path, check=True)
    assert revisions.base() == origin_s


def test_sides_are_measured_a_b_b_a(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[str] = []
    told: list[str] = []

    def once(tree: Path, case: Case, plan: Plan, folder: Path, report: Any) -> list[Any]:
        measured.append(tree.name)
        return [{"side": tree.name}]

    monkeypatch.setattr(revisions, "checkout", lambda side: nullcontext(Path(side)))
    monkeypatch.setattr(revisions, "measure_once", once)
    plan = Plan("p", "", (Case(),))
    sides: Any = revisions.measure_interleaved(("a", "b"), plan, told.append, lambda *_: True)
    assert measured == ["a", "b", "b", "a"] * 3
    assert [(line["side"], line["round"]) for line in sides[0]] == [("a", n) for n in (0, 3, 4, 7, 8, 11)]
    assert [(line["side"], line["round"]) for line in sides[1]] == [("b", n) for n in (1, 2, 5, 6, 9, 10)]
    assert [line for line in told if "measured once more" in line] == ["    slower; measured once more"] * 2
    measured.clear()
    revisions.measure_interleaved(("a", "b"), plan, told.append, lambda old, new: len(old) < 4)
    assert measured == ["a", "b", "b", "a"] * 2, "the second look clears it"


def test_a_checkout_that_fails_leaves_no_worktree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revisions, "ROOT", repository(tmp_path, "main"))
    real = revisions.add

    def stopped(tree: Path, commit: str) -> None:
        real(tree, commit)
        raise KeyboardInterrupt

    monkeypatch.setattr(revisions, "add", stopped)
    with pytest.raises(KeyboardInterrupt), revisions.checkout("HEAD"):
        pass
    assert len(revisions.git("worktree", "list").splitlines()) == 1
    assert not (tmp_path / ".git" / "worktrees").exists()


def test_without_a_baseline_the_gate_does_not_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(baseline, "BASELINES", tmp_path)
    with pytest.raises(typer.Exit) as end:
        gate_words.check_(speed=False)
    assert end.value.exit_code == verdict.NOTHING
    said = capsys.readouterr().err
    assert "no baseline for these versions" in said
    assert "drtrl-bench baseline" in said


def test_the_baseline_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert baseline.BASELINES.is_dir()
    assert trend.RESULTS.is_dir()


def test_builds_of_a_version_share_a_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    described, found = environment.describe(), []
    for build in ("2.13.0", "2.13.0+cpu", "2.13.0+cu130"):
        facts = described | {"python": "3.11.9", "versions": {"jax": "0.10.2", "torch": build, "numpy": "2.4.6"}}
        monkeypatch.setattr(environment, "describe", lambda facts=facts: facts | {"os": "Linux x86_64"})
        found.append(baseline.baseline_path())
    assert len(set(found)) == 1
    assert found[0].is_file(), "the one that is committed"


GATED = [line(case) for case in plans.read(verdict.PLAN).cases]
TIMED = [line(case) for case in plans.read(verdict.SPEED_PLAN).cases]


def checked(
    monkeypatch: pytest.MonkeyPatch,
    expected: list[Any],
    old: list[Any] = TIMED,
    new: list[Any] = TIMED,
    plan: Plan | None = None,
    hidden: Sequence[compare.Change] = (),
) -> int:
    """Exit code of `check` where everything measured now is in order."""
    monkeypatch.setattr(baseline, "records", lambda: [baseline.without_times(each) for each in expected])
    monkeypatch.setattr(gate_words, "measure", lambda _: GATED)
    monkeypatch.setattr(baseline, "accepted_regressions", lambda *_: hidden)
    monkeypatch.setattr(verdict, "speed_plan", lambda _: plan or plans.read(verdict.SPEED_PLAN))

    def interleaved(_: Any, timed: Plan, *__: Any) -> tuple[list[Any], list[Any]]:
        keys = {case.key for case in timed.cases}
        return [r for r in old if r["case_key"] in keys], [r for r in new if r["case_key"] in keys]

    monkeypatch.setattr(revisions, "measure_interleaved", interleaved)
    try:
        gate_words.check_(against="HEAD")
    except typer.Exit as end:
        return end.exit_code
    return verdict.OK


def test_every_case_must_be_in_the_baseline(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checked(monkeypatch, GATED) == verdict.OK
    assert checked(monkeypatch, GATED[1:]) == verdict.NOTHING
    assert checked(monkeypatch, [GATED[0] | {"memory": {}}, *GATED[1:]]) == verdict.NOTHING
    said = capsys.readouterr().err
    assert said.count("drtrl-bench baseline") == 2
    assert Case(**GATED[0]["case"]).label in " ".join(said.split())


def test_every_case_must_have_its_speed_compared(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    untimed = TIMED[0] | {"time": {}}
    assert checked(monkeypatch, GATED, [untimed, *TIMED[1:]], [untimed, *TIMED[1:]]) == verdict.NOTHING
    capsys.readouterr()
    assert checked(monkeypatch, GATED, TIMED[1:]) == verdict.OK, "the older harness may not know a case"
    assert Case(**TIMED[0]["case"]).label in " ".join(capsys.readouterr().err.split()), "but that is said"
    assert checked(monkeypatch, GATED, []) == verdict.NOTHING


def test_a_case_of_the_base_s_plan_may_not_become_slower(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor may it be known no more."""
    case = Case(algorithm="snap1", framework="torch")
    whole = plans.read(verdict.SPEED_PLAN)
    more = replace(whole, cases=(*whole.cases, case))
    old, slow = timed(case, 0.01), timed(case, 0.02)
    assert checked(monkeypatch, GATED, [*TIMED, *old], [*TIMED, *old], more) == verdict.OK
    assert checked(monkeypatch, GATED, [*TIMED, *old], [*TIMED, *slow], more) == verdict.REGRESSION
    assert checked(monkeypatch, GATED, [*TIMED, *old], TIMED, more) == verdict.REGRESSION


def test_what_the_baseline_lets_pass_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hidden = [compare.Change("a case", "working_bytes", 1.0, 2.0, 2.0, None, None, "larger")]
    assert checked(monkeypatch, GATED, hidden=hidden) == verdict.OK
    assert "lets pass: a case: working_bytes: larger" in " ".join(capsys.readouterr().err.split())


def test_the_check_says_what_was_not_set_alike(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    assert checked(monkeypatch, GATED) == verdict.OK
    assert "ATEN_CPU_CAPABILITY (not set; default)" in " ".join(capsys.readouterr().err.split())
    monkeypatch.delenv("ATEN_CPU_CAPABILITY")
    assert checked(monkeypatch, GATED) == verdict.OK
    assert "ATEN_CPU_CAPABILITY" not in capsys.readouterr().err


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the plan of the gate's speed and a baseline, both committed; the project as far as git goes."""
    monkeypatch.setattr(revisions, "ROOT", tmp_path)
    path = baseline.baseline_path(tmp_path / "results" / "baselines")
    monkeypatch.setattr(baseline, "baseline_path", lambda folder=None: path)
    for folder in (path.parent, tmp_path / "bench" / "plans"):
        folder.mkdir(parents=True)
    write(path.parent, GATED).rename(path)
    shutil.copy(plans.find(verdict.SPEED_PLAN), tmp_path / "bench" / "plans")
    who = ("-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false")
    for words in (("init", "-b", "main"), ("add", "-A"), (*who, "commit", "-m", "all")):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)
    return path


def test_a_case_that_left_the_plan_is_still_timed(history: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = plans.read(verdict.SPEED_PLAN)
    monkeypatch.setattr(
        plans,
        "read",
        lambda name, read=plans.read: (
            replace(whole, cases=whole.cases[:1]) if name == verdict.SPEED_PLAN else read(name)
        ),
    )
    assert set(verdict.speed_plan("HEAD").cases) == set(whole.cases)


def test_a_commit_without_the_plan_drops_none(history: Path) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false")
    for words in (("rm", "-r", "bench"), (*who, "commit", "-m", "none")):
        subprocess.run(["git", *words], cwd=revisions.ROOT, check=True, capture_output=True)
    assert verdict.speed_plan("HEAD").cases == plans.read(verdict.SPEED_PLAN).cases


def test_what_a_renewed_baseline_lets_pass_is_named(history: Path) -> None:
    assert baseline.accepted_regressions("HEAD", GATED) == []
    larger = json.loads(json.dumps(GATED[0]))
    larger["memory"]["working_bytes"] *= 2
    (change,) = baseline.accepted_regressions("HEAD", [larger, *GATED[1:]])
    assert (change.metric, change.verdict) == ("working_bytes", "larger")
    history.unlink()
    assert baseline.accepted_regressions("HEAD", [larger, *GATED[1:]]) == [change], "the commit's, not the checkout's"


def strange(lines: list[Any]) -> str:
    lines[0]["case"]["colour"] = "red"
    return "".join(json.dumps(each) + "\n" for each in lines)


DAMAGES: dict[str, tuple[Any, str]] = {
    "no record": (lambda: "no record", "line 1: not JSON"),
    "nothing": (lambda: "", "no record in it"),
    "only an environment": (lambda: json.dumps(described()) + "\n", "no record in it"),
    "a field of another version": (lambda: strange(deepcopy(GATED)), "a case has the field 'colour'"),
    "a cut line": (lambda: "".join(json.dumps(each) + "\n" for each in GATED)[:-9], "cut short"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_baseline_is_named(name: str, history: Path) -> None:
    text, said = DAMAGES[name]
    history.write_text(text(), encoding="utf-8")
    with pytest.raises(textfile.UnreadableError) as raised:
        baseline.records()
    assert str(raised.value).startswith(str(history))
    assert str(raised.value).count(str(history)) == 1
    assert said in str(raised.value)
    assert str(raised.value).endswith("git checkout brings the baseline back that was committed")
    assert str(raised.value).isprintable()


def test_a_baseline_is_a_regular_file_of_some_size(history: Path) -> None:
    history.unlink()
    history.mkdir()  # first, because the others would have to be waited for
    with pytest.raises(textfile.UnreadableError, match="a folder; it must be a regular file"):
        baseline.records()
    history.rmdir()
    os.mkfifo(history)
    with pytest.raises(textfile.UnreadableError, match="a pipe; it must be a regular file"):
        baseline.records()
    history.unlink()
    history.symlink_to("/dev/zero")
    with pytest.raises(textfile.UnreadableError, match="a device; it must be a regular file"):
        baseline.records()
    history.unlink()
    with history.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(textfile.UnreadableError, match="1,099,511,627,776 bytes; it may have 67,108,864 at most"):
        baseline.records()


def test_the_gate_sees_whole_sequences_of_bptt() -> None:
    """Longer than a block of either framework, so that what happens between blocks is gated."""
    whole = [case for case in plans.read(verdict.PLAN).cases if case.algorithm.startswith("bptt")]
    assert {(case.algorithm, case.framework) for case in whole} == {
        (rule, framework) for rule in ("bptt", "bptt_checkpointed", "bptt_native") for framework in ("jax", "torch")
    }
    assert all(case.chunk == case.steps >= 128 for case in whole)


def test_what_was_measured_again_replaces_what_was_before(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    old = write(tmp_path / "a", [*timed(CASE, 0.01, 0.01)])
    new = write(tmp_path / "b", [*timed(CASE, 0.03, 0.03), *timed(CASE, 0.01, 0.01)])
    done = command("compare", str(old), str(new), "--gate", "--all")
    assert done.returncode == verdict.OK, done.stdout
    assert "faster" not in done.stdout + done.stderr
    assert len(compare.latest(timed(CASE, 0.01, 0.01) * 2)) == 2
    assert "slower" in command("compare", str(old), str(write(tmp_path / "b", timed(CASE, 0.02, 0.02)))).stdout


def test_sides_of_unlike_machines_are_said(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    old = write(tmp_path / "a", [line(CASE)])
    new = write(tmp_path / "b", [line(CASE, env_hash="e2")], [described("e2", cpu="another")])
    done = command("compare", str(old), str(new))
    assert "cpu differ" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not command("compare", str(old), str(old)).stderr


def test_files_that_cannot_be_compared_are_one_line(tmp_path: Path) -> None:
    old = write(tmp_path, [line(CASE) | {"case": line(CASE)["case"] | {"not_yet": 1}}])
    for words, said in (
        ((str(old), str(old)), "a case has the field 'not_yet'"),
        ((str(old), "results/no-such.jsonl"), "results/no-such.jsonl: no such file"),
        (("results/no-such", "."), "results/no-such: no such file"),
    ):
        done = command("compare", *words)
        assert done.returncode == 2
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert records_of("HEAD~1") is None


@pytest.mark.parametrize("rounds", [(0.41, 0.40), (0.40, 0.41)])
def test_frameworks_are_held_together_by_their_worst_round(rounds: tuple[float, float]) -> None:
    records = [line(CASE, error=0.40, round=0), line(CASE, error=0.40, round=1)]
    records += [line(OTHER, error=error, round=number) for number, error in enumerate(rounds)]
    (found,) = compare.parity(records)
    assert (found.old, found.new, found.verdict) == (0.40, 0.41, "apart")


@pytest.mark.parametrize("status", ["error", "timeout", "oom"])
def test_what_no_longer_ends_well_is_a_crash(status: str) -> None:
    found = compare.changes([line(CASE)], [line(CASE, status=status, reason="because")])
    assert [(change.metric, change.verdict) for change in found] == [("status", "crashed")]
    assert verdict.exit_code(found) == verdict.REGRESSION
