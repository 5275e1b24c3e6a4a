"""Case: one thing to measure. Plan: the cases of a run, read from a TOML file as grids of values."""

import hashlib
import itertools
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from drtrl_bench import plan_table, plugins, registry
from drtrl_bench.cost import chunk
from drtrl_bench.files import textfile
from drtrl_bench.implementations.algorithms.approximate.filtering import smoothing

PLANS = Path(__file__).parent / "plans"
MOST_CASES, MOST_MEASUREMENTS = 10_000, 100_000
"""Cases that a plan may have, and cases times rounds: more is a slip, and would fill the memory."""
MOST_AUTO = 250
"""Cases with chunk = "auto", for each of which the cost model tries every length: some 20 ms of a deep network."""
MOST_PLUGINS, MOST_LETTERS = 100, 1_000
"""Plugins that a plan may name, and the characters of one of its texts."""
LONGEST = 10**15
"""Steps of a sequence: far more than a machine can hold, which is refused by `memory.refusal` and not here."""


class PlanError(ValueError):
    """A plan that cannot be run; the message names the file, the key and the way out."""


@dataclass(frozen=True)
class Range:
    """The numbers that a field may hold, `most` among them."""

    least: float
    most: float
    above: bool = False
    """Whether `least` itself is too little."""

    def holds(self, value: float) -> bool:
        """Whether a number is one of them; nan is not."""
        return (self.least < value if self.above else self.least <= value) and value <= self.most

    def __str__(self) -> str:
        least = f"above {self.least:,} and up" if self.above else f"from {self.least:,}"
        return f"{least} to {self.most:,}"


def number(default: float, least: float, most: float, above: bool = False) -> Any:
    """A field of Case or Plan that holds a number in a range."""
    return field(default=default, metadata={"range": Range(least, most, above)})


@dataclass(frozen=True)
class Case:
    """dataset, cell, algorithm, framework, device and sizes; everything the gradient and its cost depend on."""

    algorithm: str = "drtrl"
    framework: str = "jax"
    cell: str = "lif_delta"
    readout: str = "leaky"
    dataset: str = "digits"
    features: int = number(0, 0, 10_000_000)
    """Input lines I; 0 is the data set's own number."""
    layers: int = number(1, 1, 100)
    neurons: int = number(64, 1, 1_000_000)
    batch: int = number(8, 1, 1_000_000)
    steps: int = number(128, 1, LONGEST)
    """Length T of the sequence."""
    chunk: int = number(32, 0, LONGEST)
    """Length K of a chunk; in a plan, 0 stands for K = T and "auto" for the choice of bench/cost/chunk.py."""
    scale_x: float = number(1.0, 0, 1_000_000)
    scale_r: float = number(1.0, 0, 1_000_000)
    """Initial variances times fan-in of the input and the recurrent weights."""
    initial: str = "normal"
    """Distribution of the initial weights."""
    decay: float = number(0.9, 0, 1_000_000)
    """Of ES-D-RTRL's filters, per step; a whole number k >= 1 stands for (k - 1) / (k + 1)."""
    bias_correction: str = "corrected"
    """Of ES-D-RTRL's filters."""
    segments: int = number(0, 0, LONGEST)
    """Of checkpointed BPTT; 0 is the square root of the chunk."""
    mode: str = "plain"
    """How the framework runs it: plain (JAX jitted, PyTorch eager), compile (PyTorch: the loops of a block, by
    torch.compile), cuda_graph (PyTorch on a GPU: recorded once, then replayed), triton (on a GPU: kernels of their own
    for what is sequential, where there are some for the layer and the algorithm; PyTorch's are replayed as well). In a
    plan for a GPU that says nothing it is what `on_a_gpu` chooses."""
    unroll: int = number(1, 1, 4_096)
    """JAX: steps of a sequential loop in one iteration of the compiled one; see `on_a_gpu`."""
    precision: str = "highest"
    """Of float32 matrix products: highest, or default, with which a GPU may take TF32."""
    trace_dtype: str = "same"
    """How D-RTRL's trace is stored, whatever it is computed in: same as all, or bfloat16."""
    auto: bool = False
    """Whether the cost model chose K."""
    limit_mib: float = number(0.0, 0, 1_000_000_000)
    """Working memory in MiB that the cost model may plan with; 0: what bench/cost/chunk.py allows."""
    dtype: str = "float32"
    device: str = "cpu"
    threads: int = number(2, 1, 65_536)
    seed: int = number(0, 0, 2**63 - 1)

    @property
    def key(self) -> str:
        """Hash of the fields that are not at their defaults: the identity of the case in records."""
        return digest(set_apart(self))

    @property
    def problem_key(self) -> str:
        """Hash of what fixes weights, data and reference gradient: the same for every implementation."""
        rule = ("algorithm", "chunk", "auto", "limit_mib", "decay", "bias_correction", "segments")
        how = ("mode", "unroll", "precision", "trace_dtype")
        apart = ("framework", "device", "threads", "dtype", *rule, *how)
        return digest({k: v for k, v in set_apart(self).items() if k not in apart})

    @property
    def label(self) -> str:
        """One readable line; `words` are what finds it."""
        sizes = f"T={self.steps} K={self.chunk} N={self.neurons} B={self.batch} L={self.layers}"
        words = (self.algorithm, self.framework, self.cell, self.readout, self.dataset, sizes, self.dtype, self.device)
        how = [self.mode] if self.mode != "plain" else []
        how += ["trace", self.trace_dtype] if self.trace_dtype != "same" else []
        how += ["auto"] if self.auto else []
        how += [f"limit_mib={self.limit_mib:g}"] if self.limit_mib else []
        return " ".join([*words, *how])


