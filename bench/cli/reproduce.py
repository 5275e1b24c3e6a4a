"""`drtrl-bench reproduce`: runs the paper's experiments, draws their figures and writes the table of verdicts."""

import os
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.table import Table

from drtrl_bench import lookup
from drtrl_bench.cli.arguments import Data
from drtrl_bench.cli.reading import LOCAL
from drtrl_bench.cli.terminal import UsageError, announce, complaints, console, progress_of_several
from drtrl_bench.paper import experiment, listing
from drtrl_bench.process import signals

COMMITTED = LOCAL.parent / "paper"
"""Folder of the committed results, where the current folder is a clone's."""


def experiment_names(incomplete: str) -> list[str]:
    """List the experiments that complete a name, for the shell."""
    return [name for name in listing.EXPERIMENTS if name.startswith(incomplete)]


Names = Annotated[
    list[str] | None,
    typer.Argument(help="Experiments; all if left out.", autocompletion=experiment_names, metavar="[NAME]..."),
]


def reproduce(
    names: Names = None,
    size: Annotated[str, typer.Option(help="cpu: minutes on two cores. paper: as the published code.")] = "cpu",
    list_: Annotated[
        bool, typer.Option("--list", help="List what there is, and of each size what is done and what it costs.")
    ] = False,
    draw_only: Annotated[bool, typer.Option("--draw-only", help="Run nothing; draw what was run.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Run again what ran out of memory before.")] = False,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Experiments that run at a time, each on a core: all cores; at size paper 1."),
    ] = None,
    records: Annotated[
        Path, typer.Option(help="Folder of the results, NAME.jsonl for each experiment; or one file for all.")
    ] = LOCAL / "paper",
    out: Annotated[
        Path, typer.Option(help="Folder of REPRODUCTION.md; the figures go to figures/paper in it.")
    ] = LOCAL,
    data: Data = None,
) -> None:
    """Run the paper's experiments, draw their figures, and write REPRODUCTION.md: which claims stand.

    Only jobs without a result are run, or whose sources or data have changed; so an interrupted run goes on where it
    stopped. A job that runs out of memory has a result that says so, and the others go on. Where a data set has no
    files, a small stand-in is made, and all that comes of it is called synthetic. Experiments run side by side, each on
    a core; those of time and memory come last, and alone.

    Examples: drtrl-bench reproduce --list     drtrl-bench reproduce rank1_theory     drtrl-bench reproduce --size paper

    Draw and judge again what was run: drtrl-bench reproduce --draw-only
    """
    chosen = choose(names, size)
    if list_:
        show(chosen, records)
        return
    from drtrl_bench.paper import records as results
    from drtrl_bench.paper import reproduction, runner, side_by_side
    from drtrl_bench.paper.drawing import every

    if not draw_only:
        files = {name: results.file_of(records, name) for name in chosen}
        workers = workers or (len(os.sched_getaffinity(0)) if size == "cpu" else 1)
        beside = [name for name in chosen if not hasattr(listing.module(name), "case")]
        if min(workers, len(beside), len(set(files.values()))) < 2:
            beside = []
        advice = "the finished jobs are kept, the same command goes on from here"
        with signals.advising(advice), progress_of_several() as told:
            if beside:
                tell = {name: partial(told, name) for name in beside}
                side_by_side.run(beside, size, files, workers, tell, announce, retry)
            for name in chosen:
                if name not in beside:
                    runner.run(name, size, files[name], partial(told, name), announce, retry)
    judged, drawn = [], []
    for name in listing.EXPERIMENTS:
        rows = rows_of(name, size, records, complain=name in chosen)
        if rows is None:
            judged.append((name, None, []))
            continue
        judged.append((name, rows, reproduction.judge(name, rows)))
        if name in chosen:
            drawn.append((name, rows, out / "figures" / "paper"))
    if not drawn:
        what = " ".join(chosen) if names else "any experiment"
        raise UsageError(f"no results of {what} at size {size} in {records}; without --draw-only they are made")
    for png in every.of_all(drawn):
        announce(f"{png.with_suffix('')}.png .pdf .csv")
    announce(f"{reproduction.write(out, judged)}: which claims stand")


def choose(names: list[str] | None, size: str) -> list[str]:
    """Return the named experiments, or all. Raises UsageError for a name or a size that there is not."""
    for name in names or ():
        if name not in listing.EXPERIMENTS:
            raise UsageError(f"experiment {name!r}: {lookup.nearest(name, listing.EXPERIMENTS)}")
    if size not in experiment.SIZES:
        raise UsageError(f"--size {size}: there are {' and '.join(experiment.SIZES)}")
    return [name for name in listing.EXPERIMENTS if not names or name in names]


