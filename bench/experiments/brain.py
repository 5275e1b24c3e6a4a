"""Measures what a step of a network as large as a brain costs: rules on sparse weights, by framework and size.

`python -m drtrl_bench.experiments.brain --out results/brain` writes `brain.csv`, a process for each row, one after the
other, and `growth.csv`, the exponents of time and memory against synapses. The same command goes on where it was ended:
a row that is there, of the same sources and machine, is not measured again. The connectome is generated, or FlyWire's
where its files are (`--flywire`). With `--against-dense` it writes `against_dense.csv`: a small network, sparse and
dense in turns, on one thread. With `--low-rank 20` it writes `low_rank.csv`, of factors of rank 20 that are trained
beside fixed synapses.
"""

import csv
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from drtrl_bench import provenance, registry
from drtrl_bench.case import Case, digest
from drtrl_bench.datasets.connectomes import flywire as genuine
from drtrl_bench.datasets.connectomes.generated import NEURONS, PAIRS
from drtrl_bench.experiments import brain_cost, brain_growth
from drtrl_bench.experiments.loading import say_wait, write
from drtrl_bench.files import textfile
from drtrl_bench.measure import environment
from drtrl_bench.paper import apart
from drtrl_bench.process import signals
from drtrl_bench.view import display

console = display.Console()
RULES, FRAMEWORKS, CHUNK = ("drtrl", "es_drtrl", "bptt"), ("torch", "jax"), 32
SIZES = (1_000, 5_000, 30_000, NEURONS)
"""Numbers of neurons; each has as many partners as in the whole brain: 115,385 to 15,000,000 synapses."""
SMALL, SMALL_PAIRS, SMALL_CHUNKS = 512, 2_621, (32, 128, 512)
"""The network that is compared with a dense one: 1 % of all pairs."""
MOST_BYTES = 2**20
"""The most bytes that a table of an earlier run may have."""


def jobs(sizes: list[int], flywire: bool, rank: int = 0) -> list[dict[str, Any]]:
    """List the jobs: every rule and framework at every size, or for FlyWire's connectome alone.

    rank: of trained factors, 0 for none. With them there is no job of D-RTRL, whose trace would have every pair.
    """
    trained, rules = ({"rank": rank}, ("es_drtrl", "bptt")) if rank else ({}, RULES)
    brains = [(0, 0)] if flywire else [(N, round(N * PAIRS / NEURONS)) for N in sizes]
    return [
        {"neurons": N, "pairs": pairs, "framework": framework, "rule": rule, "chunk": CHUNK} | trained
        for N, pairs in brains
        for framework in FRAMEWORKS
        for rule in rules
    ]


def jobs_against_dense() -> list[dict[str, Any]]:
    """List the jobs of the comparison: D-RTRL in both frameworks, for every length of a chunk."""
    small = {"neurons": SMALL, "pairs": SMALL_PAIRS, "rule": "drtrl"}
    return [small | {"framework": framework, "chunk": K} for framework in FRAMEWORKS for K in SMALL_CHUNKS]


def sources(module: str, framework: str, rule: str) -> str:
    """Return the hash of what a row depends on besides its job: the machine, the versions and the project's sources."""
    named = (f"experiments.{module}", *brain_cost.modules(framework, rule), registry.module_name(rule, framework))
    code = map(provenance.code_of, provenance.project_files(*named).values())
    return digest([environment.describe()["env_hash"], *code])


def earlier(path: Path, module: str) -> dict[str, dict[str, Any]]:
    """Return the rows of an earlier run by the hashes of their jobs, but those of other sources or another machine."""
    if not path.is_file():
        return {}
    rows = csv.DictReader(textfile.read(path, MOST_BYTES).splitlines())
    rows = [row for row in rows if row.get("framework") in FRAMEWORKS and row.get("rule") in RULES]
    series = {(row["framework"], row["rule"]) for row in rows}
    now = {each: sources(module, *each) for each in series}
    return {row["job"]: row for row in rows if row.get("sources") == now[row["framework"], row["rule"]]}


def measure(module: str, job: dict[str, Any], threads: int) -> dict[str, Any]:
    """Return the row of a job, measured in a process of its own. Raises OSError if there is none."""
    case = Case(framework=job["framework"], threads=threads)
    (row,) = apart.rows(f"drtrl_bench.experiments.{module}", job, case, say_wait)
    if row.get("status") == "oom":
        raise OSError(row["reason"])
    return row | {"job": digest(job), "sources": sources(module, job["framework"], job["rule"])}


def table(path: Path, module: str, jobs: list[dict[str, Any]], threads: int) -> list[dict[str, Any]]:
    """Measure the jobs that have no row in the table yet, write it after each, and return all its rows."""
    rows = earlier(path, module)
    for number, job in enumerate(jobs, 1):
        there = digest(job) in rows
        if not there:
            rows[digest(job)] = measure(module, job, threads)
            write(path, list(rows.values()))
        row = rows[digest(job)]
        line = cost(row) if "ms_per_step" in row else comparison(row)
        console.print(f"{number}/{len(jobs)}: {line}{', as measured before' if there else ''}", soft_wrap=True)
    return list(rows.values())


def cost(row: dict[str, Any]) -> str:
    """Tell in a line what a step of a brain costs."""
    ms, mib, spikes = (float(row[k]) for k in ("ms_per_step", "rss_peak_mib", "spikes_at_the_end"))
    what = f"{row['data']}: {row['rule']}, {row['framework']}"
    return f"{what}: {ms:.1f} ms a step, {mib:.0f} MiB, {spikes:.1%} spike"


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


def main(
    out: Annotated[Path, typer.Option(help="Folder for the tables.")] = Path("results/local/brain"),
    neurons: Annotated[list[int] | None, typer.Option(help="Neurons of a generated connectome.")] = None,
    flywire: Annotated[bool, typer.Option(help="Take FlyWire's connectome, whole.")] = False,
    against_dense: Annotated[bool, typer.Option(help="Compare a small network with a dense one.")] = False,
    low_rank: Annotated[int, typer.Option(help="Fix the synapses, and train factors of this rank.")] = 0,
) -> None:
    """Time rules on sparse weights, from 1,000 neurons to the 130,000 and 15 million synapses of a fly's brain.

    Example: python -m drtrl_bench.experiments.brain --neurons 5000
    """
    if flywire and (reason := genuine.unavailable()):
        raise OSError(reason)
    if against_dense:
        table(out / "against_dense.csv", "brain_dense", jobs_against_dense(), threads=1)
        return
    if low_rank:
        table(out / "low_rank.csv", "brain_low_rank", jobs(neurons or list(SIZES), flywire, low_rank), threads=2)
        return
    rows = table(out / "brain.csv", "brain_cost", jobs(neurons or list(SIZES), flywire), threads=2)
    drawn = [row for row in rows if "synthetic" in row["data"]]
    for grown in (growth := brain_growth.exponents(drawn)):
        power = f"synapses^{grown['exponent']:.2f}"
        console.print(f"{grown['rule']}, {grown['framework']}: {grown['name']} ~ {power}", soft_wrap=True)
    if growth:
        write(out / "growth.csv", growth)


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
