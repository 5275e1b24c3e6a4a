"""Write the tables of REPRODUCTION.md: what came of the abstract, what was run, and a verdict on every claim."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from drtrl_bench.paper import abstract, listing, lost, sizes
from drtrl_bench.paper.drawing import names as drawing
from drtrl_bench.paper.experiment import IN_SHORT, Verdict
from drtrl_bench.paper.report import datasets, outcome, stands_in
from drtrl_bench.view import caption, display

FILE = "REPRODUCTION.md"
Judged = tuple[str, Any, list[Verdict]]
"""An experiment's name, its rows or None if it was not run, and its verdicts."""
NOT_RUN = "not run"
INTRODUCTION = """# The paper's claims, and what came of them here

Written by `drtrl-bench reproduce` from the records of the experiments; do not edit. How to run them: docs/paper.md.

A claim is a sentence of the paper, a reading of one [guess], or what the code published with it takes for granted:
its source says which. No value of the paper is compared with: of nearly all quantities none was found. Of the network
of experiment 2.9, public notes quote 8.9 GB for ES-D-RTRL and more than 32 GB for BPTT and D-RTRL [2nd-hand], at a
size that is not run here. No experiment rests on recordings of the published data sets unless the table of what was
run names them without "layout": the rest is synthetic, or, for N-MNIST, scanned digits that a program turned into
events.

"Reproduced" and "not reproduced" are said only of the published protocol, at the published size, on the published
data. Elsewhere a claim holds "only at reduced size", or "not at reduced size": that neither proves nor refutes it
there, where the published settings were chosen. What the numbers leave open "cannot be judged here".

An interval is the 95 % one of the median. It is of a bootstrap over seeds and over the samples of each; of a
training, over seeds and over the trials that its test might have had instead; of a time, over processes and the seeds
of each. Bytes are counted and have none. The limits are this project's.

The numbers of experiments, 2.1 to 2.11, are this project's; the paper has others. "beyond 1" and "beyond 2" are on
questions that the paper does not ask: they have figures, and no claim to judge. ES-D-RTRL is also called pp-prop, by
the paper and its code. "No trace" and "random feedback" are controls: the one takes the gradient of each step's loss
through that step alone, and gives no credit over time; the other is D-RTRL with the error of the readout sent back to
hidden layers by fixed random weights. What a learning rate is "worth" is the mean of the validation accuracies during
half of a training with it, on a seed for this choice alone; the best two are then trained whole on another one.
"Open" in the first table is "cannot be judged here" in the last. Where no decay of ES-D-RTRL is published, several are
tried, each with all rates, and validation chooses among them.

Other words: "as published" is the protocol of the published code, "corrected" what is measured in its place, as the
claim's words ask; figures describe both where the two differ. "Single-step VJP": a step's learning signal reaches
hidden layers through the weights between layers alone; "multi-step": through the recurrent weights of that step, too.
A rank k of ES-D-RTRL is the decay (k - 1) / (k + 1) per step of its filters. A chunk is K steps whose gradient is
computed at once. A rule's norm ratio is the norm of its gradient over that of BPTT's: a cosine says nothing of it,
and with a leaky readout that of every online rule here is small: none follows a loss back through the readout's
state, which is one cause and need not be the only one. T is the steps of a sequence, N the neurons of a layer, ff and
rec the strengths of input and recurrent weights, D the part of the hidden Jacobian J within neurons. The models, as
alif_stp, are LIF or adaptive LIF neurons (alif) with delta (delta), exponential (expcu), depressing (std) or
facilitating and depressing synapses (stp); their states are the potential V, the synaptic current g, the adaptation
a, and of a synapse the resources x and their use u. Sources: [code] the published code, [page] the paper's pages,
[2nd-hand] what others write of it, [guess] this project's reading. The "preprint's version" is its code of before the
paper.
"""
ABSTRACT = ("the abstract says", "rows", "does it stand here?", "size run", "core-seconds of the experiments")
RUN = (
    "no.",
    "experiment",
    "figures, in figures/paper",
    "data",
    "size, and in brackets as published",
    "core-seconds",
    "an update of a training",
)
CLAIMS = ("row", "no.", "claim", "verdict", "measured", "limit, and what else", "source of the claim")


def judge(name: str, rows: Any) -> list[Verdict]:
    """Judge the claims of an experiment; a yes that jobs which ran out of memory might turn is left open."""
    module = listing.module(name)
    if not rows.empty:
        return [weighed(rows, reasoned(rows, verdict)) for verdict in module.verdicts(rows)]
    why = f"ran out of memory at {lost.where(rows)}"
    return [
        Verdict(claim, outcome(rows, None), "nothing was measured", why, open_as="its jobs ran out of memory")
        for claim in module.ABOUT.claims.values()
    ]


