"""What a figure says and shows, read from the figure itself: words, marks without a name, words that touch."""

import re
from itertools import combinations

from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text


def words(figure: Figure) -> list[Text]:
    """Every visible text of a figure, at the size it is saved at."""
    figure.draw_without_rendering()
    found = [*figure.texts]
    for legend in figure.legends:
        found += legend.get_texts()
    for axes in figure.axes:
        found += [*axes.texts, axes.title, axes._left_title]  # type: ignore[attr-defined]  # where titles on the left are
        if axes.axison:
            found += [axes.xaxis.label, axes.yaxis.label]
            found += [tick for axis in (axes.xaxis, axes.yaxis) for tick in axis.get_ticklabels() if on(tick, axes)]
    return [text for text in found if text.get_visible() and text.get_text().strip()]


def on(tick: Text, axes: object) -> bool:
    """Whether a tick label is within the limits of its axes, so that it is drawn."""
    box = axes.get_window_extent()  # type: ignore[attr-defined]
    x, y = tick.get_transform().transform(tick.get_position())
    return bool(tick.get_visible() and (box.x0 - 1 <= x <= box.x1 + 1 or box.y0 - 1 <= y <= box.y1 + 1))


def text_of(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in words(figure))


def touching(figure: Figure) -> list[str]:
    """Pairs of words that cover each other, or stand out of the picture."""
    boxes = [(text.get_text(), text.get_window_extent()) for text in words(figure)]
    width, height = figure.canvas.get_width_height()
    found = [
        f"{one!r} touches {other!r}"
        for (one, a), (other, b) in combinations(boxes, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 0.5 and min(a.y1, b.y1) - max(a.y0, b.y0) > 0.5
    ]
    outside = [name for name, box in boxes if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1]
    return found + [f"{name!r} is cut off" for name in outside]


def unnamed(figure: Figure) -> list[str]:
    """Marks whose name is neither in the legend nor on an axis."""
    legend = {text.get_text() for own in figure.legends for text in own.get_texts()}
    found = []
    for axes in figure.axes:
        inside = {part for bars in axes.containers for part in bars.get_children()}
        for bars in axes.containers:
            assert isinstance(bars, ErrorbarContainer)
            found += [] if bars.get_label() in legend else [str(bars.get_label())]
        places = {round(place): tick.get_text() for place, tick in zip(axes.get_yticks(), axes.get_yticklabels())}  # noqa: B905
        if not any(places.values()) or not axes.yaxis.get_tick_params().get("labelleft", True):
            first = next(one for one in figure.axes if one.axison and one.get_position().y0 == axes.get_position().y0)
            places = {
                round(place): tick.get_text()
                for place, tick in zip(first.get_yticks(), first.get_yticklabels(), strict=True)
            }
        for line in axes.lines:
            name = str(line.get_label())
            if line in inside:
                continue
            if name.startswith("_"):
                named = all(places.get(round(y)) == name[1:] for y in line.get_ydata())  # type: ignore[union-attr]
            else:
                named = all(part in legend for part in name.split(" / "))
            found += [] if named else [name]
    return found


def alike(figure: Figure) -> list[str]:
    """Lines of the legend without a marker that look like another: both dotted, both dashed, or solid in one colour."""
    seen: dict[object, str] = {}
    found = []
    for legend in figure.legends:
        for line, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
            if not isinstance(line, Line2D) or line.get_marker() not in ("", "None", None):
                continue
            dashes = line._unscaled_dash_pattern[1]  # type: ignore[attr-defined]
            look = str(line.get_color()) if not dashes else "dotted" if max(dashes) < 2 else "dashed"
            if look in seen:
                found.append(f"{text.get_text()!r} looks like {seen[look]!r}")
            seen[look] = text.get_text()
    return found


def raw_mathtext(figure: Figure) -> list[str]:
    """Texts with the source of a formula that is not rendered."""
    return [
        text.get_text() for text in words(figure) if re.search(r"[\^\\]|_\{", re.sub(r"\$[^$]*\$", "", text.get_text()))
    ]
