"""Say of an experiment's rows what captions and verdicts need: data, records, activity, and the outcome of a claim."""

import math
from collections.abc import Mapping
from typing import Any

from drtrl_bench import data
from drtrl_bench.paper import lost
from drtrl_bench.paper.experiment import Outcome
from drtrl_bench.paper.measures import intervals
from drtrl_bench.view import caption


def datasets(rows: Any) -> str:
    """Name the data of the rows; synthetic data are called so, whatever their label."""
    names = []
    for label, synthetic in rows[["data", "synthetic"]].drop_duplicates().itertuples(index=False):
        names.append(label if not synthetic or "synthetic" in label else f"{label} (synthetic)")
    return ", ".join(names)


def footer(rows: Any, *notes: str) -> list[str]:
    """Write a caption: what the figure says of itself, the data, which records it is of, and their machine.

    And which jobs of its studies it lacks, as they ran out of memory.
    """
    of = rows.attrs
    if lacking := lost.where(rows, rows["study"].fillna("").unique() if "study" in rows else ()):
        notes = (f"left out, as it ran out of memory: {lacking}", *notes)
    jobs = f"{of['jobs']} job{'s' * (of['jobs'] != 1)}, {of['seeds']} seeds"
    identity = f"records {of['results']} of {of['experiment']} at size {of['size']}: {jobs}"
    return [*notes, f"data: {datasets(rows)}", identity, *caption.machines(rows)]


NETWORK = ("study", "framework", "dataset", "steps", "cell", "readout", "layers", "neurons", "rec", "ff", "strength")
"""Of a job, what tells networks apart that read the same samples."""


def activity(rows: Any) -> str:
    """Say how much the neurons of the rows spiked, and how dense their inputs are, as every cosine depends on both.

    A sample of a network counts once, of however many layers, states or rules it has rows.
    """
    if rows.empty:
        return "nothing was measured"
    rows = samples(rows)
    rates = intervals.of_column(rows, "rate")
    silent = f"{int((rows['rate'] == 0).sum())} of {len(rows)} samples silent"
    density = f"{100 * rows['density'].min():.2g} to {100 * rows['density'].max():.2g} % of the inputs not 0"
    return f"firing rate {rates.median:.1f} [{rates.low:.1f}, {rates.high:.1f}] Hz, {silent}; {density}"


def samples(rows: Any) -> Any:
    """Return a row for each sample of each network."""
    return rows.drop_duplicates([name for name in (*NETWORK, "seed", "sample") if name in rows])


def rates(settings: Mapping[str, Any], medians: Mapping[str, float]) -> str:
    """Say the median firing rate where the median cosine is least and greatest, and in how many settings it is 0.

    settings: the rows of each setting, by its name; medians: its median cosine, which is nan if none is defined.
    """
    hertz = {name: float(intervals.median(samples(own)["rate"].to_numpy(float))) for name, own in settings.items()}
    defined = [name for name, value in medians.items() if not math.isnan(value)]
    if not defined:
        return "no cosine is defined"
    least, most = (pick(defined, key=lambda name: medians[name]) for pick in (min, max))
    silent = sum(rate == 0 for rate in hertz.values())
    return (
        f"median firing rate of the network {hertz[least]:.2g} Hz where the cosine is least, {hertz[most]:.2g} Hz "
        f"where it is greatest, 0 Hz in {silent} of {len(hertz)} settings"
    )


def outcome(rows: Any, holds: bool | None) -> Outcome:
    """Return the verdict on a claim, the same way for all: docs/paper.md has the rule as a table.

    holds: whether the rows meet the limit of the claim; None if they cannot tell.
    """
    if holds is None:
        return "cannot be judged here"
    if rows.attrs["size"] == "paper" and not stands_in(rows):
        return "reproduced" if holds else "not reproduced"
    return "only at reduced size" if holds else "not at reduced size"


def stands_in(rows: Any) -> bool:
    """Tell whether other files take the place of a data set that is published as files, or something else of others.

    The latter is `About.instead`. Only the published recordings have the data set's own name. Numbers that the
    published code draws, too, stand for nothing else.
    """
    if rows.attrs.get("instead"):
        return True
    if "dataset" not in rows:
        return False
    for name, label in rows[["dataset", "data"]].dropna().drop_duplicates().itertuples(index=False):
        if (events := data.dataset(name).events) and label != events.published.name:
            return True
    return False
