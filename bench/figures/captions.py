"""Writes a figure's caption: problem, data, machine, and what was not measured."""

import textwrap

from drtrl_bench.view import caption
from drtrl_bench.view.caption import Frame

ENDINGS = {"skip": "skipped", "wrong": "failed its check", "oom": "out of memory", "timeout": "over the time limit"}
UNLIKE = "each panel has its own scale: compiled JAX and eager PyTorch are no comparison of the frameworks"


def footer(rows: Frame, *said: str) -> list[str]:
    """The caption: problem and data, machine, what else is to say, and what is missing."""
    first = shared(rows) + (f" · K = {rows['chunk'].iloc[0]}" if rows["chunk"].nunique() == 1 else "")
    return [first, *(text for text in said if text), *caption.machines(rows), *missing(rows)]


def shared(rows: Frame) -> str:
    """The problem and its data, in words; synthetic data are called so, whatever their label."""
    made = sorted(
        {str(label) for label, synthetic in zip(rows["data"], rows["synthetic"], strict=True) if synthetic is True}
    )
    unsaid = [label for label in made if "synthetic" not in label]
    return caption.shared(rows) + (f" · synthetic data: {', '.join(unsaid)}" if unsaid else "")


def missing(rows: Frame, limit: int = 6) -> list[str]:
    """A line for each line of the figure that has gaps: which lengths, and how they ended."""
    gaps = []
    failed = rows[rows["status"] != "ok"].drop_duplicates(["case_key", "setup"])
    for (panel, line, name, status), group in failed.groupby(["panel", "line", "way", "status"], sort=False):
        lengths = ", ".join(str(T) for T in sorted(group["steps"].unique()))
        what = f"{line}, {name}, T = {lengths}: {ENDINGS.get(status, status)}"
        gaps.append(f"not measured: {panel} · {what}" if panel else f"not measured: {what}")
    more = [f"and {len(gaps) - limit} more lines like these; the table has them all, with reasons"]
    return [textwrap.shorten(gap, 200, placeholder=" …") for gap in gaps[:limit]] + more * (len(gaps) > limit)