def reasoned(rows: Any, verdict: Verdict) -> Verdict:
    """Give a verdict that is open, and does not say why, the reason that `limits.within` has."""
    if verdict.outcome != outcome(rows, None) or verdict.open_as:
        return verdict
    return replace(verdict, open_as="what was measured lies on both sides of the limit, or is undefined")


def weighed(rows: Any, verdict: Verdict) -> Verdict:
    """Say in a verdict which of its jobs ran out of memory: a no of the others stands, a yes does not."""
    study = verdict.claim.study
    if not (where := lost.where(rows, [study] if study else ())):
        return verdict
    verdict = replace(verdict, why=f"ran out of memory at {where}; {verdict.why}")
    if verdict.outcome != outcome(rows, True):
        return verdict
    return replace(verdict, outcome=outcome(rows, None), open_as="some jobs ran out of memory")


def table(judged: Iterable[Judged]) -> str:
    """Write the tables: what came of the abstract, how each experiment was run, every claim, and the machines."""
    judged = list(judged)
    lines = claims(judged)
    machines: dict[str, None] = {}
    for name, rows, _ in judged:
        if rows is not None:
            older = rows.attrs.get("older", 0)
            note = f"; {older} of {rows.attrs['jobs']} results are of older code than is here" if older else ""
            where = caption.machines(rows)
            machines |= dict.fromkeys(f"{name}: records {rows.attrs['results']}; {text}{note}" for text in where)
    made = "\n".join(f"- {display.shown(line)}" for line in machines)
    parts = [
        INTRODUCTION,
        "## What the abstract says\n",
        f"{reduced(rows for _, rows, _ in judged)}The seconds are those of whole experiments, so that lines of the "
        "table share\nthem: they do not add up.\n",
        markdown(ABSTRACT, abstract.lines(judged, [(*line[:3], in_short(line[3])) for line in lines])),
        "## What was run\n",
        "One core-second is a second of one hardware thread, compilation and the choice of rates among it. The time of "
        "an update is\nthe median in JAX, memory the peak of its gradient beyond weights and batch, at the greatest T; "
        "other work on the machine\nmay have stretched the times of trainings.\n",
        markdown(RUN, (run(name, rows) for name, rows, _ in judged)),
        "## Every claim\n",
        markdown(CLAIMS, lines),
        f"## Measured on\n\n{made or '- nothing was run'}\n",
    ]
    return "\n".join(parts)


def claims(judged: list[Judged]) -> list[tuple[str, ...]]:
    """List a line for each verdict, and for each claim of an experiment that was not run; numbered."""
    lines: list[tuple[str, ...]] = []
    for name, rows, verdicts in judged:
        about = listing.module(name).ABOUT
        if rows is None:
            again = f"drtrl-bench reproduce {name}"
            lines += [(about.section, c.text, NOT_RUN, "", again, c.source) for c in about.claims.values()]
            continue
        every = datasets(rows)
        for v in verdicts:
            of = f"{v.data}: " if v.data and v.data != every else ""
            outcome_cell = f"{v.outcome}: {v.open_as}" if v.open_as else v.outcome
            lines.append((about.section, v.claim.text, outcome_cell, of + v.measured, v.why, v.claim.source))
    return [(str(number), *line) for number, line in enumerate(lines, 1)]


def reduced(every: Iterable[Any]) -> str:
    """Say that nothing was run at the published size on the published data, if so."""
    if any(rows is not None and rows.attrs["size"] == "paper" and not stands_in(rows) for rows in every):
        return ""
    return "No claim was judged at the published size on the published data, and what that costs is not known. "


def in_short(verdict: str) -> str:
    """Return what a verdict is called in the table of the abstract's phrases, with what leaves it open."""
    word, _, open_as = verdict.partition(": ")
    return IN_SHORT.get(word, word) + (f", as {open_as}" if open_as else "")


def run(name: str, rows: Any) -> tuple[str, ...]:
    """Return the line of an experiment: on which data it was run, at which size, and what it took."""
    about = listing.module(name).ABOUT
    title = f"`{name}`: {about.title}"
    if rows is None:
        return about.section, title, "", "", NOT_RUN, "", ""
    took = f"{rows.attrs['cpu_s']:.0f}, {rows.attrs['jobs']} jobs"
    if lacking := lost.where(rows):
        took += f"; out of memory: {lacking}"
    figures = ", ".join(f"`{figure}.png`" for figure in drawing.names(name, rows))
    return about.section, title, figures, datasets(rows), sizes.told(name, rows), took, sizes.update(rows)


def markdown(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Write lines of text as a table in Markdown."""
    every = [header, ("---",) * len(header), *lines]
    return "".join(f"| {' | '.join(cell(text) for text in line)} |\n" for line in every)


def cell(text: str) -> str:
    """Write text as a cell of a table in Markdown."""
    return display.shown(text).replace("|", r"\|")


def write(folder: Path, judged: Iterable[Judged]) -> Path:
    """Write the tables of verdicts into a folder, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    path.write_text(table(judged), encoding="utf-8")
    return path
