"""Writes the measured values of a collapsed row as text, by column."""

import math
from typing import Any

import pandas as pd

from drtrl_bench.view import cell_grid, collapse, display
from drtrl_bench.view.caption import Frame
from drtrl_bench.view.cell_grid import Cell

INEXACT = 0.01
"""The readout has a column if the relative error of its gradient is above this in some row."""
EACH_LAYER = 4
"""Up to this number of hidden layers each has a column; of more, the one with the lowest cosine is shown."""

COST = {"time": "time\nms", "cpu": "cpu\nms", "x_time": "x\nBPTT", "memory": "\nMiB", "x_memory": "x\nBPTT"}
LETTERS = "abcdefghijklmnopqrstuvwxyz"
"""Behind a ratio to BPTT, for the implementation of BPTT that it is over."""
FIDELITY = {"all": "all\ncos", "error": "all\nerr", "spikes": "spk\n%"}
"""Measured columns and their headers; those of the layers stand between `COST` and `FIDELITY`."""


def measured_columns(every: list[dict[str, Any]]) -> dict[str, str]:
    """Return the measured columns that these rows fill, with their headers, in order: cost, fidelity, firing."""
    return filled(every, [measures(row) if row["status"] == "ok" else {} for row in every])


def filled(every: list[dict[str, Any]], cells: list[dict[str, Cell]]) -> dict[str, str]:
    """Return the measured columns that rows with these cells fill, with their headers."""
    cells = [of_row for row, of_row in zip(every, cells, strict=True) if row["status"] == "ok"]
    headers = COST | {layer_column(layer): f"{title}\ncos norm" for layer, title in layers(every).items()}
    headers |= FIDELITY
    headers = {name: header for name, header in headers.items() if any(of_row[name].text.strip() for of_row in cells)}
    if not any(row["doubtful"] and collapse.alone(row) for row in every):
        headers.pop("cpu", None)
    if all(error <= INEXACT for error in readout_errors(every)):
        headers.pop(layer_column("readout"), None)
    return headers or {"time": COST["time"]}


def bases(every: list[dict[str, Any]]) -> list[str]:
    """List the implementations of BPTT over which these rows' costs are told."""
    return sorted({row["x_of"] for row in every if row["status"] == "ok" and row["x_of"]})


def over_bptt(row: dict[str, Any], names: list[str]) -> str:
    """Write the ratio to BPTT's time; if there are several BPTTs, with the letter of the one that it is over."""
    text = share(row["x_time"])
    return f"{text}{LETTERS[names.index(row['x_of'])]}" if text and len(names) > 1 else text


def name_bases(every: list[dict[str, Any]], cells: list[dict[str, Cell]]) -> None:
    """Name the BPTT behind each ratio by a letter of the legend, if these rows have several."""
    names = bases(every)
    for row, of_row in zip(every, cells, strict=True):
        if of_row["x_time"].text:
            of_row["x_time"] = of_row["x_time"]._replace(text=over_bptt(row, names))


def layer_column(layer: str) -> str:
    """Name the column of a layer's gradient; "readout" alone is a field of the case."""
    return f"gradient of {layer}"


def layers(every: list[dict[str, Any]]) -> dict[str, str]:
    """Return the layers that have a column, by name or as "worst", with their titles; the readout last."""
    number = max((int(row["layers"]) for row in every), default=1)
    if number > EACH_LAYER:
        return {"worst": "worst layer", "readout": "readout"}
    hidden = {f"layer{i}": f"layer {i + 1}" for i in range(number)} if number > 1 else {"layer0": "hidden"}
    return hidden | {"readout": "readout"}


def readout_errors(every: list[dict[str, Any]]) -> list[float]:
    """Return the relative errors of the readout's gradient, where they are known."""
    errors = (layer_metric(row, "readout", "error")[0] for row in every)
    return [error for error in errors if not pd.isna(error)]


def layer_metric(row: dict[str, Any], layer: str, metric: str) -> tuple[float, str]:
    """Return a metric of a layer's gradient and "", or of its input weights alone and "*"; nan if neither is known.

    The layer "worst" is the hidden layer with the lowest cosine.
    """
    if layer == "worst":
        cosines = {name: layer_metric(row, name, "cosine")[0] for name in (f"layer{i}" for i in range(row["layers"]))}
        layer = min(cosines, key=lambda name: math.inf if pd.isna(cosines[name]) else cosines[name])
    of_layer, of_input = (float(row.get(f"{name}.error", math.nan)) for name in (layer, f"{layer}.x"))
    if math.isnan(of_layer) and not math.isnan(of_input):
        return row[f"{layer}.x.{metric}"], "*"
    return row.get(f"{layer}.{metric}", math.nan), ""


