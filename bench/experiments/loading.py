"""Time how fast each data set yields batches, beside the fastest gradient that could wait for them; and streams.

`python -m drtrl_bench.experiments.loading --out results/loading` writes `batches.csv` and `stream.csv`. Loaders and
gradients are timed in turns; a batch is drawn anew each time. "files" reads every recording through tonic's reader, and
decodes it into the cache where that pays, as happens once; "epoch" begins with nothing in memory, as the first epoch of
any later process does; "kept" finds the recordings in memory, as the later epochs do. No time includes a disk's: files
that were just read or written are in the system's memory.
"""

import csv
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

from drtrl_bench import data, lookup, registry
from drtrl_bench.case import Case
from drtrl_bench.experiments import stream_cost
from drtrl_bench.measure import clock, environment, problem
from drtrl_bench.process import locks, scratch, signals
from drtrl_bench.view import display

console = display.Console()
ALGORITHMS = ("bptt", "es_drtrl", "drtrl")
"""Algorithms whose gradients are timed."""
SIZES = {
    "shd": (100, 32, 700),
    "ssc": (100, 32, 700),
    "nmnist": (100, 32, 2312),
    "dvs_gesture": (60, 16, 2048),
    "dvs_gesture at 128 x 128": (60, 16, 32768),
    "dms": (402, 32, 100),
    "evidence": (440, 32, 100),
    "copying": (520, 32, 10),
    "integrator": (25, 32, 1),
    "digits": (100, 32, 512),
    "bernoulli": (100, 32, 64),
}
"""Steps, batch and input lines of each data set, whose name is the first word."""
NEURONS = 64
LENGTHS = (1_000, 10_000, 100_000)
"""Steps of the streams."""


def cold_seconds(recordings: Any, call: Callable[[], Any]) -> float:
    """Return the seconds of a call that finds no recording in memory."""
    recordings.forget()
    return clock.once(call)


def gradients(case: Case, inputs: Any, targets: Any) -> dict[str, Callable[[], Any]]:
    """Return a compiled call for each of `ALGORITHMS`, on inputs that are on the device already."""
    import jax

    from drtrl_bench.implementations.engine import network_jax

    net = problem.network(case, "jax")
    params = jax.tree.map(lambda w: jax.numpy.asarray(w, case.dtype), problem.draw(case)[0])
    arguments = (params, jax.numpy.asarray(inputs), jax.numpy.asarray(targets))
    calls = {}
    for name in ALGORITHMS:
        algorithm = lookup.algorithm(name, "jax", vars(case))
        chunk = case.steps if registry.ALGORITHMS[name].truncated else min(32, case.steps)
        compiled = jax.jit(partial(network_jax.gradient, algorithm, net, chunk=chunk))
        calls[name] = partial(lambda f: jax.block_until_ready(f(*arguments)), compiled)
        calls[name]()
    return calls


