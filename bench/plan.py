"""Read plans, TOML files of grids of values, and expand them into cases; refuse values that do not go together."""

import itertools
import math
import os
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from drtrl_bench import data, lookup, plan_table, plugins, registry
from drtrl_bench.case import FIELDS, Case, Plan, excerpt, field_value, names_of
from drtrl_bench.cost import chunk
from drtrl_bench.cost.sizes import sizes
from drtrl_bench.files import textfile
from drtrl_bench.implementations.algorithms.approximate.filtering import smoothing
from drtrl_bench.lookup import nearest

AUTO = -1
"""The chunk of a case with chunk = "auto" until the cost model has chosen K."""
UNROLLED = 64
"""The most steps that torch.compile is asked to unroll: each takes it seconds."""
PLANS = Path(__file__).parent / "plans"
MOST_CASES, MOST_MEASUREMENTS = 10_000, 100_000
"""The most cases of a plan, and cases times rounds: more than that is a slip, and would fill the memory."""
MOST_AUTO = 250
"""The most cases with chunk = "auto": the cost model tries every length for each, some 20 ms for a deep network."""
MOST_PLUGINS, MOST_LETTERS = 100, 1_000
"""The most plugins that a plan may name, and the most characters of one of its texts."""


class PlanError(ValueError):
    """Say why a plan cannot be run: the message names the file, the key and the way out."""


def names() -> list[str]:
    """List the names of the plans that come with the package."""
    return sorted(path.stem for path in PLANS.glob("*.toml"))


def find(name: str) -> Path:
    """Return the file of a plan that is given by name or by path. Raises PlanError for an unknown name."""
    if name.endswith(".toml"):
        return Path(name)
    if name not in (known := names()):
        hint = nearest(name, known)
        if f"{name}.toml" in os.listdir():
            hint = f"did you mean the file {name}.toml?"
        elif not hint.endswith("?"):
            hint += "; a plan of your own is given as a path that ends in .toml"
        raise PlanError(f"plan {excerpt(name)}: {hint}")
    return PLANS / f"{name}.toml"


def read(name: str) -> Plan:
    """Read a plan by name or path, and load its plugins. Raises PlanError for what cannot be run."""
    path = find(name)
    where = textfile.shown(path)
    if not path.stem.isprintable():
        raise PlanError(f"{where}: its records have its name, which must be of printable characters: rename it")
    try:
        table = plan_table.read(path)
    except (textfile.UnreadableError, plan_table.TableError) as error:
        raise PlanError(str(error)) from None
    grids, defaults = table.pop("grid", []), table.pop("defaults", {})
    if not isinstance(grids, list) or not grids or not all(isinstance(g, dict) for g in (*grids, defaults)):
        raise PlanError(f"{where}: needs at least one [[grid]] table, and [defaults] may only be a table")
    files = table.pop("plugins", [])
    if not isinstance(files, list) or len(files) > MOST_PLUGINS or not all(is_line(file) for file in files):
        expected = f"a list of files, from the plan's folder, or modules, at most {MOST_PLUGINS}"
        raise PlanError(f"{where}: plugins is {excerpt(files)}; it must be {expected}")
    settings = [f.name for f in fields(Plan) if f.name not in ("name", "cases", "plugins")]
    for key in table:
        if key not in settings:
            known = ("grid", "defaults", "plugins", *settings)
            raise PlanError(f"{where}: key {excerpt(key)}: {nearest(key, known)}")
    if not is_line(table.setdefault("description", "")):
        expected = f"a line of at most {MOST_LETTERS:,} printable characters"
        raise PlanError(f"{where}: description is {excerpt(table['description'])}; it must be {expected}")
    table |= {key: setting(path, key, value) for key, value in table.items() if key != "description"}
    plugins.load(files, beside=path.parent)
    cases = expand(path, {f"grid {number}": {**defaults, **grid} for number, grid in enumerate(grids, start=1)})
    return bounded(path, Plan(**table, name=path.stem, cases=cases, plugins=tuple(files)))


def expand(path: Path, grids: Mapping[str, dict[str, Any]]) -> tuple[Case, ...]:
    """Expand grids into cases, the product of their lists; equal cases become one.

    grids: by the name that an error gives them. Raises PlanError for too many cases before any product is made.
    """
    lists = {where: {k: v if isinstance(v, list) else [v] for k, v in grid.items()} for where, grid in grids.items()}
    total = sum(math.prod(len(values) for values in grid.values()) for grid in lists.values())
    if total > MOST_CASES:
        number = f"{total:,}" if total < 10**18 else f"some 10**{math.log10(total):.0f}"
        raise PlanError(f"{textfile.shown(path)}: {number} cases; a plan may have {MOST_CASES:,} at most")
    checked = {where: choices(path, where, grid) for where, grid in lists.items()}
    if (auto := sum(number_of_auto(grid) for grid in checked.values())) > MOST_AUTO:
        reason = f'{auto:,} cases with chunk = "auto"; a plan may have {MOST_AUTO:,} of them at most: give numbers'
        raise PlanError(f"{textfile.shown(path)}: {reason}")
    products = ((where, choice) for where, grid in checked.items() for choice in itertools.product(*grid))
    cases = (check(path, where, Case(**on_a_gpu(dict(choice)))) for where, choice in products)
    return tuple(dict.fromkeys(cases))


