"""Summarizes trainings of several seeds: curves of one length, chosen rates, how far frameworks agree."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drtrl_bench.figures import selection
from drtrl_bench.paper.learning import training
from drtrl_bench.paper.measures import intervals
from drtrl_bench.view.caption import Frame

END = "rate at the end of the list"
DECAY_END = "decay at the end of the list"
DECAYING = "es_drtrl"
"""The rule that has a decay."""


def curves(rows: Frame, column: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the updates [points], and a column's curves [seeds, points]; after an early end the last value counts."""
    lists = [list(values) for values in rows.sort_values("seed")[column]]
    every = int(rows["every"].iloc[0])
    last = rows["until"].iloc[0] if "until" in rows and rows["until"].notna().all() else rows["updates"].iloc[0]
    points = int(last) // every
    filled = np.array([values + values[-1:] * (points - len(values)) for values in lists], float)
    return every * np.arange(1, points + 1), filled


def of_rule(rows: Frame, rule: str, condition: str | None = None, variant: str = "") -> Frame:
    """Return the trainings in JAX by a rule."""
    own = rows[(rows["framework"] == "jax") & (rows["rule"] == rule) & (rows["variant"] == variant)]
    return own if condition is None else own[own["condition"] == condition]


def of_chosen_decays(rows: Frame) -> Frame:
    """Leave the trainings out whose decay of ES-D-RTRL was not chosen, and keep what each decay is worth in `decays`.

    A decay is chosen as a rate is, in each condition, in JAX for both frameworks: by the mean of the merits of the rate
    that was taken with it, on the seeds of tuning. `decays`: of ES-D-RTRL's rows the pairs of decay and merit, by
    decay; of all others None.
    """
    decaying = rows["rule"] == DECAYING
    decays = rows["rule_options"].map(lambda options: options["decay"])
    tried: dict[str, dict[float, float]] = {}
    for (condition, decay), own in rows[decaying & (rows["framework"] == "jax")].groupby(["condition", decays]):
        tried.setdefault(str(condition), {})[float(decay)] = merit(own.iloc[0])
    chosen = {condition: max(merits, key=lambda decay: merits[decay]) for condition, merits in tried.items()}
    taken = rows[~decaying | (decays == rows["condition"].map(chosen))]
    pairs = [
        sorted(tried[row["condition"]].items()) if row["rule"] == DECAYING else None for _, row in taken.iterrows()
    ]
    return taken.assign(decays=pairs)


def merit(row: Any) -> float:
    """Return the mean of the merits of the rate that a training took, on all seeds of tuning (`training.merit`)."""
    index = row["rates"].index(row["rate"])
    merits = [row["worth"][index]]
    if (final := row["final"][index]) is not None:
        merits += [final] * (row["tunings"] - 1)
    return float(np.mean(merits))


def decays_tried(rows: Frame) -> str:
    """Say which decays of ES-D-RTRL were tried, and which is taken in each condition; "" if one alone was."""
    if "decays" not in rows or (own := rows[rows["decays"].notna()]).empty:
        return ""
    every = ", ".join(f"{decay:g}" for decay, _ in own["decays"].iloc[0])
    taken = [
        f"{each['rule_options'].iloc[0]['decay']:g} ({condition})"
        for condition, each in own.groupby("condition", sort=False)
    ]
    outer = ", ".join(f"{end.rate:g} ({end.condition})" for end in decay_ends(rows))
    return (
        f"decays of ES-D-RTRL {every} per step, none of which is published, each with all rates, chosen as the rates "
        f"are: {', '.join(taken)}; no other rule has so many trainings to choose by"
    ) + (f"; {DECAY_END}: {outer}" if outer else "")


def protocol(rows: Frame) -> str:
    """Say how the rules were trained."""
    job = rows.iloc[0]
    rates = ", ".join(f"{rate:g}" for rate in job["rates"])
    end = f", or until {100 * job['enough']:g} % of the validation trials are right" if job["enough"] else ""
    chosen = "; ".join(
        f"{selection.ALGORITHMS[str(rule)][0]} {' '.join(f'{rate:g}' for rate in sorted(own['rate'].unique()))}"
        for rule, own in rows[rows["variant"] == ""].groupby("rule", sort=False)
    )
    seeds = f"{job['tunings']} other {'seed' if job['tunings'] == 1 else 'seeds'}, {job['validated']} trials each"
    if job["tunings"] > 1:
        seeds += f", all rates in half a training on the first, its best {training.FINALISTS} whole on every other"
    several = rows["condition"].nunique() > 1
    outer = ", ".join(f"{each.name} {each.rate:g}" + f" ({each.condition})" * several for each in ends(rows))
    cut = f"norm of a gradient cut to {job['clip']:g}" if job["clip"] < 1e9 else "gradients not cut"
    return (
        f"{job['updates']} updates of {job['batch']} trials{end}; Adam, {cut}; "
        f"rates {rates} for every rule, chosen on validation data of {seeds}: {chosen}"
        f"{f'; {END}: {outer}' if outer else ''}{f'; {decays}' if (decays := decays_tried(rows)) else ''}; tested once"
    )


