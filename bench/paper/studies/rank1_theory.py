"""Experiment 2.3: how close a sum of outer products is to (mean of x) outer (sum of f), by theory and by drawing.

Rows x_r and f_r, r = 1 ... R, are independent. With r_a = mean(x)^2 / var(x) and r_b = mean(f)^2 / var(f), the code
published with the paper gives

    cos( sum_r x_r (x) f_r , mean_r x_r (x) sum_r f_r )  ~  sqrt(1 - 1 / (R r_a r_b + r_a + r_b + 1))

and draws x ~ Bernoulli(p), f ~ N(1, sigma_f). As published it draws x from binomial(2, p), but takes r_a of
Bernoulli(p); both are done here. At p = 0 all of x is 0, and the cosine is undefined.
"""

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from drtrl_bench.figures import layout, style
from drtrl_bench.paper import report
from drtrl_bench.paper.experiment import About, Claim, Job, Row, Verdict
from drtrl_bench.paper.measures import intervals, limits
from drtrl_bench.view.caption import Frame

FORMULA = Claim(
    "cos(sum of x_r (x) f_r, mean of x (x) sum of f) = sqrt(1 - 1 / (R r_a r_b + r_a + r_b + 1)) for independent rows",
    "[code] check_approx.py",
)
ABOUT = About(
    section="2.3",
    title="theory of the rank-1 approximation",
    question="How close is a sum of outer products to the outer product of a mean and a sum?",
    claims={"formula": FORMULA},
    cpu_seconds=17,
)
LIMIT = 0.05
"""The formula holds if drawn cosines, averaged over cells, are less than this above or below it."""
CORNERS = (
    {"most_p": 0.9, "cells_p": 3, "least_sigma": 1000.0, "most_sigma": 1000.0, "cells_sigma": 1},
    {"most_p": 1e-4, "cells_p": 2, "least_sigma": 1.0, "most_sigma": 2.0, "cells_sigma": 2},
)
"""Cells beyond the published grid, in which R r_a r_b is no more than r_a, or than r_b, so that these terms count."""
WIDE = 100
"""m and n in the corners, so that a draw is close to its mean; the formula has neither."""
BANDS = 5
"""Of the published grid: cells in which the formula is alike."""
DRAWN = {
    "bernoulli": "corrected: x drawn from Bernoulli(p), as the formula has it",
    "binomial": "as published: x drawn from binomial(2, p), formula with the moments of Bernoulli(p)",
}


@dataclass(frozen=True)
class Size:
    """How many rows, dimensions, cells of the grid, and seeds."""

    R: int = 10_000
    m: int = 10
    n: int = 10
    most_p: float = 0.1
    cells_p: int = 100
    least_sigma: float = 0.1
    most_sigma: float = 100.0
    cells_sigma: int = 200
    seeds: int = 5


SIZES = {"cpu": Size(cells_p=16, cells_sigma=16), "paper": Size()}


def jobs(size: Size) -> list[Job]:
    """List a job for each way to draw x and each seed, and the corners."""
    sizes = {name: value for name, value in asdict(size).items() if name != "seeds"}
    corners = [sizes | {"m": WIDE, "n": WIDE, "study": "corners"} | corner for corner in CORNERS]
    drawn = [*(sizes | {"drawn": drawn} for drawn in DRAWN), *(corner | {"drawn": "bernoulli"} for corner in corners)]
    return [each | {"seed": seed} for each in drawn for seed in range(size.seeds)]


def compute(job: Job) -> list[Row]:
    """Draw every cell of the grid once: its p, its sigma and the cosine."""
    coins = {"bernoulli": 1, "binomial": 2}[job["drawn"]]
    rng, rows = np.random.default_rng([job["seed"], coins]), []
    for p in np.linspace(0, job["most_p"], job["cells_p"]):
        for sigma in np.linspace(job["least_sigma"], job["most_sigma"], job["cells_sigma"]):
            x = (rng.random((coins, job["R"], job["m"])) < p).sum(axis=0).astype(float)
            f = rng.normal(1, sigma, (job["R"], job["n"]))
            value = cosine(x, f)
            rows.append({"p": float(p), "sigma": float(sigma), "cosine": value and round(value, 6)})
    return rows


def cosine(x: NDArray[np.float64], f: NDArray[np.float64]) -> float | None:
    """Return the cosine between the sum of x_r (x) f_r and (mean of x) (x) (sum of f); None where it is undefined."""
    exact, approximate = x.T @ f, np.outer(x.mean(axis=0), f.sum(axis=0))
    norms = np.linalg.norm(exact) * np.linalg.norm(approximate)
    return float((exact * approximate).sum() / norms) if norms else None


def formula(R: int, p: Any, sigma: Any) -> Any:
    """Return the published formula for x ~ Bernoulli(p) and f ~ N(1, sigma)."""
    r_a, r_b = p / (1 - p), 1 / np.asarray(sigma) ** 2
    return np.sqrt(1 - 1 / (R * r_a * r_b + r_a + r_b + 1))


def of_grid(rows: Frame, grid: bool = True) -> Frame:
    """Return the rows of the published grid, or those of the corners."""
    return rows[rows["study"].eq("corners") != grid]


def points(rows: Frame) -> Frame:
    """Return the published cells of both ways to draw: the median over seeds, how many define it, and the formula."""
    cells = of_grid(rows).groupby(["drawn", "p", "sigma"], sort=False)["cosine"].agg(["median", "count"]).reset_index()
    cells = cells.rename(columns={"median": "cosine", "count": "defined"})
    cells["theory"] = formula(int(rows["R"].iloc[0]), cells["p"], cells["sigma"])
    cells["difference"] = cells["cosine"] - cells["theory"]
    return cells


