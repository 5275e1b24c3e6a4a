"""How close each gradient is to float64 BPTT, layer by layer: cosine, ratio of norms, and error down to rounding."""

import re
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from drtrl_bench import figures
from drtrl_bench.figures import annotations, captions, layout, scales, selection, style
from drtrl_bench.view import caption
from drtrl_bench.view.caption import Frame

ROUNDING = {"float32": np.finfo(np.float32).eps, "float64": np.finfo(np.float64).eps}
METRICS = {"cosine": "cosine", "norm_ratio": "norm / BPTT's norm", "error": "relative error"}
SMALLEST = 1e-17
"""An error or a norm of exactly 0 is drawn here: a logarithmic axis has no 0."""
EXACT = 1e-3
"""Errors are drawn where one is below this: above, cosine and norm say more."""
OVERALL, READOUT = "all weights as one vector", "readout"
SPREAD = "range over a layer's weights"
HIDDEN = ("o", "^", "v", "D", "<", ">", "p", "h")
"""Markers of the hidden layers, from the first."""


def found(frame: Frame) -> Frame:
    """The points of the figure: a row for each layer of each case, and one for all weights as one vector.

    low and high differ from the value where a record has no layer as one vector: then the value is the median over
    the layer's weights, and they are the ends.
    """
    rows = selection.measured(selection.points(frame), "error")
    deep = bool((rows["layers"] > 1).any())
    made = [row | part for row in rows.to_dict("records") for part in parts(row, deep)]
    layered = pd.DataFrame(made, columns=[*rows.columns, "part", "depth", *BOUNDS])
    layered = selection.some(layered, frame, "cases with a gradient to compare, not all zero")
    layered.attrs = rows.attrs
    return layered


RINGS: list[dict[str, Any]] = [style.RING | {"markersize": 8.5, "markeredgewidth": 0.9, "marker": m} for m in "osDh"]
"""What tells the ways behind the first from it, and from each other."""
BOUNDS = [f"{end}_{metric}" for metric in METRICS for end in ("low", "high")]


def parts(row: dict[str, Any], deep: bool) -> list[dict[str, Any]]:
    """What a case says of each layer, the readout and all weights; deep: whether hidden layers need a number."""
    layers = row["per_layer"] if isinstance(row["per_layer"], dict) else None
    weights = row["per_parameter"] if isinstance(row["per_parameter"], dict) else {}
    names = list(layers or dict.fromkeys(name.partition(".")[0] for name in weights))
    found = []
    for name in names:
        own = [layers[name]] if layers else [v for weight, v in weights.items() if weight.partition(".")[0] == name]
        values: dict[str, Any] = {}
        for metric in METRICS:
            known = [agreement[metric] for agreement in own if agreement.get(metric) is not None]
            values |= {metric: float(np.median(known)) if known else np.nan}
            values |= {f"low_{metric}": min(known, default=np.nan), f"high_{metric}": max(known, default=np.nan)}
        found.append({"part": spelt(name, deep), "depth": len(found)} | values)
    whole = {f"{end}_{metric}": row[metric] for metric in METRICS for end in ("low", "high")}
    return [*found, {"part": OVERALL, "depth": len(found)} | whole]


def spelt(name: str, deep: bool) -> str:
    """A layer's name in a figure: "layer0" -> "hidden layer 1"."""
    number = re.fullmatch(r"layer(\d+)", name)
    if not number:
        return name
    return f"hidden layer {int(number[1]) + 1}" if deep else "hidden layer"


def data(frame: Frame) -> Frame:
    """The plotted points."""
    columns = ["panel", "line", "algorithm", "framework", "mode", "chunk", "steps", "dtype", "part"]
    return found(frame)[[*columns, *METRICS, *BOUNDS, "firing_rate", "rounds", "case_key", "env_hash"]]


def look(part: str, depth: int) -> dict[str, Any]:
    """Marker and line of a layer."""
    if part == OVERALL:
        return {"marker": "", "linestyle": (0, (1.2, 1.5)), "linewidth": 1.4}
    if part == READOUT:
        return {"marker": "s", "linestyle": (0, (4, 1.5))}
    return {"marker": HIDDEN[depth % len(HIDDEN)], "linestyle": "-"}


