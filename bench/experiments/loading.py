"""How fast data comes, beside the fastest gradient that could wait for it: batches per second; memory of a stream.

`python -m drtrl_bench.experiments.loading --out results/loading` writes `batches.csv` and `stream.csv`. Loaders and
gradients are timed in turns; a batch is drawn anew each time. "files" reads every recording through tonic's reader, and
decodes it into the cache where that pays, as happens once; "epoch" begins with nothing in memory, as the first epoch of
any later process does; "kept" finds the recordings in memory, as the later epochs do. None of them waits for a disk:
files that were just read or written are in the system's memory.
"""

import csv
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

from drtrl_bench import data, lookup, registry
from drtrl_bench.case import Case
from drtrl_bench.experiments import stream
from drtrl_bench.measure import environment, memory, problem
from drtrl_bench.process import locks, scratch, signals, warden
from drtrl_bench.view import display

console = display.Console()
RULES = ("bptt", "es_drtrl", "drtrl")
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
"""Steps, batch and lines of each."""
NEURONS = 64
LENGTHS = (1_000, 10_000, 100_000)
LANES, CHUNK, PERIOD = 4, 100, 1_000


def timed(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def forgetting(recordings: Any, call: Callable[[], Any]) -> float:
    """Seconds of a call that finds no recording in memory."""
    recordings.forget()
    return timed(call)


def gradients(case: Case, inputs: Any, targets: Any) -> dict[str, Callable[[], Any]]:
    """A call per rule, compiled, on inputs that are on the device already."""
    import jax

    from drtrl_bench.implementations.engine import network_jax

    net, params = problem.network(case, "jax"), jax.tree.map(jax.numpy.asarray, problem.draw(case)[0])
    placed = (params, jax.numpy.asarray(inputs), jax.numpy.asarray(targets))
    calls = {}
    for rule in RULES:
        algorithm = lookup.algorithm(rule, "jax", vars(case))
        chunk = case.steps if registry.ALGORITHMS[rule].truncated else min(32, case.steps)
        compiled = jax.jit(partial(network_jax.gradient, algorithm, net, chunk=chunk))
        calls[rule] = partial(lambda f: jax.block_until_ready(f(*placed)), compiled)
        calls[rule]()
    return calls


def batches(title: str, repeats: int) -> dict[str, Any]:
    """A row: batches per second of a loader, and gradients per second of the fastest rule."""
    name = title.split()[0]
    steps, size, lines = SIZES[title]
    dataset = data.dataset(name)
    whole = lines == dataset.FEATURES
    case = Case(
        dataset=name,
        cell="lif_delta",
        features=0 if whole else lines,
        neurons=NEURONS,
        batch=size,
        steps=steps,
        scale_x=30,
    )
    draw = partial(dataset.batch, steps, size, **({} if whole else {"features": lines}))
    calls = gradients(case, *draw(0))
    found: dict[str, list[float]] = {kind: [] for kind in ("files", "epoch", "kept", *RULES)}
    recordings = dataset.events.recordings("train")[0] if dataset.events else None
    with scratch.folder() as folder, locks.measuring(waits):
        for seed in range(repeats):
            drawn = partial(draw, seed)
            if recordings:  # read into a folder where nothing is decoded yet
                recordings.cache_folder = recordings.cache_folder and Path(folder, str(seed))
                found["files"].append(forgetting(recordings, drawn))
                found["epoch"].append(forgetting(recordings, drawn))
            found["kept"].append(timed(drawn))
            for rule, call in calls.items():
                found[rule].append(timed(call))
    fastest = min(RULES, key=lambda rule: median(found[rule]))
    per_second = {kind: 1 / median(times) for kind, times in found.items() if times}
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
        **{f"{rule}_per_s": per_second[rule] for rule in RULES},
    }


