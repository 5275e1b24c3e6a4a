"""Find how time and memory of rules on sparse weights grow with the number of synapses: exponents of power laws."""

from collections.abc import Callable
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

QUANTITIES = {
    "ms_per_step": "time of a step",
    "rss_peak_mib": "peak while chunks are timed",
    "beyond_mib": "its peak beyond the framework",
}
"""Quantities whose growth is told, with their names."""
COLUMNS = ("ms_per_step", "rss_peak_mib", "rss_before_mib")
"""Columns of a row that the quantities are made of."""
MEASURED_ON = ("cpu", "cores", "commit", "dirty", "versions")
"""Columns of a row that say where it is from."""


def exponent(sizes: ArrayLike, values: ArrayLike) -> float:
    """Return b of the power law value = c size^b, which fits best by least squares of the logarithms.

    Raises ValueError for fewer than two sizes, or for what has no logarithm.
    """
    x, y = np.asarray(sizes, float), np.asarray(values, float)
    if len(np.unique(x)) < 2 or not ((x > 0).all() and (y > 0).all()):
        raise ValueError(f"no exponent of {y.tolist()} at {x.tolist()}: it takes two sizes, and all above 0")
    log = np.log(x) - np.log(x).mean()
    return float(log @ np.log(y) / (log @ log))


def exponents(rows: list[dict[str, Any]], say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return, for each framework, rule, chunk and quantity, the exponent over the numbers of pairs; nothing for one.

    A quantity that has no exponent, as memory that was not measured, is left out after a line to `say`.
    """

    def series(row: dict[str, Any]) -> tuple[str, str, int]:
        return row["framework"], row["rule"], int(row["chunk"])

    grown = []
    for (framework, rule, chunk), group in groupby(sorted(rows, key=series), series):
        of_series = list(group)
        pairs = [int(row["pairs"]) for row in of_series]
        if len(set(pairs)) < 2:
            continue
        origin = {k: " ".join(dict.fromkeys(str(row[k]) for row in of_series)) for k in MEASURED_ON}
        values = {k: np.array([float(row[k] or "nan") for row in of_series]) for k in COLUMNS}
        values["beyond_mib"] = values["rss_peak_mib"] - values["rss_before_mib"]
        for quantity, name in QUANTITIES.items():
            found = {"framework": framework, "rule": rule, "chunk": chunk, "quantity": quantity, "name": name}
            found |= {"sizes": len(set(pairs)), "least_pairs": min(pairs), "most_pairs": max(pairs)}
            try:
                grown.append(found | {"exponent": exponent(pairs, values[quantity])} | origin)
            except ValueError as error:
                say(f"{rule}, {framework}: {name}: {error}")
    return grown
