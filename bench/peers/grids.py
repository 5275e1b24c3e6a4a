"""Read the plan of a comparison with peers: grids of cells and sizes, of which every combination is compared."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drtrl_bench import lookup, plan_table
from drtrl_bench.files import textfile
from drtrl_bench.peers import ways
from drtrl_bench.plan import PlanError

PLANS = {"peers": Path(__file__).with_name("peers.toml")}
"""The plan that comes along, by its name."""


@dataclass(frozen=True)
class Sizes:
    """The sizes of a comparison; the defaults are those of docs/peers.md."""

    batch: int = 16
    features: int = 64
    neurons: int = 256
    steps: int = 512


Point = tuple[str, Sizes]
"""A cell and the sizes at which it is compared."""


def read(name: str) -> list[Point]:
    """Return the points of a TOML file, or of the plan that comes along. Raises PlanError with the cause."""
    path = PLANS.get(name, Path(name))
    try:
        content = plan_table.read(path)
        grids = content.pop("grid", [])
        if content or not isinstance(grids, list) or not grids or not all(isinstance(grid, dict) for grid in grids):
            raise PlanError("a plan of peers has one or more tables [[grid]], and nothing else")
        return [point for grid in grids for point in points(grid)]
    except (textfile.UnreadableError, plan_table.TableError) as error:
        raise PlanError(str(error)) from None
    except PlanError as error:
        raise PlanError(f"{textfile.shown(path)}: {error}") from None


def points(grid: Mapping[str, Any]) -> list[Point]:
    """Combine the cells and sizes of a grid; what it leaves out is LIF neurons, and the default size.

    grid: a value, or a list of values, by name. Raises PlanError for an unknown name or cell, or a size that is none.
    """
    defaults = {"cell": ways.LIF, **vars(Sizes())}
    for name in grid:
        if name not in defaults:
            raise PlanError(f"{name}: {lookup.nearest(name, defaults)}")
    lists = {name: as_list(grid.get(name, value)) for name, value in defaults.items()}
    known = {cell for peer in ways.PEERS.values() for way in peer.ways.values() for cell in way.cells}
    for cell in lists["cell"]:
        if cell not in known:
            raise PlanError(f"cell {cell}: {lookup.nearest(str(cell), known)}")
    for name, sizes in lists.items():
        if wrong := [size for size in sizes if name != "cell" and (type(size) is not int or size < 1)]:
            raise PlanError(f"{name} = {wrong[0]}: it must be a whole number from 1")
    every = (dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values()))
    return [(values.pop("cell"), Sizes(**values)) for values in every]


def as_list(value: Any) -> Sequence[Any]:
    """Return the values of a name: a single one is a list of one."""
    return value if isinstance(value, list) else [value]
