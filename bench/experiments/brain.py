"""Measure what a step of a network as large as a brain costs: rules on sparse weights, by framework and size.

`python -m drtrl_bench.experiments.brain --out results/brain` writes `brain.csv`, a process for each row, one after the
other, and `growth.csv`, the exponents of time and memory against synapses. The same command goes on where it was ended:
a row that is there, of the same sources and machine, is not measured again (`brain_table.py`). The connectome is
generated, or FlyWire's where its files are (`--flywire`). With `--against-dense` it writes `against_dense.csv`: a small
network, sparse and dense in turns, on one thread. With `--low-rank 20` it writes `low_rank.csv`: the synapses fixed,
and factors of rank 20 trained beside them.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from drtrl_bench import data
from drtrl_bench.case import digest
from drtrl_bench.datasets.connectomes import flywire as genuine
from drtrl_bench.datasets.connectomes.generated import NEURONS, PAIRS
from drtrl_bench.datasets.events.folders import data_folder
from drtrl_bench.experiments import brain_growth
from drtrl_bench.experiments.brain_table import alone, table
from drtrl_bench.experiments.loading import say, write
from drtrl_bench.process import signals
from drtrl_bench.view import display

RULES, FRAMEWORKS, CHUNK = ("drtrl", "es_drtrl", "bptt"), ("torch", "jax"), 32
SIZES = (1_000, 5_000, 30_000, NEURONS)
"""Numbers of neurons; each has as many partners as in the whole brain: 115,385 to 15,000,000 synapses."""
SMALL, SMALL_PAIRS, SMALL_CHUNKS = 512, 2_621, (32, 128, 512)
"""The network that is compared with a dense one: 1 % of all pairs."""
LEAST = -(-2 * PAIRS // NEURONS) + 1
"""The fewest neurons of which each can have as many partners: at most half of all pairs are drawn."""


def fingerprint() -> str:
    """Return the hash of FlyWire's files."""
    files = [data_folder() / genuine.FOLDER / name for name in (genuine.PAIRS, genuine.NEURONS)]
    return digest([data.content_hash(file, file.stat()) for file in files])


def jobs(sizes: list[int], flywire: bool, rank: int = 0) -> list[dict[str, Any]]:
    """List the jobs: every rule and framework at every size, or for FlyWire's connectome, of these files, alone.

    rank: of trained factors, 0 for none. With them there is no job of D-RTRL, whose trace would have every pair.
    """
    trained, rules = ({"rank": rank}, ("es_drtrl", "bptt")) if rank else ({}, RULES)
    brains = [{"neurons": N, "pairs": round(N * PAIRS / NEURONS)} for N in dict.fromkeys(sizes)]
    if flywire:
        brains = [{"neurons": 0, "pairs": 0, "fingerprint": fingerprint()}]
    return [
        brain | {"framework": framework, "rule": rule, "chunk": CHUNK} | trained
        for brain in brains
        for framework in FRAMEWORKS
        for rule in rules
    ]


def jobs_against_dense() -> list[dict[str, Any]]:
    """List the jobs of the comparison: D-RTRL in both frameworks, for every length of a chunk."""
    small = {"neurons": SMALL, "pairs": SMALL_PAIRS, "rule": "drtrl"}
    return [small | {"framework": framework, "chunk": K} for framework in FRAMEWORKS for K in SMALL_CHUNKS]


def cost(row: dict[str, Any]) -> str:
    """Tell in a line what a step of a brain costs."""
    ms, spikes = float(row["ms_per_step"]), float(row["spikes_at_the_end"])
    memory = f"{float(peak):.0f} MiB" if (peak := row["rss_peak_mib"]) else "unknown memory"
    what = f"{row['data']}: {row['rule']}, {row['framework']}"
    return f"{what}: {ms:.1f} ms a step, {memory}, {spikes:.1%} spike"


def comparison(row: dict[str, Any]) -> str:
    """Tell in a line how sparse and dense weights compare."""
    sparse, dense, ratio, low, high, cpu, differs = (
        float(row[k])
        for k in (
            "sparse_ms_per_step", "dense_ms_per_step", "ratio", "ratio_low", "ratio_high", "cpu_ratio",
            "differs_float64",
        )
    )  # fmt: skip
    what = f"{row['data']}, {row['pairs']} pairs: {row['rule']}, {row['framework']}, K = {row['chunk']}"
    times = f"sparse {sparse:.3f} ms a step, dense {dense:.3f}: {ratio:.2f} ({low:.2f} to {high:.2f}) of its time"
    return f"{what}: {times}, {cpu:.2f} of the processor's; gradients differ by {differs:.0e}"


def grow(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write how time and memory grow with the synapses of generated connectomes, if they do, and tell it."""
    drawn = [row for row in rows if row["status"] == "ok" and "synthetic" in row["data"]]
    if growth := brain_growth.exponents(drawn, say):
        write(path, growth)
    for each in growth:
        say(f"{each['rule']}, {each['framework']}: {each['name']} ~ synapses^{each['exponent']:.2f}")


def main(
    out: Annotated[Path, typer.Option(help="Folder for the tables.")] = Path("results/local/brain"),
    neurons: Annotated[list[int] | None, typer.Option(help="Neurons of a generated connectome.", min=LEAST)] = None,
    flywire: Annotated[bool, typer.Option(help="Take FlyWire's connectome, whole.")] = False,
    against_dense: Annotated[bool, typer.Option(help="Compare a small network with a dense one.")] = False,
    low_rank: Annotated[int, typer.Option(help="Fix the synapses, and train factors of this rank.", min=0)] = 0,
    retry: Annotated[bool, typer.Option(help="Measure again what failed, or ran out of memory, before.")] = False,
) -> None:
    """Time rules on sparse weights, from 1,000 neurons to the 130,000 and 15 million synapses of a fly's brain.

    What is in the tables is not measured again, nor, without --retry, what failed. Exit code: 0, also if memory ran
    out; 1 if a row failed otherwise; 2 for bad input.

    Example: python -m drtrl_bench.experiments.brain --neurons 5000
    """
    if against_dense and (neurons or flywire or low_rank):
        raise ValueError("--against-dense has a network of its own: leave out --neurons, --flywire and --low-rank")
    if flywire and neurons:
        raise ValueError("--flywire takes the whole connectome: leave out --neurons")
    if flywire and (reason := genuine.unavailable()):
        raise OSError(reason)
    with alone(out), signals.advising("the same command goes on from here"):
        if against_dense:
            rows = table(out / "against_dense.csv", "brain_dense", jobs_against_dense(), 1, comparison, retry)
        elif low_rank:
            factors = jobs(neurons or list(SIZES), flywire, low_rank)
            rows = table(out / "low_rank.csv", "brain_low_rank", factors, 2, cost, retry)
        else:
            (out / "growth.csv").unlink(missing_ok=True)  # or it would be beside rows of which it knows nothing
            rows = table(out / "brain.csv", "brain_cost", jobs(neurons or list(SIZES), flywire), 2, cost, retry)
            grow(out / "growth.csv", rows)
    if lost := [row for row in rows if row["status"] != "ok"]:
        say(f"without a cost: {len(lost)} of {len(rows)} rows; --retry measures them again")
    if any(row["status"] == "error" for row in lost):
        raise typer.Exit(1)


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