def draw(frame: Frame) -> Figure:
    """Cosine, norm and error of each problem against T; with one T only, the layers side by side."""
    rows, left = selection.readable(found(frame))
    colours = {name: line.colour for name, line in style.lines(rows).items()}
    exact = (rows.loc[rows["part"] == OVERALL, "error"] < EXACT).any()
    metrics = [name for name in METRICS if name != "error" or exact]
    problems = sorted(rows["panel"].unique(), key=lambda panel: place(rows[rows["panel"] == panel].iloc[0]))
    ways, bands = selection.ordered(rows), []
    if len(problems) == 1:
        panels = [layout.Panel("", panel(metric, rows, colours, ways)) for metric in metrics]
        bands.append(layout.Band(fires(rows), panels, 2.5))
    wide = columns(rows, len(problems))
    for group in (problems[i : i + wide] for i in range(0, len(problems) if len(problems) > 1 else 0, wide)):
        for metric in metrics:
            panels = []
            for problem in group:
                own = rows[rows["panel"] == problem]
                named = "\n".join(filter(None, (caption.wrap(problem, 23 if wide > 3 else 32), fires(own))))
                outer = (metric == metrics[-1] or own["steps"].nunique() == 1, problem == group[0])
                fill = panel(metric, own, colours, ways, outer)
                panels.append(layout.Panel(named if metric == metrics[0] else "", fill))
            bands.append(layout.Band("", panels, 1.5))
    title = "Closeness to the float64 BPTT gradient, layer by layer"
    with style.look():
        named = keys(rows, colours, ways)
    return layout.sheet(title, bands, [*said(rows, frame), left], named)


def keys(rows: Frame, colours: dict[str, Any], ways: list[str]) -> dict[str, Line2D]:
    """How lines, layers and ways look in the legend."""
    found = {line: Line2D([], [], color=colour, linewidth=3) for line, colour in colours.items()}
    layers = rows.sort_values("depth")[["part", "depth"]].drop_duplicates("part")
    swept = rows.groupby("panel")["steps"].nunique().max() > 1  # else the layers are named on the axis
    for part, depth in layers.itertuples(index=False) if swept else ():
        how: dict[str, Any] = {"color": style.INK, "markeredgecolor": "white"} | look(str(part), int(depth))
        found[str(part)] = Line2D([], [], **how)
    if len(ways) > 1:
        found[ways[0]] = Line2D([], [], color=style.INK, marker="o", linestyle="none", markeredgecolor="white")
        for name in ways[1:]:
            found[name] = Line2D([], [], markeredgecolor=style.INK, **RINGS[ways.index(name) % len(RINGS) - 1])
    return found


def said(rows: Frame, frame: Frame) -> list[str]:
    """The caption."""
    spread = (rows["low_cosine"] < rows["high_cosine"]).any()
    zero = rows[[f"low_{metric}" for metric in ("error", "norm_ratio")]].eq(0).any(axis=None)
    return captions.footer(
        selection.points(frame),
        "all weights as one vector: the layers with the largest gradients decide",
        "fire: share of the neurons that spike in a step" if rows["firing_rate"].notna().any() else "",
        "layers: median over a layer's weights and biases; the records hold no layer as one vector" if spread else "",
        f"an error or a norm of 0 is drawn at {SMALLEST:g}" if zero else "",
    )


def place(row: Any) -> tuple[Any, ...]:
    """Problems in order: cells stand side by side, what else varies below each other."""
    apart = ("cell", "scale_x", "scale_r")
    return (*(str(row[name]) for name in caption.FIELDS if name not in apart), *(str(row[name]) for name in apart))


def columns(rows: Frame, problems: int) -> int:
    """How many problems stand side by side: the cells if they fill the rows, else four at most."""
    cells = rows["cell"].nunique()
    return cells if 1 < cells <= 5 and problems % cells == 0 else min(4, problems)


def fires(rows: Frame) -> str:
    """How many neurons fire, in words; nothing for rows of cells that do not spike."""
    known = rows["firing_rate"].dropna() * 100
    if known.empty:
        return ""
    low, high = f"{known.min():.1f}", f"{known.max():.1f}"
    return f"{low if low == high else f'{low} to {high}'} % fire"


