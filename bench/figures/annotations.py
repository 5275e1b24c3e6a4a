"""Place the words beside points, and hide tick labels that would touch."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from drtrl_bench.figures import style

NEAR = (7, 7)
"""Distance in points from a point to its annotation, before `settle` moves it."""


DIGITS = 9
"""Decimals that are kept of where axes lie, in shares of the figure."""


def settle(figure: Figure) -> None:
    """Fix the layout, hide tick labels that would touch, and move annotations apart."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        fix(axes)
    for axes in figure.axes:
        thin(axes.xaxis)
        thin(axes.yaxis)
    for axes in figure.axes:
        spread(axes)


def fix(axes: Axes) -> None:
    """Round where axes lie, so that the same figure gives the same pixels.

    The solver of the layout takes its equations in the order of their addresses in memory, so that its last binary
    digit differs from process to process; where a coordinate lies between two pixels, that digit chooses one.
    """
    place = axes.get_position(original=True)
    axes.set_position(Bbox(np.round(place.get_points(), DIGITS)))
    axes.set_in_layout(True)


def thin(axis: Axis) -> None:
    """Hide tick labels of an axis that would touch others; the first and the last stay, if both can."""
    labels = [
        (label, label.get_window_extent())
        for label in axis.get_ticklabels()
        if label.get_text() and label.get_visible()
    ]
    shown: list[Bbox] = []
    for label, box in [*labels[:1], *labels[-1:], *labels[1:-1]]:
        wide = Bbox.from_extents(box.x0 - 4, box.y0 - 1, box.x1 + 4, box.y1 + 1)
        if any(other is not box and wide.overlaps(other) for other in shown):
            label.set_visible(False)
        elif box not in shown:
            shown.append(box)


def spread(axes: Axes) -> None:
    """Move each annotation to the nearest position around its point where it touches no other and no mark."""
    notes = [text for text in axes.texts if isinstance(text, Annotation)]
    if not notes:
        return
    marks = [
        box for line in axes.lines if line.get_transform().contains_branch(axes.transData) for box in inked_boxes(line)
    ]
    inside, taken, scale = axes.get_window_extent(), [], axes.figure.dpi / 72
    positions = [(far, angle) for far in (7, 11, 16, 22) for angle in range(45, 405, 30)]
    for note in notes:
        start, costs = note.get_window_extent().padded(1.5), []
        for far, angle in positions:
            x, y = far * math.cos(math.radians(angle)), far * math.sin(math.radians(angle))
            box = start.translated((x - NEAR[0]) * scale, (y - NEAR[1]) * scale)
            over = 10 * overlap(box, taken) + overlap(box, marks)
            out = box.width * box.height - overlap(box, [inside])
            costs.append((over + out, far, angle, (x, y), box))
        *_, position, box = min(costs, key=lambda cost: cost[:3])
        note.set_position(position)
        taken.append(box)


def inked_boxes(line: Line2D) -> list[Bbox]:
    """Return boxes around the marks of a line and along it, in pixels."""
    at = line.get_transform().transform(np.asarray(line.get_xydata()).reshape(-1, 2))
    marked = line.get_marker() not in ("", "None", None)
    boxes = [Bbox.from_extents(x - 6, y - 6, x + 6, y + 6) for x, y in at] if marked else []
    if line.get_linestyle() not in ("", "None", "none"):
        for start, end in pairwise(at):
            number = int(np.hypot(*(end - start)) // 6) + 1
            between = start + np.linspace(0, 1, number)[:, None] * (end - start)
            boxes += [Bbox.from_extents(x - 2, y - 2, x + 2, y + 2) for x, y in between]
    return boxes


def overlap(box: Bbox, others: list[Bbox]) -> float:
    """Return the area that a box shares with others."""
    if not others:
        return 0.0
    ends = np.array([other.extents for other in others])
    low, high = np.maximum(ends[:, :2], box.extents[:2]), np.minimum(ends[:, 2:], box.extents[2:])
    return float((high - low).clip(min=0).prod(axis=1).sum())


def annotate(axes: Axes, text: str, x: float, y: float) -> None:
    """Write a small word beside a point; `settle` chooses its position."""
    how: dict[str, Any] = {
        "textcoords": "offset points",
        "fontsize": 7,
        "color": style.SOFT,
        "ha": "center",
        "va": "center",
    }
    axes.annotate(text, (x, y), NEAR, **how).set_in_layout(False)