def words(case: Case, *more: str) -> set[str]:
    """The words by which `-k` and the search of a report find a case, whole and in any case: its label's and `more`."""
    return {*case.label.split(), *more}


def set_apart(case: Case) -> dict[str, Any]:
    """The fields of a case that are not at their defaults; a field added later changes no identity."""
    return {f.name: v for f in fields(Case) if (v := getattr(case, f.name)) != f.default}


@dataclass(frozen=True)
class Plan:
    """Cases and how long each may take."""

    name: str
    description: str
    cases: tuple[Case, ...]
    limit_s: float = number(300.0, 0, 604_800, above=True)
    """A case is stopped after this many seconds, a week at most."""
    budget_s: float = number(5.0, 0, 604_800)
    """Seconds spent on timing samples of a case."""
    rounds: int = number(1, 1, 10_000)
    """How often the whole list is measured, in a new order each time: that interleaves the cases."""
    order_seed: int = number(0, 0, 2**63 - 1)
    plugins: tuple[str, ...] = ()
    """Where names that are not the project's come from: files, from the plan's folder, or modules."""


FIELDS: dict[type, dict[str, Any]] = {kind: {f.name: f for f in fields(kind)} for kind in (Case, Plan)}
"""The fields of a case and of a plan by name, with the types and ranges of their values."""


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def names() -> list[str]:
    """Plans that come with the package."""
    return sorted(path.stem for path in PLANS.glob("*.toml"))


def find(name: str) -> Path:
    """The file of a plan given by name or by path."""
    if name.endswith(".toml"):
        return Path(name)
    if name not in (known := names()):
        hint = registry.nearest(name, known)
        if f"{name}.toml" in os.listdir():
            hint = f"did you mean the file {name}.toml?"
        elif not hint.endswith("?"):
            hint += "; a plan of your own is given as a path that ends in .toml"
        raise PlanError(f"plan {shown(name)}: {hint}")
    return PLANS / f"{name}.toml"


