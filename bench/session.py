"""Measure cases or plans from Python, as in a notebook, and return pandas frames.

The runner is the command's: each case is checked, then timed, and then its memory measured, in a process of its own.
The calling process is not changed, and the plugins of a call are unloaded after it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drtrl_bench import plan as plans
from drtrl_bench.case import Plan
from drtrl_bench.measure import runner
from drtrl_bench.plan import PlanError
from drtrl_bench.plugins import load, scope
from drtrl_bench.process import scratch
from drtrl_bench.records import frames

if TYPE_CHECKING:
    import pandas as pd


def run_case(
    *,
    limit_s: float = Plan.limit_s,
    budget_s: float = Plan.budget_s,
    rounds: int = Plan.rounds,
    records: str | Path | None = None,
    again: bool = False,
    progress: bool = True,
    plugins: Iterable[str | Path] = (),
    **fields: Any,
) -> "pd.DataFrame":
    """Measure one case, or the grid that lists of values make, and return a frame with a row for each.

    Example:
        frame = drtrl_bench.run_case(algorithm=["drtrl", "bptt"], framework="torch", neurons=64, steps=256, chunk=32)
        frame[["algorithm", "status", "time_s", "working_bytes", "cosine"]]

    fields: those of `drtrl_bench.case.Case`, as in a plan; what is left out is at its default. chunk = 0 is K = T.
    limit_s, budget_s: seconds that a case may take, and that its timing samples do. rounds: how often each is measured.
    records: a file to which records are added, and whose finished cases are not measured again; if left out, a
    temporary file.
    again: also measure cases that are finished in `records`. progress: print a line as each case starts and ends.
    plugins: files or modules with algorithms, cells or data sets that are not the project's (docs/own.md).

    The columns are those of `drtrl_bench.load`. Raises PlanError if a case cannot be run, PluginError
    if a plugin cannot be loaded.
    """
    with scope():
        load(plugins, installed=True)
        name = Path("run_case")
        cases = plans.expand(name, {"arguments": {key: plain(value) for key, value in fields.items()}})
        plan = Plan("run_case", "", cases, limit_s, budget_s, rounds)
        return measure(plan, records, again, progress)


def run_plan(
    plan: str | Path | Plan,
    *,
    only: Iterable[str] = (),
    records: str | Path | None = None,
    again: bool = False,
    progress: bool = True,
    plugins: Iterable[str | Path] = (),
) -> "pd.DataFrame":
    """Measure the cases of a plan, and return a frame with a row for each.

    Example:
        frame = drtrl_bench.run_plan("quick", only=["drtrl", "jax"], records="results/local/quick.jsonl")

    plan: the name of one that comes with the project, the path of a .toml file, or a `drtrl_bench.case.Plan`.
    only: words that a case's line must have, as `-k` of the command. The others are as in `run_case`.

    The columns are those of `drtrl_bench.load`. Raises PlanError if the plan cannot be run or no case has the words of
    `only`, PluginError if a plugin cannot be loaded.
    """
    from drtrl_bench.cli import arguments, terminal

    with scope():
        load(plugins, installed=True)
        if isinstance(plan, Plan):
            load(plan.plugins)
            plan = replace(plan, cases=tuple(plans.check(Path("run_plan"), plan.name, case) for case in plan.cases))
        else:
            plan = plans.read(str(plan))
        try:
            words = [only] if isinstance(only, str) else list(only)
            chosen = arguments.choose(plan, words)
        except terminal.UsageError as error:
            raise PlanError(str(error)) from None
        return measure(replace(plan, cases=tuple(chosen)), records, again, progress)


def measure(plan: Plan, records: str | Path | None, again: bool, progress: bool) -> "pd.DataFrame":
    """Measure the cases of a plan that `records` lacks, and return the frame of all its cases."""
    from drtrl_bench.cli import run

    settings = ("limit_s", "budget_s", "rounds", "order_seed")
    where = Path(plan.name)
    plan = replace(plan, **{key: plans.setting(where, key, plain(getattr(plan, key))) for key in settings})
    plan = plans.bounded(where, plan)
    report = run.progress if progress else silent
    with scratch.folder() as folder:
        path = Path(records) if records is not None else folder / f"{plan.name}.jsonl"
        return frames.of_run(runner.run(plan, path, report, again), path)


def silent(text: str, line: Mapping[str, Any] | None) -> None:
    """Report nothing: takes the place of `run.progress`."""


def plain(value: Any) -> Any:
    """Return a value as in a plan's file: lists for tuples, ranges and arrays, Python's numbers for NumPy's."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return [plain(entry) for entry in value] if isinstance(value, list | tuple | range) else value