def streamed(name: str, steps: int) -> dict[str, Any]:
    """A row: time and memory of D-RTRL over a stream of `steps` steps, beside what dense inputs would take."""
    import jax

    from drtrl_bench.implementations.algorithms.approximate import drtrl_jax
    from drtrl_bench.implementations.training import stream_jax

    dataset = data.dataset(name)
    case = Case(dataset=name, cell="lif_delta", neurons=NEURONS, batch=LANES, steps=CHUNK, chunk=CHUNK, scale_x=30)
    net, params = problem.network(case, "jax"), jax.tree.map(jax.numpy.asarray, problem.draw(case)[0])
    fold = stream_jax.streaming(drtrl_jax, net)

    def run(steps: int) -> None:
        jax.block_until_ready(fold(params, stream.chunks(name, steps, LANES, 0, CHUNK, PERIOD)))

    run(2 * PERIOD)  # compiles, and reads what is read once
    memory.reset_rss_peak()
    before = memory.rss_peak_bytes() or 0
    seconds = timed(lambda: run(steps))
    return {
        "dataset": name,
        "data": dataset.LABEL,
        "fingerprint": data.fingerprint(name),
        "rule": "drtrl",
        "steps": steps,
        "batch": LANES,
        "lines": dataset.FEATURES,
        "chunk": CHUNK,
        "seconds": seconds,
        "ms_per_chunk": 1e3 * seconds / (steps / CHUNK),
        "rss_peak_mib": (memory.rss_peak_bytes() or 0) / 2**20,
        "rss_before_mib": before / 2**20,
        "dense_inputs_mib": 4 * steps * LANES * dataset.FEATURES / 2**20,
    }


def waits(text: str) -> None:
    """Says for whom a measurement waits."""
    console.print(text, soft_wrap=True)


def alone(name: str, steps: int) -> dict[str, Any]:
    """The row of a stream from a process of its own: what an earlier one has freed would hide what this one takes."""
    context = multiprocessing.get_context("spawn")
    received, sent = context.Pipe(duplex=False)
    process = context.Process(target=told, args=(sent, name, steps))
    process.start()
    sent.close()
    try:
        return received.recv()
    except EOFError:
        process.join()
        said = f"ended with exit code {process.exitcode} before it was measured"
        raise OSError(f"the stream of {steps} steps of {name} {said}") from None
    finally:
        process.kill()
        process.join()


def told(sent: Any, name: str, steps: int) -> None:
    """Sends the row of a stream. The process that asks ends this one, and is not outlived."""
    for each in signals.ENDING:
        signal.signal(each, signal.SIG_IGN)
    warden.prctl(warden.PR_SET_PDEATHSIG, signal.SIGKILL)
    asking = multiprocessing.parent_process()
    if asking is None or os.getppid() != asking.pid:  # it ended before that was said
        return
    sent.send(streamed(name, steps))


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """A table with the machine in its last columns."""
    described = environment.describe()
    known = {"cpu": described.get("cpu"), "cores": described.get("cores"), **environment.checkout()}
    known["versions"] = " ".join(f"{k} {v}" for k, v in described["versions"].items() if v)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*rows[0], *known], lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in (row | known).items()} for row in rows
        )


def main(
    out: Annotated[Path, typer.Option(help="Folder for the two tables.")] = Path("results/local/loading"),
    repeats: Annotated[int, typer.Option(help="Batches timed of each.", min=3)] = 15,
) -> None:
    """Time every loader that has its files, and stream up to 100,000 steps.

    Example: python -m drtrl_bench.experiments.loading --out results/loading
    """
    rows = []
    out.mkdir(parents=True, exist_ok=True)  # or minutes of timing would end in an error
    for title in SIZES:
        if reason := data.unavailable(title.split()[0]):
            console.print(f"left out: {reason}", soft_wrap=True)
            continue
        rows.append(batches(title, repeats))
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
                with locks.measuring(waits):
                    rows.append(alone(name, steps))
                row = rows[-1]
                said = f"{row['seconds']:.1f} s, {row['rss_peak_mib']:.0f} MiB"
                console.print(f"{row['data']}, {steps} steps: {said}", soft_wrap=True)
    write(out / "stream.csv", rows)


def command() -> None:
    """The command line; bad input is one line on standard error and exit code 2."""
    display.prepare()
    try:
        typer.run(main)
    except OSError as error:
        print(display.shown(f"drtrl_bench.experiments.loading: {error}"), file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    signals.taken(command)
