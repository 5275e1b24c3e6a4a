"""Writes the captions of the figures, and the table of verdicts of all experiments."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from drtrl_bench import data
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
project's, and the last column has it. "Reproduced" and "not reproduced" are said only of the published size on the
published data. Elsewhere a claim holds "only at reduced size", or "not at reduced size": that neither proves nor
refutes it there, where the published settings were chosen. What the numbers leave open "cannot be judged here".
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


def outcome(rows: Any, holds: bool | None, full: bool = False) -> Outcome:
    """Return the verdict on a claim, the same way for all: docs/paper.md has the rule as a table.

    holds: whether the rows meet the limit of the claim; None if they cannot tell. full: whether the published numbers
    are those of every size, because they take seconds.
    """
    if holds is None:
        return "cannot be judged here"
    if (full or rows.attrs["size"] == "paper") and not stands_in(rows):
        return "reproduced" if holds else "not reproduced"
    return "only at reduced size" if holds else "not at reduced size"


def stands_in(rows: Any) -> bool:
    """Tell whether a synthetic data set takes the place of one that is published as files, or something else of others.

    The latter is `About.instead`. Numbers that the published code draws, too, stand for nothing else.
    """
    name = rows.attrs.get("experiment")
    if name in experiment.EXPERIMENTS and experiment.module(name).ABOUT.instead:
        return True
    if "dataset" not in rows:
        return False
    synthetic = rows.loc[rows["synthetic"].astype(bool), "dataset"].dropna().unique()
    return any(data.dataset(name).events for name in synthetic)


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
        for v in verdicts:
            lines.append((title, v.claim.text, v.claim.source, size, v.data or data, v.measured, v.outcome, v.why))
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
