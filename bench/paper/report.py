"""Writes the captions of the figures, and the table of verdicts of all experiments."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from drtrl_bench.paper import experiment
from drtrl_bench.paper.experiment import Outcome, Verdict
from drtrl_bench.paper.measures import intervals
from drtrl_bench.view import caption, display

FILE = "REPRODUCTION.md"
HEADER = ("experiment", "claim", "source of the claim", "size run", "data", "measured", "verdict", "why")
INTRODUCTION = """# The paper's claims, and what came of them here

Written by `drtrl-bench reproduce` from the records of the experiments; do not edit. How to run them: docs/paper.md.

A claim is a sentence of the paper, or what the code published with it takes for granted; its source says which. No
value of the paper is compared with, because its values of these quantities were not found. An interval is the 95 % one
of the median, of a bootstrap over seeds and over the samples of each. Where a verdict needs a limit, the limit is this
project's, and the last column has it. A claim that is not reproduced at reduced size, or on synthetic data, missed that
limit here; the published settings were chosen on the genuine data, so this does not refute it there.
"""


def datasets(rows: Any) -> str:
    """Name the data of the rows; synthetic data are called so, whatever their label."""
    names = []
    for label, synthetic in rows[["data", "synthetic"]].drop_duplicates().itertuples(index=False):
        names.append(label if not synthetic or "synthetic" in label else f"{label} (synthetic)")
    return ", ".join(names)


def footer(rows: Any, *said: str) -> list[str]:
    """Write a caption: what the figure says of itself, the data, which records it is of, and their machine."""
    of = rows.attrs
    jobs = f"{of['jobs']} job{'s' * (of['jobs'] != 1)}, {of['seeds']} seeds"
    identity = f"records {of['results']} of {of['experiment']} at size {of['size']}: {jobs}"
    return [*said, f"data: {datasets(rows)}", identity, *caption.machines(rows)]


def activity(rows: Any) -> str:
    """Say how much the neurons of the rows spiked, and how dense their inputs are, as every cosine depends on both."""
    rates = intervals.of_column(rows, "rate")
    silent = f"{int((rows['rate'] == 0).sum())} of {len(rows)} samples silent"
    density = f"{100 * rows['density'].min():.2g} to {100 * rows['density'].max():.2g} % of the inputs not 0"
    return f"firing rate {rates.median:.1f} [{rates.low:.1f}, {rates.high:.1f}] Hz, {silent}; {density}"


def outcome(rows: Any, holds: bool) -> Outcome:
    """Return the verdict on a claim that was measured on recordings; it is full only at the paper's size on these."""
    if not holds:
        return "not reproduced"
    return "reproduced" if rows.attrs["size"] == "paper" and not rows["synthetic"].any() else "only at reduced size"


def table(judged: Iterable[tuple[str, Any, list[Verdict]]]) -> str:
    """Write the table: for each experiment its name, its rows or None if it was not run, and its verdicts."""
    lines = [HEADER, ("---",) * len(HEADER)]
    machines: dict[str, None] = {}
    for name, rows, verdicts in judged:
        about = experiment.module(name).ABOUT
        title = f"{about.section} {about.title}"
        if rows is None:
            reason = f"drtrl-bench reproduce {name}"
            lines += [(title, c.text, c.source, "none", "", "", "not run", reason) for c in about.claims.values()]
            continue
        size, data = rows.attrs["size"], datasets(rows)
        lines += [(title, v.claim.text, v.claim.source, size, data, v.measured, v.outcome, v.why) for v in verdicts]
        machines |= dict.fromkeys(f"{name}: records {rows.attrs['results']}; {text}" for text in caption.machines(rows))
    body = "\n".join(f"| {' | '.join(cell(text) for text in line)} |" for line in lines)
    made = "\n".join(f"- {display.shown(line)}" for line in machines)
    return f"{INTRODUCTION}\n{body}\n\nMeasured on:\n\n{made or '- nothing was run'}\n"


def cell(text: str) -> str:
    """Write text as a cell of a table in Markdown."""
    return display.shown(text).replace("|", r"\|")


def write(folder: Path, judged: Iterable[tuple[str, Any, list[Verdict]]]) -> Path:
    """Write the table of verdicts into a folder, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    path.write_text(table(judged), encoding="utf-8")
    return path
