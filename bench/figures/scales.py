"""Scale the axes of a figure, and choose their ticks."""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator, NullLocator

from drtrl_bench.view import display

TICK = 28
"""Letters of a name on an axis at most."""


def literal(text: str, most: int | None = None) -> str:
    """Return text that matplotlib draws as it is, never as a formula, cut to at most `most` letters."""
    plain = display.shown_lines(text)
    plain = plain if most is None or len(plain) <= most else f"{plain[: most - 1]}…"
    return plain.replace("$", r"\$")


def scale_steps(axes: Axes, steps: list[int]) -> None:
    """Set a logarithmic axis of T with a tick at each length that occurs."""
    axes.set_xscale("log", base=2)
    axes.set_xlabel("T, steps of the sequence")
    axes.set_xlim(steps[0] / 1.3, steps[-1] * 1.3)
    axes.set_xticks(steps, [str(T) for T in steps])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(visible=False, axis="x")


def scale_values(axes: Axes, which: str, label: str) -> None:
    """Set a logarithmic axis with three to six ticks, whatever it spans."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axes.set(**{f"{which}scale": "log", f"{which}label": label})
    axis.set_major_locator(Ticks())
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value)))


class Ticks(Locator):
    """Ticks of a logarithmic axis: 1, 10, 100 if it is long, 1, 2, 5 if it is shorter, even steps if it is short."""

    SETS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0))

    def __call__(self) -> list[float]:
        return self.tick_values(*self.axis.get_view_interval())  # type: ignore[union-attr]

    def tick_values(self, vmin: float, vmax: float) -> list[float]:
        """Return the ticks between the limits of the axis."""
        low, high = sorted((vmin, vmax))
        if not 0 < low < high:
            return []
        tens = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for starts in self.SETS:
            ticks = [start * 10.0**ten for ten in tens for start in starts if low <= start * 10.0**ten <= high]
            if len(ticks) > 2:
                return ticks[:: -(-len(ticks) // 6)]
        return [float(tick) for tick in MaxNLocator(4).tick_values(low, high) if low <= tick <= high]


def tick_text(value: float) -> str:
    """Write a tick of a logarithmic axis: 0.1, 1, 10, and powers of ten for very small and large values."""
    if 1e-3 <= value < 1e5:
        return f"{value:g}"
    ten = math.floor(math.log10(value) + 1e-9)
    front = value / 10.0**ten
    return f"$10^{{{ten}}}$" if math.isclose(front, 1) else rf"${front:g}\times10^{{{ten}}}$"


def list_lines(axes: Axes, names: list[str]) -> None:
    """Set the vertical axis of a dot plot: one row per line, the first on top; named once for all panels of a band."""
    first = axes.get_subplotspec().colspan.start == 0  # type: ignore[union-attr]
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), [literal(name, TICK) for name in names])
    axes.tick_params(axis="y", length=0, labelleft=first)
    axes.grid(visible=False, axis="y")


def limit_around(axes: Axes, which: str, values: Any) -> None:
    """Limit a logarithmic axis a little beyond the values, and to no less than half a decade."""
    drawn = np.asarray(values, dtype=float)
    drawn = drawn[np.isfinite(drawn) & (drawn > 0)]
    low, high = drawn.min(), drawn.max()
    more = max(1.18 * (high / low) ** 0.04, math.sqrt(3.2 * low / high) if high / low < 3.2 else 1)
    axes.set(**{f"{which}lim": (low / more, high * more)})