def rows_of(name: str, size: str, records: Path, complain: bool) -> Any:
    """Return the frame of an experiment's newest results, or None if a job has none, whose framework is installed.

    Its attrs also have "older", how many of the results are of older code. complain: whether to print how many jobs are
    missing, or are of other sources or data than these.
    """
    from drtrl_bench.paper import records as results
    from drtrl_bench.paper import runner

    jobs = runner.jobs_of(name, size)
    lines, environments = results.read(results.file_of(records, name))
    found = results.newest(lines, name, jobs)
    keys = {line["job_key"] for line in found}
    needed = runner.possible(jobs, lambda _: None)
    again, absent = f"drtrl-bench reproduce {name} --size {size}", 0
    if found and (absent := sum(results.key_of(name, job) not in keys for job in needed)) and complain:
        complaints.print(f"{name}: {absent} of {len(needed)} jobs have no result yet: {again}", style="yellow")
    if not found or absent:
        return None
    if complain and (old := len(found) - len(runner.finished(name, jobs, lines))):
        what = f"{old} of {len(found)} results are of other sources or data than are here"
        complaints.print(f"{name}: {what}; to renew them: {again}", style="yellow")
    rows = results.frame(found, environments, size)
    rows.attrs["older"] = runner.of_older_code(name, found)
    return rows


def show(names: list[str], records: Path) -> None:
    """Print each experiment: its section and question, and what of each size is done and what it costs."""
    from drtrl_bench.paper import records as results

    grid = Table.grid(padding=(0, 2))
    for column in range(3):
        grid.add_column(overflow="fold", no_wrap=column < 2)
    for name in names:
        about = listing.module(name).ABOUT
        lines, _ = results.read(results.file_of(records, name))
        states = [f"{size}: {standing(name, size, lines)}" for size in experiment.SIZES]
        grid.add_row(name, about.section, "\n".join([about.question, *states]))
    console.print(grid)
    announce("; ".join(f"together at size {size}: {together(names, size, records)}" for size in experiment.SIZES))


def together(names: list[str], size: str, records: Path) -> str:
    """Say how many jobs of a size are done in all, what they took, and what experiments without results would take."""
    from drtrl_bench.paper import records as results

    found = [cost(name, size, results.read(results.file_of(records, name))[0]) for name in names]
    done, jobs = sum(each.done for each in found), sum(each.jobs for each in found)
    elsewhere = [each.usual for each in found if not each.found]
    said = [f"{sum(each.took for each in found):.0f} s of a core so far"]
    if known := [each for each in elsewhere if each is not None]:
        said.append(f"about {sum(known):.0f} s for {counted(len(known))} without results")
    if None in elsewhere:
        said.append(f"{counted(elsewhere.count(None))} not measured yet")
    return f"{done} of {jobs} jobs done{out_of_memory(sum(each.lost for each in found))}, {', '.join(said)}"


def counted(experiments: int) -> str:
    """Write a number of experiments."""
    return f"{experiments} experiment{'s' * (experiments != 1)}"


class Cost(NamedTuple):
    """Jobs of a size, and seconds of a core."""

    done: int
    """With results of the sources and data that are here."""
    found: int
    """With results, of whatever sources."""
    lost: int
    """Of these, how many ran out of memory."""
    jobs: int
    took: float
    """What all results took."""
    usual: float | None
    """What all jobs take elsewhere, if there are no results; None: not known."""


def cost(name: str, size: str, lines: list[dict[str, Any]]) -> Cost:
    """Return what of a size is done, and what it took and takes."""
    from drtrl_bench.paper import lost, runner
    from drtrl_bench.paper import records as results

    jobs = runner.jobs_of(name, size)
    found = results.newest(lines, name, jobs)
    done, gone = len(runner.finished(name, jobs, lines)), sum(map(lost.ran_out, found))
    return Cost(done, len(found), gone, len(jobs), seconds(found), None if found else usual(name, size, jobs))


def seconds(lines: list[dict[str, Any]]) -> float:
    """Return the seconds of a core that results took."""
    return sum(line.get("cpu_s") or 0 for line in lines)


def usual(name: str, size: str, jobs: list[dict[str, Any]]) -> float | None:
    """Return the seconds of a core that jobs took elsewhere: in the committed results, or as their module says."""
    from drtrl_bench.paper import records as results

    lines, _ = results.read(results.file_of(COMMITTED, name))
    if len(found := results.newest(lines, name, jobs)) == len(jobs):
        return seconds(found)
    return listing.module(name).ABOUT.cpu_seconds if size == "cpu" else None


def standing(name: str, size: str, lines: list[dict[str, Any]]) -> str:
    """Say how many jobs of a size are done, and how many seconds of a core all took, or would take."""
    known = cost(name, size, lines)
    if known.found:
        took = f"{known.took:.0f} s of a core" + (" so far" if known.found < known.jobs else "")
    else:
        took = "cost not measured yet" if known.usual is None else f"about {known.usual:.0f} s of a core"
    return f"{known.done} of {known.jobs} jobs done{out_of_memory(known.lost)}, {took}"


def out_of_memory(jobs: int) -> str:
    """Say of how many jobs memory did not hold the rows; "" of none."""
    return f", {jobs} of them out of memory" if jobs else ""