def read(name: str) -> Plan:
    """A plan by name or path, once its plugins are loaded. Raises PlanError for anything in it that cannot be run."""
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
    named = table.pop("plugins", [])
    if not isinstance(named, list) or len(named) > MOST_PLUGINS or not all(is_line(each) for each in named):
        said = f"a list of files, from the plan's folder, or modules, at most {MOST_PLUGINS}"
        raise PlanError(f"{where}: plugins is {shown(named)}; it must be {said}")
    settings = [f.name for f in fields(Plan) if f.name not in ("name", "cases", "plugins")]
    for key in table:
        if key not in settings:
            known = ("grid", "defaults", "plugins", *settings)
            raise PlanError(f"{where}: key {shown(key)}: {registry.nearest(key, known)}")
    if not is_line(table.setdefault("description", "")):
        said = f"a line of at most {MOST_LETTERS:,} printable characters"
        raise PlanError(f"{where}: description is {shown(table['description'])}; it must be {said}")
    table |= {key: setting(path, key, value) for key, value in table.items() if key != "description"}
    plugins.load(named, beside=path.parent)
    cases = expand(path, {f"grid {number}": {**defaults, **grid} for number, grid in enumerate(grids, start=1)})
    return bounded(path, Plan(**table, name=path.stem, cases=cases, plugins=tuple(named)))


def expand(path: Path, grids: Mapping[str, dict[str, Any]]) -> tuple[Case, ...]:
    """The products of the lists of grids, by their names in an error, as cases; equal cases are one.

    Raises PlanError for too many before any product is made.
    """
    each = {where: {k: v if isinstance(v, list) else [v] for k, v in grid.items()} for where, grid in grids.items()}
    total = sum(math.prod(len(values) for values in grid.values()) for grid in each.values())
    if total > MOST_CASES:
        said = f"{total:,}" if total < 10**18 else f"some 10**{math.log10(total):.0f}"
        raise PlanError(f"{textfile.shown(path)}: {said} cases; a plan may have {MOST_CASES:,} at most")
    lists = {where: choices(path, where, grid) for where, grid in each.items()}
    if (auto := sum(number_of_auto(grid) for grid in lists.values())) > MOST_AUTO:
        said = f'{auto:,} cases with chunk = "auto"; a plan may have {MOST_AUTO:,} of them at most: give numbers'
        raise PlanError(f"{textfile.shown(path)}: {said}")
    products = ((where, choice) for where, grid in lists.items() for choice in itertools.product(*grid))
    cases = (check(path, where, Case(**on_a_gpu(dict(choice)))) for where, choice in products)
    return tuple(dict.fromkeys(cases))


def choices(path: Path, where: str, grid: dict[str, list[Any]]) -> list[list[tuple[str, Any]]]:
    """The values of each key of a grid, once each of them is one that the field may hold."""
    known = {f.name for f in fields(Case)}
    found = []
    for key, values in grid.items():
        if key not in known:
            raise PlanError(f"{textfile.shown(path)}: {where}: key {shown(key)}: {registry.nearest(key, known)}")
        if not values:
            raise PlanError(f"{textfile.shown(path)}: {where}: {key} is an empty list, which leaves no case")
        if key == "chunk":
            values = [registry.AUTO if v == "auto" else taken(path, where, key, v) for v in values]
        else:
            values = [taken(path, where, key, v) for v in values]
        found.append([(key, v) for v in values])
    return found


def number_of_auto(grid: list[list[tuple[str, Any]]]) -> int:
    """How many cases of a grid's product leave the chunk to the cost model."""
    auto = [sum(choice == ("chunk", registry.AUTO) for choice in values) for values in grid]
    return math.prod(n or len(values) for n, values in zip(auto, grid, strict=True)) if any(auto) else 0


def on_a_gpu(choice: dict[str, Any]) -> dict[str, Any]:
    """The fields of a case that a plan gives, and how a GPU runs it fastest, where that is not among them."""
    case = Case(**choice)
    if case.device != "gpu":
        return choice
    best: dict[str, Any] = {"mode": "triton"} if case.dtype == "float32" else {}
    if case.framework == "jax":
        best["unroll"] = 16
    return best | choice