class End(NamedTuple):
    """A chosen rate, or decay, that is the lowest or the highest of its list: one beyond it may be better."""

    name: str
    """The rule's."""
    condition: str
    rate: float
    worth: float
    """Of a rate its mean validation accuracy on the first seed of tuning, of a decay that on all seeds of tuning."""
    beside: float
    """That of its neighbour in the list."""

    def __str__(self) -> str:
        return f"{self.name} {self.rate:g} (worth {self.worth:.3f}, the next {self.beside:.3f})"


def decay_ends(rows: Frame) -> list[End]:
    """List the chosen decays of ES-D-RTRL that are at an end of their list, by condition; none if one was tried."""
    if "decays" not in rows:
        return []
    at_end = []
    for condition, own in rows[rows["decays"].notna()].groupby("condition", sort=False):
        tried, taken = own["decays"].iloc[0], own["rule_options"].iloc[0]["decay"]
        for (decay, worth), (_, beside) in ((tried[0], tried[1]), (tried[-1], tried[-2])) if len(tried) > 1 else ():
            if decay == taken:
                at_end.append(End(selection.ALGORITHMS[DECAYING][0], str(condition), decay, worth, beside))
    return at_end


def ends(rows: Frame) -> list[End]:
    """List the chosen rates that are at an end of their list, by condition, rule and variant."""
    at_end = []
    for (condition, rule, variant), own in rows.groupby(["condition", "rule", "variant"], sort=False):
        chosen, name = own.iloc[0], selection.ALGORITHMS[str(rule)][0] + (f", {variant}" if variant else "")
        tried = sorted(zip(chosen["rates"], chosen["worth"], strict=True))
        outer = [(tried[0], tried[1]), (tried[-1], tried[-2])] if len(tried) > 1 else []
        for (rate, worth), (_, beside) in outer:
            if rate == chosen["rate"]:
                at_end.append(End(name, str(condition), rate, worth, beside))
    return at_end


def activity(rows: Frame) -> str:
    """Say how much the neurons spike after training, how many are silent, and how dense the inputs are."""
    least, most = (float(f"{100 * share:.2g}") for share in (rows["density"].min(), rows["density"].max()))
    density = f"{least:g} {f'to {most:g} ' * (most > least)}% of the inputs not 0"
    if rows["rate_per_step"].isna().all():
        return f"no spikes in this cell; {density}"
    spikes, silent = (intervals.of_column(rows, name) for name in ("rate_per_step", "silent"))
    return f"after training, spikes of a neuron per step {spikes}, share of silent neurons {silent}; {density}"


def agreement(rows: Frame) -> str:
    """Say how far the frameworks are apart, in the validations of trainings that both ran."""
    both = pairs(rows)
    if not both:
        return "PyTorch was not run"
    loss = max(float(np.abs(np.subtract(a["loss"][:n], b["loss"][:n])).max()) for a, b, n in both)
    first = max(abs(a["loss"][0] - b["loss"][0]) for a, b, n in both)
    right = max(float(np.abs(np.subtract(a["valid_accuracy"][:n], b["valid_accuracy"][:n])).max()) for a, b, n in both)
    most = max(n for *_, n in both) * int(rows["every"].iloc[0])
    return (
        f"JAX and PyTorch, float32, {len(both)} trainings of seed 0, {most} updates: training losses differ by "
        f"{first:.1e} at most in the first interval, {loss:.1e} in all; validation accuracies by {100 * right:.2g} %"
    )


def pairs(rows: Frame) -> list[tuple[Any, Any, int]]:
    """List the trainings that both frameworks ran, with the number of validations that both have."""
    both = []
    for _, twin in rows[rows["framework"] == "torch"].iterrows():
        own = of_rule(rows, twin["rule"], twin["condition"], twin["variant"])
        for _, ours in own[own["seed"] == twin["seed"]].iterrows():
            both.append((ours, twin, min(len(ours["loss"]), len(twin["loss"]))))
    return both
