"""Says in words at which size an experiment was run, beside the published one, and what it took."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from drtrl_bench.figures import selection
from drtrl_bench.paper import listing

OURS = {"twin", "twins", "samples_of_twins", "every", "seeds", "tunings", "threads", "passes", "budget_s", "rules"}
"""Of a size, what is this project's way to measure and no number of the paper's."""
WORDS = {
    "lengths": "T",
    "steps": "T",
    "neurons": "N",
    "layers": "layers",
    "features": "input lines",
    "batch": "trials in a batch",
    "samples": "samples of a seed",
    "sizes": "N of the sweep",
    "factors": "factors of the strengths",
    "swept": "data of the sweeps",
    "neurons_swept": "N of the sweeps over strengths",
    "samples_swept": "samples of the sweeps",
    "ranks": "ranks k",
    "ranks_deep": "ranks k in deep networks",
    "warm_ups": "shares of the steps without loss",
    "depths": "layers of deep networks",
    "samples_deep": "samples of deep networks",
    "shares": "shares of neurons near the threshold",
    "R": "outer products in a sum",
    "m": "rows of an outer product",
    "n": "columns of an outer product",
    "most_p": "largest p",
    "cells_p": "values of p",
    "least_sigma": "least sigma",
    "most_sigma": "largest sigma",
    "cells_sigma": "values of sigma",
    "lags": "delays or lags in steps",
    "delays": "delays in ms",
    "lag": "lag of copying in steps",
    "delay": "delay in ms",
    "ms": "ms of a step",
    "strengths": "strengths of a synapse besides the published",
    "partners": "partners of a neuron",
    "neuropils": "neuropils",
    "chunk": "steps of a chunk",
    "updates": "updates of a training",
    "rates": "learning rates",
    "rate": "learning rate",
    "held_out": "trials of validation and of the test, no more than",
    "decay": "decay of ES-D-RTRL",
    "decays": "decays of ES-D-RTRL",
    "pooled": "neighbouring input lines that are one",
    "batches": "batches as published",
    "widths": "factors of the width",
    "device": "device",
    "twin": "updates in PyTorch",
}
"""What the numbers of a size are called in the table."""
SIGNS = {"T": "steps", "N": "neurons"}
"""What is told whether it is the published one or not, and the column of the rows that has it."""
MIB, MS = 2.0**20, 1e-3


def told(name: str, rows: Any) -> str:
    """Say T and N, and the other numbers of the size of the rows that are not the published ones: these in brackets.

    T and N are those of the size, or of the rows where a size does not have them, as where data decide.
    """
    module, size = listing.module(name), rows.attrs["size"]
    here, there = module.SIZES[size], module.SIZES["paper"]
    signs, others, differs = spans(rows), [], False
    for field in fields(there):
        if field.name in OURS:
            continue
        own = shown(getattr(here, field.name))
        if other := getattr(here, field.name) != getattr(there, field.name):
            own += f" ({shown(getattr(there, field.name))})"
        differs |= other
        if (sign := WORDS.get(field.name)) in SIGNS:
            signs[sign] = own
        elif other:
            others.append(f"{WORDS[field.name]} {own}")
    numbers = ", ".join([*(f"{sign} = {signs[sign]}" for sign in SIGNS if sign in signs), *others])
    return "; ".join(filter(None, (numbers, "" if differs else "the published numbers", trials(rows))))


def trials(rows: Any) -> str:
    """Say on how many trials rates were chosen and trainings tested; "" if nothing is trained.

    They may be fewer than a size asks for: no more than there are recordings. The steps of a trial count once.
    """
    if "validated" not in rows or rows["tested"].isna().all():
        return ""
    told = {name: int(min(rows[name].max(), rows["held_out"].max())) for name in ("validated", "tested")}
    return f"in fact {told['validated']} trials of validation and {told['tested']} of the test"


def brief(rows: Any) -> str:
    """Say the numbers of steps and neurons of the rows, and by what these are multiplied to count what is carried."""
    wider = f", times {span(rows['width'])} for what is carried" if "width" in rows else ""
    return ", ".join(f"{sign} = {values}" for sign, values in spans(rows).items()) + wider


def spans(rows: Any) -> dict[str, str]:
    """Return the numbers of steps and neurons of the rows, in words by sign."""
    return {sign: span(rows[name]) for sign, name in SIGNS.items() if name in rows and rows[name].notna().any()}


def span(values: Any) -> str:
    """Say the least and the most of a column."""
    least, most = values.min(), values.max()
    return f"{least:g}" if least == most else f"{least:g} to {most:g}"


def shown(value: Any) -> str:
    """Write a value of a size in words: of several numbers the least and the most; what is the same for all, once."""
    if isinstance(value, Mapping):
        told = {key: shown(each) for key, each in value.items()}
        same = len(told) > 1 and len(set(told.values())) == 1
        return next(iter(told.values())) if same else ", ".join(f"{key} {each}" for key, each in told.items())
    if isinstance(value, tuple) and value and all(isinstance(each, int | float) for each in value):
        return " to ".join(f"{each:g}" for each in sorted({min(value), max(value)}))
    if isinstance(value, tuple):
        return " ".join(map(shown, value)) or "none"
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def update(rows: Any) -> str:
    """Say what an update of a training takes by each rule, in JAX at the greatest T; "" if nothing is trained."""
    if "seconds_per_update" not in rows:
        return ""
    own = rows[(rows["framework"] == "jax") & (rows["variant"] == "")]
    own = own[own["steps"] == own["steps"].max()]
    costs = own.groupby("rule", sort=False)[["seconds_per_update", "working_bytes"]].median()
    return "; ".join(
        f"{selection.ALGORITHMS[str(rule)][0]} {cost['seconds_per_update'] / MS:.3g} ms, "
        f"{cost['working_bytes'] / MIB:.3g} MiB"
        for rule, cost in costs.iterrows()
    )