def distances(rows: Frame, drawn: str) -> intervals.Summary:
    """Summarize how far the cosines of a way to draw are from the formula: the median over cells, of each seed."""
    own = of_grid(rows[rows["drawn"] == drawn])
    away = (own["cosine"].astype(float) - formula(int(own["R"].iloc[0]), own["p"], own["sigma"])).abs()
    return intervals.summary(away.groupby(own["seed"]).median().to_numpy()[:, None])


def heat(axes: Axes, cells: Frame, column: str) -> None:
    """Draw a column of the cells as a map over p and sigma; what is undefined is grey."""
    grid = cells.pivot(index="sigma", columns="p", values=column)
    look: dict[str, Any] = {"cmap": "PuOr", "vmin": -0.4, "vmax": 0.4}
    if column != "difference":
        look = {"cmap": "PuBu_r", "vmin": 0, "vmax": 1}
    mesh = axes.pcolormesh(
        grid.columns, grid.index, np.ma.masked_invalid(grid.to_numpy(float)), rasterized=True, **look
    )
    axes.set(xlabel="p, mean of x", ylabel="sigma_f, deviation of f", facecolor=style.GREY)
    axes.grid(visible=False)
    bar = axes.get_figure().colorbar(mesh, ax=axes, label=column)  # type: ignore[union-attr]
    bar.outline.set_visible(False)  # type: ignore[operator]


def draw(rows: Frame) -> Figure:
    """Draw the cosine, the formula and their difference, for both ways to draw x."""
    cells, grid, first = points(rows), of_grid(rows), rows.iloc[0]
    titles = {"cosine": "drawn, median of the seeds", "theory": "formula", "difference": "drawn - formula"}
    bands = [
        layout.Band(
            DRAWN[str(drawn)],
            [layout.Panel(titles[name], partial(heat, cells=own, column=name)) for name in titles],
            height=2.2,
        )
        for drawn, own in cells.groupby("drawn", sort=False)
    ]
    apart = "; ".join(f"{name} {distances(rows, name)}" for name in DRAWN)
    notes = [
        f"R = {first['R']} rows, m = {first['m']}, n = {first['n']}; each seed draws every cell once",
        f"median distance of a cosine from the formula: {apart}",
        f"({intervals.EXPLAINED})",
        f"{int(grid['cosine'].isna().sum())} of {len(grid)} cosines are undefined, because all of x is 0: grey cells",
    ]
    return layout.sheet("2.3 Rank-1 theory: cosine with (mean x) (x) (sum f)", bands, report.footer(rows, *notes))


def figures(rows: Frame) -> dict[str, tuple[Figure, Frame]]:
    """Draw the only figure."""
    return {"rank1_theory": (draw(rows), points(rows))}


def deviations(rows: Frame) -> dict[str, intervals.Summary]:
    """Summarize by how much cosines of x ~ Bernoulli(p) are above the formula: means of cells, median over seeds.

    By bands of the formula over the published grid, in which the luck of single draws averages out, and in each corner.
    At p = 0 there is no x, and no r_a.
    """
    own = rows[(rows["drawn"] == "bernoulli") & (rows["p"] > 0)]
    theory = formula(int(rows["R"].iloc[0]), own["p"], own["sigma"])
    own = own.assign(theory=theory, above=own["cosine"].astype(float) - theory)
    grid, corners = of_grid(own), of_grid(own, grid=False)
    band = (grid["theory"] * BANDS).astype(int).clip(upper=BANDS - 1)
    parts = {f"formula {k / BANDS:g} to {(k + 1) / BANDS:g}": each for k, each in grid.groupby(band)}
    for (p, sigma), each in corners.groupby(["p", "sigma"]):  # type: ignore[misc]
        parts[f"p = {p:g}, sigma_f = {sigma:g}"] = each
    means = {name: each.groupby("seed")["above"].mean() for name, each in parts.items()}
    return {name: intervals.summary(of_seeds.to_numpy()[:, None]) for name, of_seeds in means.items()}


def verdicts(rows: Frame) -> list[Verdict]:
    """Judge the formula by the signed deviation of drawn cosines from it."""
    summaries, away, published = deviations(rows), distances(rows, "bernoulli"), distances(rows, "binomial")
    grid, beyond = of_grid(rows), sum(name.startswith("p = ") for name in summaries)
    far = {name: each for name, each in summaries.items() if limits.within([each], -LIMIT, LIMIT) is not True}
    ends = [pick(summaries, key=lambda name: summaries[name].median) for pick in (min, max)]
    measured = f"drawn - formula {' to '.join(f'{summaries[name]} ({name})' for name in ends)}; "
    measured += f"{len(summaries) - len(far)} of {len(summaries)} parts within {LIMIT}; "
    return [
        Verdict(
            FORMULA,
            report.outcome(rows, limits.within(summaries.values(), -LIMIT, LIMIT)),
            f"{measured}a single draw is {away.median:.3f} away, drawn as published {published.median:.3f}",
            f"limit: the interval of the deviation within {LIMIT} in bands of the formula, of "
            f"{grid['p'].nunique()} x {grid['sigma'].nunique()} cells, and in {beyond} cells beyond the "
            "published ones, where r_a and r_b alone count; R as published; as published x is drawn from "
            "binomial(2, p), of which the formula is given the wrong moments",
        )
    ]
