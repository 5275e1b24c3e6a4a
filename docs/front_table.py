"""Prints the table of the README: what each algorithm costs over BPTT, and how close its gradient is, layer by layer.

python docs/front_table.py            of results/records/algorithms.jsonl, made by drtrl-bench run algorithms
"""

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import drtrl_bench  # noqa: E402 (the package lies beside this folder)
from drtrl_bench.view import collapse  # noqa: E402

RECORDS = ROOT / "results" / "records" / "algorithms.jsonl"
USES = {
    "bptt": "the true gradient, where the sequence's history fits into memory",
    "bptt_checkpointed": "the true gradient in the least memory, where the sequence has an end",
    "bptt_native": "what the framework itself offers: its modules, its differentiation",
    "rtrl": "the true gradient online, in small networks",
    "drtrl": "online, in memory constant in T: the paper's algorithm",
    "drtrl, linear readout": "the same, with a readout that keeps nothing from step to step",
    "es_drtrl": "online, where even D-RTRL's trace is too large",
    "snap1": "as D-RTRL, in cells whose neurons act on themselves by a weight",
    "drtrl_window": "updates every K steps, with BPTT's gradient within them",
    "snap2": "online, with masked recurrent weights: as SnAp-1, with the neurons that a weight reaches in two steps",
    "eprop": "online, with a leaky readout: as D-RTRL, with the readout's leak in the traces",
    "ottt": "online, spiking: a trace per neuron instead of one per weight",
    "uoro": "what a random estimate of RTRL's influence gives",
    "random_feedback": "control: what learning signals by random weights give",
    "no_trace": "control: what the current step alone gives",
}
"""Rows in their order, and when to use each."""
BRACKETS = "of which brackets have the least and the greatest"
HEADERS = (
    "algorithm",
    "when to use it",
    "x BPTT time: JAX, PyTorch",
    "x BPTT memory: JAX, PyTorch",
    "hidden layer 1: cosine, norm",
    "hidden layer 2: cosine, norm",
    "readout: cosine, norm",
)


def ratio(value: float) -> str:
    """Return a ratio to two digits."""
    return f"{value:.3g}" if value >= 100 else f"{value:.2g}" if value >= 10 else f"{value:.2f}"


def agreement(row: dict[str, Any], layer: str) -> str:
    """Return the cosine and the norm ratio of a layer's gradient to BPTT's in float64."""
    cosine, norm = row[f"{layer}.cosine"], row[f"{layer}.norm_ratio"]
    return f"{cosine:.3f},\u00a0{norm:.2g}" if norm < 0.1 else f"{cosine:.3f},\u00a0{norm:.2f}"


def over_bptt(row: dict[str, Any], rounds: Any) -> str:
    """Return the time of a row over that of BPTT: the median of its rounds, and in brackets the least and the greatest.

    rounds: the rows of all rounds, with `x_time` by the clock and `x_cpu` by the processor's time.
    """
    own = rounds[rounds["case_key"] == row["case_key"]]
    values = next(own[kind] for kind in ("x_time", "x_cpu") if own[kind].median() == row["x_time"])
    least, most = ratio(values.min()), ratio(values.max())
    return ratio(row["x_time"]) + (f"\u00a0({least}\u2013{most})" if least != most else "")


def measured(frame: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the measured row of each algorithm and framework; the linear readout is named in the first."""
    found = {}
    for row in collapse.rounds(frame).to_dict("records"):
        name = row["algorithm"] + (", linear readout" if row["readout"] == "linear" else "")
        if row["status"] != "ok" or (name, row["framework"]) in found:
            raise SystemExit(f"{RECORDS.name}: needs one record with status ok of {name} in {row['framework']}")
        found[name, row["framework"]] = row
    return found


def alike(rows: list[dict[str, Any]], *fields: str) -> list[Any]:
    """Return what all rows have in these fields."""
    values = {tuple(row[field] for field in fields) for row in rows}
    if len(values) != 1:
        raise SystemExit(f"{RECORDS.name}: {', '.join(fields)} differ among the records: {sorted(map(str, values))}")
    return list(values.pop())


def caption(rows: list[dict[str, Any]]) -> str:
    """Return what all rows share: the network, the data, the machine, the versions and the commit."""
    cell, layers, neurons, batch, steps, dtype, threads = alike(
        rows, "cell", "layers", "neurons", "batch", "steps", "dtype", "threads"
    )
    data, synthetic, processor, cores, commit = alike(rows, "data", "synthetic", "processor", "cores", "commit")
    chunk = max(row["chunk"] for row in rows if row["chunk"] != steps)
    versions = alike(rows, "python_version", "jax_version", "torch_version")
    threads_said = f"{threads} thread" + "s" * (threads != 1)
    if any(row["x_doubtful"] for row in rows):
        raise SystemExit(f"{RECORDS.name}: times in doubt, of more than one thread: measure again on an idle machine")
    busy = any(row["doubtful"] for row in rows)
    (rounds,) = alike(rows, "rounds")
    quickest = ", ".join(sorted({f"`{row['x_of']}`" for row in rows}))
    timed = "the clock's" + ", where the machine was busy the processor's (`~` in `drtrl-bench show`)" * busy
    return (
        f"{data}{', synthetic data' * bool(synthetic)}, `{cell}`, {layers} hidden layers of {neurons} neurons, "
        f"B = {batch}, T = {steps}, K = {chunk} (BPTT: K = T), leaky readout where none is named, "
        f"x BPTT over the quickest BPTT ({quickest}), "
        f"{dtype}, {threads_said}. {processor}, {cores} core{'s' * (cores != 1)}, Python {versions[0]}, "
        f"jax {versions[1]}, torch {versions[2]}, commit {commit[:9]}. The times are {timed}"
        f"{f', and a ratio is the median of {rounds} rounds, {BRACKETS}' * (rounds > 1)}."
    )


def markdown(path: Path = RECORDS) -> str:
    """Return the table and its caption."""
    frame = drtrl_bench.load(path)
    by, rounds = measured(frame), collapse.against_bptt(frame)
    lines = [
        f"| {' | '.join(HEADERS)} |",
        f"|{'---|' * len(HEADERS)}",
    ]
    for name, use in USES.items():
        if name not in {algorithm for algorithm, _ in by}:  # records from before the algorithm was there
            continue
        jax, torch = by[name, "jax"], by[name, "torch"]
        seen = [agreement(jax, layer) for layer in ("layer0", "layer1", "readout")]
        if seen != [agreement(torch, layer) for layer in ("layer0", "layer1", "readout")]:
            raise SystemExit(f"{RECORDS.name}: the frameworks' gradients of {name} differ")
        time = f"{over_bptt(jax, rounds)}, {over_bptt(torch, rounds)}"
        memory = f"{ratio(jax['x_memory'])},\u00a0{ratio(torch['x_memory'])}"
        algorithm, comma, which = name.partition(",")
        lines.append("| " + " | ".join((f"`{algorithm}`{comma}{which}", use, time, memory, *seen)) + " |")
    return "\n".join([*lines, "", caption(list(by.values()))])


if __name__ == "__main__":
    print(markdown())
