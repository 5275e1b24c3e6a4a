"""Explains the columns and marks of a table, those that its rows have."""

from typing import Any

import pandas as pd

from drtrl_bench.view import cell_grid, cell_text, collapse
from drtrl_bench.view.caption import Frame

TIME = "gradient of the whole sequence by the clock: median, ± half its 95 % interval"
ROUNDS = "gradient of the whole sequence by the clock: median, ± range, of {} rounds"
SOME_ROUNDS = f"{TIME}; of cases with {{}} rounds, ± their range"
VECTOR = "its weights and biases as one vector: cosine, and norm over that of BPTT"
AGAIN = "measure this time again, on an idle machine, with run --again"
ONE_THREAD = f"trust cpu ms, from which x BPTT is taken here, or {AGAIN}"
THREADS = f"{AGAIN}, or with threads = 1, so that the processor's time can stand in"


def legend(rows: Frame) -> dict[str, str]:
    """Say what the columns and marks of collapsed rows mean."""
    every = rows.to_dict("records")
    return legend_of(every, cell_text.measured_columns(every))


def legend_of(every: list[dict[str, Any]], names: dict[str, str]) -> dict[str, str]:
    """Say what the columns and marks mean of collapsed rows with the measured columns `names`."""
    measured = [row for row in every if row["status"] == "ok"]
    doubtful = [row for row in measured if row["doubtful"]]
    ratios = [row for row in measured if row["x_doubtful"]]
    shown = {layer: title for layer, title in cell_text.layers(every).items() if cell_text.layer_column(layer) in names}
    first = next(iter(shown.values()), "")
    hidden = {"hidden": "the hidden layer", "layer 1": "each layer", "worst layer": "the layer with the lowest cosine"}
    old = any("*" in cell_text.agreement(row, name) for row in measured for name in shown)
    over = " (for x BPTT: of the case or of its BPTT)" if ratios else ""
    lines = {row["features"] for row in every}
    own = ", own: as many as the data set has" if 0 in lines and len(lines) > 1 else ""
    entries = {
        "name/n": (
            "n segments in a chunk: the states before each are stored, and each runs twice; without n "
            "bptt_checkpointed has the square root of K segments, and bptt_native none",
            any(row["segments"] for row in every),
        ),
        "L, N, B, I": (f"hidden layers, neurons in each, samples of a batch, input lines{own}", True),
        "auto": ("whether the cost model chose K", any(row["auto"] for row in every)),
        "K, T": ("the sequence has T steps, taken in chunks of K", True),
        "time ms": (time_meaning([row["rounds"] for row in measured]), len(measured) > 0),
        "cpu ms": ("the processor's time for the same gradient, summed over all threads", "cpu" in names),
        "x BPTT": (
            f"time and memory over those of {over_which(every)} on the same problem, in the same framework, "
            "round and run; empty if that run has no such BPTT",
            "x_time" in names,
        ),
        "MiB": ("working memory beyond the arguments", "memory" in names),
        first: (f"gradient of {hidden.get(first)} against float64 BPTT, {VECTOR}", first in hidden),
        "readout": (
            "the same for the readout"
            if "readout" in shown
            else f"not shown: its gradient is within {cell_text.INEXACT:.0%} of BPTT's in every row",
            "readout" in shown or len(cell_text.readout_errors(measured)) > 0,
        ),
        "*": ("for the layer's input weights alone, because older records lack the layer as a whole", old),
        "all": (
            "cosine and relative error of all weights as one vector, readout included: large gradients dominate it",
            "all" in names,
        ),
        "spk %": ("neurons that spike in a step", any(not pd.isna(row["firing_rate"]) for row in measured)),
        cell_grid.DOUBTFUL: (
            f"unstable samples or a busy machine{over}: {advice(doubtful or ratios)}",
            len(doubtful) + len(ratios) > 0,
        ),
        "noisy": (
            f"an interval or range above ± {collapse.NOISY:.0%}: not a result",
            any(row["spread"] > collapse.NOISY for row in measured),
        ),
    }
    return {key: meaning for key, (meaning, applies) in entries.items() if applies}


def over_which(every: list[dict[str, Any]]) -> str:
    """Name the BPTT over which costs are told; of several, with the letters that stand behind the ratios."""
    names = cell_text.bases(every)
    if len(names) > 1:
        names = [f"{letter}: {name}" for letter, name in zip(cell_text.LETTERS, names, strict=False)]
    return f"the quickest BPTT ({', '.join(names)})"


def time_meaning(rounds: list[int]) -> str:
    """Say what the times mean of rows with these numbers of rounds."""
    several = sorted({number for number in rounds if number > 1})
    if not several:
        return TIME
    numbers = str(several[0]) if len(several) == 1 else f"{several[0]} to {several[-1]}"
    return (SOME_ROUNDS if 1 in rounds else ROUNDS).format(numbers)


def advice(doubtful: list[dict[str, Any]]) -> str:
    """Say what to do about rows whose clock is in doubt."""
    threads = [row["threads"] for row in doubtful if not pd.isna(row["cpu_s"]) and row["device"] == "cpu"]
    return AGAIN if not threads else ONE_THREAD if max(threads) == 1 else THREADS
