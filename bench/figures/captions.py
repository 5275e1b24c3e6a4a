"""Write a figure's caption: problem, data, machine, and what was not measured."""

import textwrap

from drtrl_bench.view import caption
from drtrl_bench.view.caption import Frame

ENDINGS = {"skip": "skipped", "wrong": "failed its check", "oom": "out of memory", "timeout": "over the time limit"}
WHY_APART = "because compiled JAX against eager PyTorch would not compare the frameworks"
OWN_SCALES = f"each panel has its own scale, {WHY_APART}"


def footer(rows: Frame, *said: str) -> list[str]:
    """Write the caption: problem and data, the lines of `said` that are not empty, machine, and what is missing."""
    first = shared(rows) + (f" · K = {rows['chunk'].iloc[0]}" if rows["chunk"].nunique() == 1 else "")
    return [first, *(text for text in said if text), *caption.machines(rows), *missing(rows)]


def shared(rows: Frame) -> str:
    """Write the problem and its data in words; synthetic data are called so, whatever their label."""
    labels = {str(label) for label, synthetic in zip(rows["data"], rows["synthetic"], strict=True) if synthetic is True}
    unsaid = sorted(label for label in labels if "synthetic" not in label)
    return caption.shared(rows) + (f" · synthetic data: {', '.join(unsaid)}" if unsaid else "")


def missing(rows: Frame, limit: int = 6) -> list[str]:
    """Write a line for each curve of the figure that has gaps: the lengths T that are missing, and the reason."""
    gaps = []
    failed = rows[rows["status"] != "ok"].drop_duplicates(["case_key", "setup"])
    for (panel, line, name, status), group in failed.groupby(["panel", "line", "way", "status"], sort=False):
        lengths = ", ".join(str(T) for T in sorted(group["steps"].unique()))
        what = f"{line}, {name}, T = {lengths}: {ENDINGS.get(status, status)}"
        gaps.append(f"not measured: {panel} · {what}" if panel else f"not measured: {what}")
    more = [f"and {len(gaps) - limit} more lines like these; the table has them all, with reasons"]
    return [textwrap.shorten(gap, 200, placeholder=" …") for gap in gaps[:limit]] + more * (len(gaps) > limit)
