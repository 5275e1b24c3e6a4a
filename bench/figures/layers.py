"""List the points of the fidelity figure: how well each layer's gradient agrees with float64 BPTT's."""

import re
from typing import Any

import numpy as np
import pandas as pd

from drtrl_bench.figures import selection
from drtrl_bench.view.caption import Frame

METRICS = {"cosine": "cosine", "norm_ratio": "norm / BPTT's norm", "error": "relative error"}
"""What is drawn of each layer, and the words on its axis."""
BOUNDS = [f"{end}_{metric}" for metric in METRICS for end in ("low", "high")]
"""Columns with the range of each metric over a layer's weights."""
OVERALL, READOUT = "all weights as one vector", "readout"


def points(frame: Frame) -> Frame:
    """Return a row for each layer of each case, and one for all weights as one vector.

    `part` names the layer and `depth` orders the layers of a case. `low_*` and `high_*` equal the value of a metric,
    unless a record describes single weights only: then the value is the median over the layer's weights, and they are
    the ends of the range. Raises NothingToDraw if no record has a gradient to compare.
    """
    cases = selection.measured(selection.points(frame), "error")
    deep = bool((cases["layers"] > 1).any())
    rows = [case | agreement for case in cases.to_dict("records") for agreement in agreements(case, deep)]
    layered = pd.DataFrame(rows, columns=[*cases.columns, "part", "depth", *BOUNDS])
    layered = selection.some(layered, frame, "cases with a gradient to compare, not all zero")
    layered.attrs = cases.attrs
    return layered


def agreements(case: dict[str, Any], deep: bool) -> list[dict[str, Any]]:
    """List the metrics of each layer of a case, the readout among them, and those of all weights as one vector.

    deep: whether the figure has cases of several hidden layers, so that each layer needs its number.
    """
    layers = case["per_layer"] if isinstance(case["per_layer"], dict) else None
    weights = case["per_parameter"] if isinstance(case["per_parameter"], dict) else {}
    names = list(layers or dict.fromkeys(weight.partition(".")[0] for weight in weights))
    rows: list[dict[str, Any]] = []
    for name in names:
        vectors = (
            [layers[name]]
            if layers
            else [metrics for weight, metrics in weights.items() if weight.partition(".")[0] == name]
        )
        row: dict[str, Any] = {"part": layer_title(name, deep), "depth": len(rows)}
        for metric in METRICS:
            values = [metrics[metric] for metrics in vectors if metrics.get(metric) is not None]
            row[metric] = float(np.median(values)) if values else np.nan
            row |= {f"low_{metric}": min(values, default=np.nan), f"high_{metric}": max(values, default=np.nan)}
        rows.append(row)
    bounds = {f"{end}_{metric}": case[metric] for metric in METRICS for end in ("low", "high")}
    return [*rows, {"part": OVERALL, "depth": len(rows)} | bounds]


def layer_title(name: str, deep: bool) -> str:
    """Spell a layer's name for a figure: "layer0" -> "hidden layer 1" if the figure has deep networks."""
    number = re.fullmatch(r"layer(\d+)", name)
    if not number:
        return name
    return f"hidden layer {int(number[1]) + 1}" if deep else "hidden layer"


def tick_title(title: str) -> str:
    """Shorten the title of a layer to fit below a tick."""
    return "all" if title == OVERALL else title.replace("hidden layer", "hidden")