def panel(
    metric: str, rows: Frame, colours: dict[str, Any], ways: list[str], outer: tuple[bool, bool] = (True, True)
) -> layout.Draw:
    """What fills the axes of one metric; outer: whether its x axis and its y axis have their words."""

    def draw(axes: Axes) -> None:
        fill(axes, metric, rows, colours, ways)
        axes.set_xlabel(axes.get_xlabel() if outer[0] else "")
        axes.tick_params(axis="x", labelbottom=outer[0])
        axes.set_ylabel(axes.get_ylabel() if outer[1] else "")

    return draw


def fill(axes: Axes, metric: str, rows: Frame, colours: dict[str, Any], ways: list[str]) -> None:
    """One metric over T, or over the layers if there is one T; lines a little apart sideways."""
    names = rows.sort_values("depth")["part"].drop_duplicates().tolist()
    steps, lines = sorted(rows["steps"].unique()), rows["line"].unique().tolist()
    if len(steps) > 1:
        scales.scale_steps(axes, steps)
    else:
        axes.set_xticks(range(len(names)), [scales.literal(short(name)) for name in names])
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.set_xlabel(f"layer (T = {steps[0]})")
        axes.grid(visible=False, axis="x")
    if logarithmic := metric != "cosine":
        scales.scale_values(axes, "y", METRICS[metric])
    axes.set_ylabel(METRICS[metric])
    by = ["line", "part", "depth", "way"] if len(steps) > 1 else ["line", "way"]
    for key, group in rows[rows[metric].notna()].groupby(by, sort=False):
        line, name = str(key[0]), str(key[-1])
        aside = (lines.index(line) + 0.5) / len(lines) - 0.5
        if len(steps) > 1:
            x, how = group["steps"] * 1.3**aside, look(str(key[1]), int(key[2]))
            label = [line, str(key[1])]
        else:
            x, how = group["part"].map(names.index) + 0.6 * aside, {"marker": "o", "linestyle": "none"}
            label = [line]
        label += [name] if len(ways) > 1 else []
        values = {end: drawable(group[f"{end}{metric}"], logarithmic) for end in ("", "low_", "high_")}
        order = np.argsort(x.to_numpy())
        points: dict[str, Any] = {"color": colours[line], "markeredgecolor": "white", **how}
        if name != ways[0]:
            points |= RINGS[ways.index(name) % len(RINGS) - 1] | {"markeredgecolor": colours[line]}
        points["label"] = style.SEPARATOR.join(label)
        axes.plot(x.to_numpy()[order], values[""].to_numpy()[order], **points)
        if (
            name == ways[0]
            and len(steps) > 1
            and len(lines) == 1
            and len(names) > 3
            and (number := re.search(r"\d+$", str(key[1])))
        ):
            annotations.annotate(axes, number[0], x.to_numpy()[order][-1], values[""].to_numpy()[order][-1])
        bars = (values[""] - values["low_"], values["high_"] - values[""])
        if any((bar > 0).any() for bar in bars):
            axes.errorbar(x, values[""], yerr=bars, color=colours[line], label=SPREAD, **style.BAR)
    limits(axes, metric, rows)


def short(part: str) -> str:
    """A layer's name as a tick."""
    return "all" if part == OVERALL else part.replace("hidden layer", "hidden")


def drawable(values: Frame, logarithmic: bool) -> Frame:
    return values.clip(lower=SMALLEST) if logarithmic else values


def limits(axes: Axes, metric: str, rows: Frame) -> None:
    """Limits and lines of reference: 1, and rounding."""
    if metric == "cosine":
        low = rows["low_cosine"].min()
        axes.set_ylim(-0.03 if low >= 0 else low - 0.08, 1.05)
        axes.set_yticks([tick for tick in (-1, -0.5, 0, 0.25, 0.5, 0.75, 1) if tick >= axes.get_ylim()[0]])
        return
    known = drawable(rows[[f"low_{metric}", f"high_{metric}"]].stack(), logarithmic=True)
    if metric == "norm_ratio":
        axes.set_ylim(min(known.min() / 1.6, 0.5), max(known.max(), 1) * 1.5)
        return
    dtypes = sorted(rows["dtype"].unique())
    for dtype in dtypes:
        label = f"rounding of {dtype}"
        axes.axhline(ROUNDING[dtype], color=style.GREY, linewidth=1, linestyle=(0, (4, 3)), label=label)
    axes.set_ylim(min(known.min(), *(ROUNDING[dtype] for dtype in dtypes)) / 6, max(known.max(), 1) * 2)


if __name__ == "__main__":
    figures.main("fidelity", __doc__)