def choices(path: Path, where: str, grid: dict[str, list[Any]]) -> list[list[tuple[str, Any]]]:
    """Check the values of each key of a grid, and list them in the types of the fields. Raises PlanError."""
    known = FIELDS[Case]
    lists = []
    for key, values in grid.items():
        if key not in known:
            raise PlanError(f"{textfile.shown(path)}: {where}: key {excerpt(key)}: {nearest(key, known)}")
        if not values:
            raise PlanError(f"{textfile.shown(path)}: {where}: {key} is an empty list, which leaves no case")
        if key == "chunk":
            values = [AUTO if v == "auto" else case_value(path, where, key, v) for v in values]
        else:
            values = [case_value(path, where, key, v) for v in values]
        lists.append([(key, v) for v in values])
    return lists


def number_of_auto(grid: list[list[tuple[str, Any]]]) -> int:
    """Count how many cases of a grid's product leave the chunk to the cost model."""
    auto = [sum(choice == ("chunk", AUTO) for choice in values) for values in grid]
    return math.prod(n or len(values) for n, values in zip(auto, grid, strict=True)) if any(auto) else 0


def on_a_gpu(choice: dict[str, Any]) -> dict[str, Any]:
    """Add the mode and the unrolling with which a GPU runs a case fastest, unless the plan gives them."""
    case = Case(**choice)
    if case.device != "gpu":
        return choice
    best: dict[str, Any] = {"mode": "triton"} if case.dtype == "float32" else {}
    if case.framework == "jax":
        best["unroll"] = 16
    return best | choice


def check(path: Path, where: str, case: Case) -> Case:
    """Return a case with its K resolved, from 0 for T or from "auto". Raises PlanError for what cannot be run."""
    unchecked = {"chunk"} if case.chunk == AUTO else set()
    case = Case(**{key: v if key in unchecked else case_value(path, where, key, v) for key, v in vars(case).items()})
    location = f"{textfile.shown(path)}: {where}"
    for key in FIELDS[Case]:
        if (known := names_of(key)) and (value := getattr(case, key)) not in known:
            raise PlanError(f"{location}: {key} {excerpt(value)}: {nearest(value, known)}")
    try:
        smoothing(case.decay, case.bias_correction)
        smoothing(case.decay_x, "none", "decay_x")
    except ValueError as error:
        raise PlanError(f"{location}: {error}") from None
    if reason := unsuited(case):
        raise PlanError(f"{location}: {reason}")
    if case.chunk == AUTO:
        case_sizes = sizes(case, *data.shape(case.dataset, case.features))
        try:
            best = chunk.best(case_sizes, case.device, case.framework, case.limit_mib)
        except ValueError as error:
            raise PlanError(f"{location}: {case.algorithm}: {error}") from None
        return replace(case, chunk=best, auto=True)
    return replace(case, chunk=min(case.chunk or case.steps, case.steps))


def case_value(path: Path, where: str, key: str, value: Any) -> Any:
    """Return a value in the type of a field of a case. Raises PlanError, which names the file and the grid."""
    try:
        return field_value(Case, key, value)
    except ValueError as error:
        raise PlanError(f"{textfile.shown(path)}: {where}: {error}") from None


def setting(path: Path, key: str, value: Any) -> Any:
    """Return a value in the type of a field of a plan. Raises PlanError, which names the file."""
    try:
        return field_value(Plan, key, value)
    except ValueError as error:
        raise PlanError(f"{textfile.shown(path)}: {error}") from None


def bounded(path: Path, plan: Plan) -> Plan:
    """Return the plan. Raises PlanError if it asks for more measurements than `MOST_MEASUREMENTS`."""
    if (number := len(plan.cases) * plan.rounds) > MOST_MEASUREMENTS:
        product = f"{plan.rounds:,} rounds of {len(plan.cases):,} cases are {number:,} measurements"
        raise PlanError(f"{textfile.shown(path)}: {product}; a plan may have {MOST_MEASUREMENTS:,} at most")
    return plan


def unsuited(case: Case) -> str | None:
    """Return why the fields of a case do not go together, with the way out; None if they do."""
    algorithm = registry.ALGORITHMS[case.algorithm]
    cell = lookup.network(case.cell, case.readout, 1)[0]
    if lacking := case.cell_options.keys() - vars(cell).keys():
        names = " and ".join(sorted(lacking))
        return f"cell {case.cell!r} has no {names}: spikes have a surrogate, LIF neurons a reset; leave {names} out"
    if case.mode in ("compile", "cuda_graph") and case.framework != "torch":
        return f"mode {case.mode!r} is PyTorch's; a JAX case is always jitted: leave mode out"
    if case.mode in ("cuda_graph", "triton") and case.device != "gpu":
        return f"mode {case.mode!r} needs device = 'gpu'"
    too_long = not algorithm.blockwise and not 0 < (case.chunk or case.steps) <= UNROLLED
    if case.mode == "compile" and too_long:
        return f"mode 'compile' unrolls a chunk: give one of at most {UNROLLED} steps"
    if case.unroll != 1 and case.framework != "jax":
        return "unroll is JAX's; PyTorch's loops are run as they are, or compiled by mode = 'compile': leave unroll out"
    if case.trace_dtype != "same" and algorithm.carry != "trace":
        return f"{case.algorithm} carries no trace that trace_dtype could store"
    if case.dtype != "float32" and (case.mode == "triton" or case.trace_dtype != "same"):
        return "mode 'triton' and trace_dtype are of float32 cases"
    if case.auto:
        return 'auto is set by chunk = "auto"'
    if case.limit_mib and case.chunk != AUTO:
        return 'limit_mib is for chunk = "auto"'
    if case.chunk == AUTO and "chunk" not in algorithm.by and algorithm.carry == "other":
        return f'chunk = "auto" needs to know what {case.algorithm} carries, which is "other": give a number'
    return None


def is_line(value: Any) -> bool:
    """Tell whether a value is one line of at most `MOST_LETTERS` printable characters."""
    return isinstance(value, str) and len(value) <= MOST_LETTERS and (not value or value.isprintable())