def batches(title: str, repeats: int) -> dict[str, Any]:
    """Return the row of a data set: batches per second of its loader, gradients per second of the fastest algorithm."""
    name = title.split()[0]
    steps, size, lines = SIZES[title]
    dataset = data.dataset(name)
    all_lines = lines == dataset.FEATURES
    case = Case(
        dataset=name,
        cell="lif_delta",
        features=0 if all_lines else lines,
        neurons=NEURONS,
        batch=size,
        steps=steps,
        scale_x=30,
    )
    draw = partial(dataset.batch, steps, size, **({} if all_lines else {"features": lines}))
    calls = gradients(case, *draw(0))
    seconds: dict[str, list[float]] = {kind: [] for kind in ("files", "epoch", "kept", *ALGORITHMS)}
    recordings = dataset.events.recordings("train")[0] if dataset.events else None
    with scratch.folder() as folder, locks.measuring(say):
        for seed in range(repeats):
            drawn = partial(draw, seed)
            if recordings:  # read into a folder where nothing is decoded yet
                recordings.cache_folder = recordings.cache_folder and Path(folder, str(seed))
                seconds["files"].append(cold_seconds(recordings, drawn))
                seconds["epoch"].append(cold_seconds(recordings, drawn))
            seconds["kept"].append(clock.once(drawn))
            for algorithm, call in calls.items():
                seconds[algorithm].append(clock.once(call))
    fastest = min(ALGORITHMS, key=lambda algorithm: median(seconds[algorithm]))
    per_second = {kind: 1 / median(times) for kind, times in seconds.items() if times}
    return {
        "dataset": name,
        "data": dataset.LABEL,
        "fingerprint": data.fingerprint(name),
        "steps": steps,
        "batch": size,
        "lines": lines,
        "from_files_per_s": per_second.get("files", ""),
        "first_epoch_per_s": per_second.get("epoch", ""),
        "kept_per_s": per_second["kept"],
        "fastest_rule": fastest,
        "gradients_per_s": per_second[fastest],
        "first_epoch_over_gradient": per_second["epoch"] / per_second[fastest] if recordings else "",
        "kept_over_gradient": per_second["kept"] / per_second[fastest],
        **{f"{algorithm}_per_s": per_second[algorithm] for algorithm in ALGORITHMS},
    }


def say(text: str) -> None:
    """Print a line, as for which process a measurement waits."""
    console.print(text, soft_wrap=True)


def machine() -> dict[str, Any]:
    """Return the last columns of a row: the machine, the commit and the versions. Ask before the measurement."""
    described = environment.describe()
    versions = " ".join(f"{k} {v}" for k, v in described["versions"].items() if v)
    return {"cpu": described["cpu"], "cores": described["cores"], **environment.checkout(), "versions": versions}


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write a table, which takes the place of an earlier one when it is whole; its columns are those of all rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = dict.fromkeys(column for row in rows for column in row)
    part = path.with_suffix(".part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    os.replace(part, path)


def main(
    out: Annotated[Path, typer.Option(help="Folder for the two tables.")] = Path("results/local/loading"),
    repeats: Annotated[int, typer.Option(help="Batches timed of each.", min=3)] = 15,
) -> None:
    """Time every loader that has its files, and stream up to 100,000 steps.

    Example: python -m drtrl_bench.experiments.loading --out results/loading
    """
    rows, here = [], machine()
    out.mkdir(parents=True, exist_ok=True)  # or minutes of timing would end in an error
    for title in SIZES:
        if reason := data.unavailable(title.split()[0]):
            console.print(f"left out: {reason}", soft_wrap=True)
            continue
        rows.append(batches(title, repeats) | here)
        row = rows[-1]
        fastest = f"{row['gradients_per_s']:.1f} gradients/s ({row['fastest_rule']})"
        first = f"{row['first_epoch_per_s']:.0f} in the first epoch, " if row["first_epoch_per_s"] else ""
        what = f"{row['data']}, {row['lines']} lines"
        console.print(f"{what}: {row['kept_per_s']:.0f} batches/s, {first}{fastest}", soft_wrap=True)
    write(out / "batches.csv", rows)
    rows = []
    for name in ("nmnist", "bernoulli"):
        if not data.unavailable(name):
            for steps in LENGTHS:
                here = machine()  # each stream is a process that reads the sources anew
                with locks.measuring(say):
                    rows.append(stream_cost.measure(name, steps) | here)
                row = rows[-1]
                cost = f"{row['seconds']:.1f} s" + (f", {peak:.0f} MiB" if (peak := row["rss_peak_mib"]) else "")
                console.print(f"{row['data']}, {steps} steps: {cost}", soft_wrap=True)
    write(out / "stream.csv", rows)


def command() -> None:
    """Run the command line; bad input is one line on standard error and exit code 2."""
    display.prepare()
    try:
        typer.run(main)
    except OSError as error:
        print(display.shown(f"drtrl_bench.experiments.loading: {error}"), file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    signals.run(command)
