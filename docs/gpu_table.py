"""Prints the table of a GPU's records in results/README.md: time and memory of each case, and both over BPTT's.

python docs/gpu_table.py              of results/records/gpu_h200.jsonl, measured at commit 2e77a99
"""

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import drtrl_bench  # noqa: E402 (the package lies beside this folder)
from drtrl_bench.figures import selection  # noqa: E402
from drtrl_bench.view import caption, cell_text, collapse  # noqa: E402

RECORDS = ROOT / "results" / "records" / "gpu_h200.jsonl"
PROBLEM = ["cell", "layers", "neurons", "batch", "features", "steps"]
ORDER = [*PROBLEM, "framework", "mode", "unroll", "algorithm", "trace_dtype", "chunk"]
HEADERS = (
    "network, T",
    "framework",
    "algorithm, K",
    "ms",
    "MiB",
    "x BPTT: time, memory",
    "hidden layer 1: cosine, norm",
)


def problem(row: dict[str, Any]) -> str:
    """Write the network, its inputs and the length of the sequence."""
    layers = f"{row['layers']} x " * (row["layers"] > 1)
    sizes = f"N = {layers}{row['neurons']}, B = {row['batch']}, I = {row['features']:,}, T = {row['steps']:,}"
    return f"`{row['cell']}`, {sizes}"


def way(row: dict[str, Any]) -> str:
    """Write the framework and how it runs the case."""
    return selection.way(row["framework"], row["mode"]) + f", unrolled by {row['unroll']}" * (row["unroll"] > 1)


def algorithm(row: dict[str, Any]) -> str:
    """Write the algorithm, the type of its trace where that is another one, and K."""
    stored = f", trace in {row['trace_dtype']}" * (row["trace_dtype"] != "same")
    length = "T" if row["chunk"] == row["steps"] else row["chunk"]
    return f"`{row['algorithm']}`{stored}, K = {length}"


def measured(row: dict[str, Any]) -> tuple[str, str, str, str]:
    """Write time, memory, both over BPTT's, and the agreement of the first hidden layer's gradient with BPTT's."""
    if row["status"] != "ok":
        return row["status"], "", "", ""
    time, memory = cell_text.digits(row["time_s"] * 1e3), cell_text.digits(row["working_bytes"] / 2**20)
    ratios = f"{cell_text.share(row['x_time'])}, {cell_text.share(row['x_memory'])}" * bool(row["x_of"])
    (cosine, mark), (norm, _) = (cell_text.layer_metric(row, "layer0", name) for name in ("cosine", "norm_ratio"))
    return time, memory, ratios, f"{cosine:.3f}{mark}, {cell_text.share(norm)}"


def markdown(path: Path = RECORDS) -> str:
    """Return the table and its caption."""
    rows = collapse.rounds(drtrl_bench.load(path))
    ordered = rows.sort_values(ORDER, kind="stable").to_dict("records")
    lines = [f"| {' | '.join(HEADERS)} |", f"|{'---|' * len(HEADERS)}"]
    before = ""
    for row in ordered:
        here = problem(row)
        cells = (here if here != before else "", way(row), algorithm(row), *measured(row))
        lines.append(f"| {' | '.join(cells)} |")
        before = here
    quickest = ", ".join(sorted({f"`{row['x_of']}`" for row in ordered if row["x_of"]}))
    data = ", ".join(sorted(rows["data"].unique()))
    over = (
        f"x BPTT: over the quickest BPTT ({quickest}) on the same problem, in the same framework, mode and run; empty "
        "if that run has no such BPTT"
    )
    starred = r"\*: of the layer's input weights alone, because these records lack the layer as a whole"
    parts = [f"{data}, {rows['dtype'].iloc[0]}", over, starred, *caption.machines(rows)]
    return "\n".join([*lines, "", f"{'. '.join(parts)}."])


if __name__ == "__main__":
    print(markdown(*map(Path, sys.argv[1:2])))