def check(path: Path, where: str, case: Case) -> Case:
    """The case with K = T resolved, once its fields hold what they may, its names exist and all go together."""
    apart = {"chunk"} if case.chunk == registry.AUTO else set()
    case = Case(**{key: v if key in apart else taken(path, where, key, v) for key, v in vars(case).items()})
    place = f"{textfile.shown(path)}: {where}"
    for key, known in registry.NAMES.items():
        value = getattr(case, key)
        if value not in known():
            raise PlanError(f"{place}: {key} {shown(value)}: {registry.nearest(value, known())}")
    try:
        smoothing(case.decay, case.bias_correction)
    except ValueError as error:
        raise PlanError(f"{place}: {error}") from None
    if reason := registry.unsuited(case):
        raise PlanError(f"{place}: {reason}")
    if case.chunk == registry.AUTO:
        module = registry.dataset(case.dataset)
        try:
            picked = chunk.best(case, case.features or module.FEATURES, module.CLASSES)
        except ValueError as error:
            raise PlanError(f"{place}: {error}") from None
        return replace(case, chunk=picked, auto=True)
    return replace(case, chunk=min(case.chunk or case.steps, case.steps))


def taken(path: Path, where: str, key: str, value: Any) -> Any:
    """The value as a field of a case holds it. Raises PlanError with the place in the plan, too."""
    try:
        return held(Case, key, value)
    except ValueError as error:
        raise PlanError(f"{textfile.shown(path)}: {where}: {error}") from None


def setting(path: Path, key: str, value: Any) -> Any:
    """The value of a plan's own field, if it is of the field's kind and within its range."""
    try:
        return held(Plan, key, value)
    except ValueError as error:
        raise PlanError(f"{textfile.shown(path)}: {error}") from None


def bounded(path: Path, plan: Plan) -> Plan:
    """The plan, unless it asks for more measurements than anybody could want. Raises PlanError."""
    if (number := len(plan.cases) * plan.rounds) > MOST_MEASUREMENTS:
        said = f"{plan.rounds:,} rounds of {len(plan.cases):,} cases are {number:,} measurements"
        raise PlanError(f"{textfile.shown(path)}: {said}; a plan may have {MOST_MEASUREMENTS:,} at most")
    return plan


def held(kind: type, name: str, value: Any) -> Any:
    """The value as a field of Case or Plan holds it; whole numbers serve as floats.

    Raises ValueError with the field, the value and what the field may hold. Names are looked up in the registry by
    `check`.
    """
    which = FIELDS[kind][name]
    allowed: Range | None = which.metadata.get("range")
    right = type(value) is which.type or (which.type is float and type(value) is int)
    if right and (allowed is None or allowed.holds(value)):
        return float(value) if which.type is float else value
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "one of"}[which.type]
    said = f"{words} {allowed or ', '.join(sorted(registry.NAMES.get(name, tuple)()))}".rstrip()
    raise ValueError(f"{name} is {shown(value)}; it must be {said}" + (', or "auto"' if name == "chunk" else ""))


def is_line(value: Any) -> bool:
    """Whether a value is text of one line, of a length to be read: no control characters, no lone surrogates."""
    return isinstance(value, str) and len(value) <= MOST_LETTERS and (not value or value.isprintable())


def shown(value: Any, most: int = 60) -> str:
    """A value in the line of an error: whatever it is, short and of printable characters."""
    if isinstance(value, dict | list | tuple):
        return f"a {'table' if isinstance(value, dict) else 'list'} of {len(value):,}"
    if type(value) is int and value.bit_length() > 4 * most:  # Python writes no number of more than 4,300 digits
        return f"a number of some {value.bit_length() * math.log10(2):,.0f} digits"
    if isinstance(value, str) and len(value) > most:
        return f"{value[:most]!r}... ({len(value):,} characters)"
    return f"{value!r:.{2 * most}}"