def agreement(row: dict[str, Any], layer: str) -> str:
    """Write cosine and norm ratio of a layer's gradient, as in "0.951 0.10"."""
    (cosine, mark), (norm, _) = layer_metric(row, layer, "cosine"), layer_metric(row, layer, "norm_ratio")
    if pd.isna(norm):
        return ""
    return f"{'none' if pd.isna(cosine) else f'{cosine:.3f}'}{mark or ' '}{share(norm):>4}"


def measures(row: dict[str, Any]) -> dict[str, Cell]:
    """Return the measured cells of a row whose status is ok."""
    noisy = row["spread"] > collapse.NOISY
    hidden = [f"layer{i}" for i in range(row["layers"])]
    return {
        "time": Cell(
            f"{digits(row['time_s'] * 1e3)} {interval(row['spread'])}",
            mark="" if noisy else cell_grid.DOUBTFUL if row["doubtful"] else cell_grid.NO_MARK,
        ),
        "cpu": Cell(digits(row["cpu_s"] * 1e3)),
        "x_time": Cell(share(row["x_time"]), mark=cell_grid.DOUBTFUL if row["x_doubtful"] else ""),
        "memory": Cell(share(row["working_bytes"] / 2**20)),
        "x_memory": Cell(share(row["x_memory"])),
        **dict.fromkeys((layer_column(f"layer{i}") for i in range(EACH_LAYER)), cell_grid.EMPTY),
        **{layer_column(layer): Cell(agreement(row, layer)) for layer in (*hidden, "worst", "readout")},
        "all": Cell(number(row["cosine"], ".3f")),
        "error": Cell(share(row["error"])),
        "spikes": Cell(number(row["firing_rate"] * 100, ".1f")),
    }


def sentence(rows: Frame) -> str:
    """Write the measured values of one collapsed row in words, as the table shows them."""
    (row,) = rows.to_dict("records")
    cells = {name: cell.text.strip() for name, cell in measures(row).items()}
    median, bounds = cells["time"].split(maxsplit=1)
    values = [f"{median} ms {bounds}{measures(row)['time'].mark.strip()}"]
    values += [f"cpu {cells['cpu']} ms"] if row["doubtful"] and collapse.alone(row) and cells["cpu"] else []
    values += [f"{cells['memory']} MiB"] if cells["memory"] else []
    gradients = {title: cells[layer_column(layer)] for layer, title in layers([row]).items()}
    values += [f"{title} cos norm {agrees}" for title, agrees in gradients.items() if agrees]
    values += [f"all cos {cells['all']}" if cells["all"] else "cosine undefined"]
    values += ["synthetic data"] if row["synthetic"] is True else []
    return ", ".join(values)


def interval(spread: float) -> str:
    """Write a time's interval for table, page and progress, as in "±2%"; "noisy" if it is too wide for a result."""
    return "noisy" if spread > collapse.NOISY else f"±{percent(spread)}"


def share(value: float) -> str:
    """Write a ratio, an error or MiB in at most four characters, if it is between 1e-9 and 9999."""
    if pd.isna(value):
        return ""
    if 0 < value < 0.01:
        return f"{value:.0e}".replace("e-0", "e-")
    return digits(value) if value >= 10 else f"{value:.2f}"


def number(value: float | None, form: str) -> str:
    """Write a value, or nothing for a missing one."""
    return "" if value is None or math.isnan(value) else format(value, form)


def digits(value: float) -> str:
    """Write a value to three significant digits, or all digits of a whole number."""
    if pd.isna(value):
        return ""
    if 0 < value < 0.001:
        return f"{value:.1e}"
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3}f}"


def percent(share: float) -> str:
    """Write a share in percent, as in "2%"."""
    return "?" if pd.isna(share) else "<1%" if share < 0.005 else f"{share:.0%}"


def short(reason: Any, length: int = 220) -> str:
    """Shorten a reason to one line of at most `length` characters."""
    text = display.shown(" ".join(str(reason or "no reason given").split()))
    return text if len(text) <= length else text[: length - 1] + "…"
