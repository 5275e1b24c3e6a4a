"""Finds how time and memory of rules on sparse weights grow with the number of synapses: exponents of power laws."""

from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

QUANTITIES = {
    "ms_per_step": "time of a step",
    "rss_peak_mib": "peak of the process",
    "beyond_mib": "its peak beyond the framework",
}
"""Columns whose growth is told, with their names; the last is made of two."""


def exponent(sizes: ArrayLike, values: ArrayLike) -> float:
    """Return b of the power law value = c size^b, which fits best by least squares of the logarithms.

    Raises ValueError for fewer than two sizes, or for what has no logarithm.
    """
    x, y = np.asarray(sizes, float), np.asarray(values, float)
    if len(np.unique(x)) < 2 or not ((x > 0).all() and (y > 0).all()):
        raise ValueError(f"no exponent of {y.tolist()} at {x.tolist()}: it takes two sizes, and all above 0")
    log = np.log(x) - np.log(x).mean()
    return float(log @ np.log(y) / (log @ log))


def exponents(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return, for each framework, rule, chunk and quantity, the exponent over the numbers of pairs; nothing for one."""

    def series(row: dict[str, Any]) -> tuple[str, str, int]:
        return row["framework"], row["rule"], int(row["chunk"])

    grown = []
    for (framework, rule, chunk), group in groupby(sorted(rows, key=series), series):
        of_series = list(group)
        pairs = [int(row["pairs"]) for row in of_series]
        if len(set(pairs)) < 2:
            continue
        beyond = [float(row["rss_peak_mib"]) - float(row["rss_before_mib"]) for row in of_series]
        for quantity, name in QUANTITIES.items():
            values = beyond if quantity == "beyond_mib" else [float(row[quantity]) for row in of_series]
            found = {"framework": framework, "rule": rule, "chunk": chunk, "quantity": quantity, "name": name}
            found |= {"sizes": len(set(pairs)), "least_pairs": min(pairs), "most_pairs": max(pairs)}
            grown.append(found | {"exponent": exponent(pairs, values)})
    return grown
