"""Measures what a step of a network as large as a brain costs: rules on sparse weights, by framework and size.

`python -m drtrl_bench.experiments.brain --out results/brain` writes `brain.csv`: a process for each row, one after the
other, and what it took. The connectome is generated, or FlyWire's where its files are (`--flywire`).
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from drtrl_bench.case import Case
from drtrl_bench.datasets.connectomes import flywire as genuine
from drtrl_bench.datasets.connectomes.generated import NEURONS, PAIRS
from drtrl_bench.experiments.loading import say_wait, write
from drtrl_bench.paper import apart
from drtrl_bench.process import signals
from drtrl_bench.view import display

console = display.Console()
RULES, FRAMEWORKS, CHUNK = ("drtrl", "es_drtrl", "bptt"), ("torch", "jax"), 32
SIZES = (1_000, 5_000, 30_000, NEURONS)
"""Numbers of neurons; each has as many partners as in the whole brain."""


def jobs(sizes: list[int], flywire: bool) -> list[dict[str, Any]]:
    """List the jobs: every rule and framework at every size, or for FlyWire's connectome alone."""
    brains = [(0, 0)] if flywire else [(N, round(N * PAIRS / NEURONS)) for N in sizes]
    return [
        {"neurons": N, "pairs": pairs, "framework": framework, "rule": rule, "chunk": CHUNK}
        for N, pairs in brains
        for framework in FRAMEWORKS
        for rule in RULES
    ]


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Return the row of a job, measured in a process of its own on two threads. Raises OSError if there is none."""
    case = Case(framework=job["framework"], threads=2)
    (row,) = apart.rows("drtrl_bench.experiments.brain_cost", job, case, say_wait)
    if row.get("status") == "oom":
        raise OSError(row["reason"])
    return row


def main(
    out: Annotated[Path, typer.Option(help="Folder for the table.")] = Path("results/local/brain"),
    neurons: Annotated[list[int] | None, typer.Option(help="Neurons of a generated connectome.")] = None,
    flywire: Annotated[bool, typer.Option(help="Take FlyWire's connectome, whole.")] = False,
) -> None:
    """Time rules on sparse weights, from 1,000 neurons to the 130,000 and 15 million synapses of a fly's brain.

    Example: python -m drtrl_bench.experiments.brain --neurons 5000
    """
    if flywire and (reason := genuine.unavailable()):
        raise OSError(reason)
    rows = []
    for job in jobs(neurons or list(SIZES), flywire):
        rows.append(measure(job))
        row = rows[-1]
        cost = (
            f"{row['ms_per_step']:.1f} ms a step, {row['rss_peak_mib']:.0f} MiB, {row['spikes_at_the_end']:.1%} spike"
        )
        console.print(f"{row['data']}: {row['rule']}, {row['framework']}: {cost}", soft_wrap=True)
        write(out / "brain.csv", rows)


def command() -> None:
    """Run the command line; bad input is one line on standard error and exit code 2."""
    display.prepare()
    try:
        typer.run(main)
    except (OSError, ValueError) as error:
        print(display.shown(f"drtrl_bench.experiments.brain: {error}"), file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    signals.run(command)
