"""Case: one thing to measure. Plan: the cases of a run, read from a TOML file as grids of values."""

import hashlib
import itertools
import json
import math
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from drtrl_bench import chunk, plugins, registry
from drtrl_bench.implementations.filtering import smoothing

PLANS = Path(__file__).parent / "plans"


class PlanError(ValueError):
    """A plan that cannot be run; the message names the file, the key and the way out."""


@dataclass(frozen=True)
class Case:
    """dataset, cell, algorithm, framework, device and sizes; everything the gradient and its cost depend on."""

    algorithm: str = "drtrl"
    framework: str = "jax"
    cell: str = "lif_delta"
    readout: str = "leaky"
    dataset: str = "digits"
    features: int = 0
    """Input lines I; 0 is the data set's own number."""
    layers: int = 1
    neurons: int = 64
    batch: int = 8
    steps: int = 128
    """Length T of the sequence."""
    chunk: int = 32
    """Length K of a chunk; in a plan, 0 stands for K = T and "auto" for the cost model's choice (bench/chunk.py)."""
    scale_x: float = 1.0
    scale_r: float = 1.0
    """Initial variances times fan-in of the input and the recurrent weights."""
    initial: str = "normal"
    """Distribution of the initial weights."""
    decay: float = 0.9
    """Of ES-D-RTRL's filters, per step; a whole number k >= 1 stands for (k - 1) / (k + 1)."""
    bias_correction: str = "corrected"
    """Of ES-D-RTRL's filters."""
    segments: int = 0
    """Of checkpointed BPTT; 0 is the square root of the chunk."""
    mode: str = "plain"
    """How the framework runs it: plain (JAX jitted, PyTorch eager), compile (PyTorch: the loops of a block, by
    torch.compile), cuda_graph (PyTorch on a GPU), triton (PyTorch on a GPU: D-RTRL's step at K = 1 in one kernel)."""
    unroll: int = 1
    """JAX: steps of a sequential loop in one iteration of the compiled one."""
    precision: str = "highest"
    """Of float32 matrix products: highest, or default, with which a GPU may take TF32."""
    trace_dtype: str = "same"
    """How D-RTRL's trace is stored, whatever it is computed in: same as all, or bfloat16."""
    auto: bool = False
    """Whether the cost model chose K."""
    limit_mib: float = 0.0
    """Working memory in MiB that the cost model may plan with; 0: what bench/chunk.py allows."""
    dtype: str = "float32"
    device: str = "cpu"
    threads: int = 2
    seed: int = 0

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
    limit_s: float = 300.0
    """A case is stopped after this many seconds."""
    budget_s: float = 5.0
    """Seconds spent on timing samples of a case."""
    rounds: int = 1
    """How often the whole list is measured, in a new order each time: that interleaves the cases."""
    order_seed: int = 0
    plugins: tuple[str, ...] = ()
    """Where names that are not the project's come from: files, from the plan's folder, or modules."""


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def names() -> list[str]:
    """Plans that come with the package."""
    return sorted(path.stem for path in PLANS.glob("*.toml"))


def find(name: str) -> Path:
    """The file of a plan given by name or by path."""
    path = Path(name) if name.endswith(".toml") else PLANS / f"{name}.toml"
    if not path.is_file():
        hint = registry.nearest(name, names()) if not name.endswith(".toml") else "no such file"
        raise PlanError(f"plan {name!r}: {hint}")
    return path


def read(name: str) -> Plan:
    """A plan by name or path, once its plugins are loaded. Raises PlanError for anything in it that cannot be run."""
    path = find(name)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PlanError(f"{path}: not TOML: {error}") from None
    except OSError as error:
        raise PlanError(f"{path}: {error.strerror}") from None
    grids, defaults = table.pop("grid", []), table.pop("defaults", {})
    if not isinstance(grids, list) or not grids or not all(isinstance(g, dict) for g in (*grids, defaults)):
        raise PlanError(f"{path}: needs at least one [[grid]] table, and [defaults] may only be a table")
    named = table.pop("plugins", [])
    if not isinstance(named, list) or not all(isinstance(each, str) for each in named):
        raise PlanError(f"{path}: plugins is {named!r}; it must be a list of files, from the plan's folder, or modules")
    plugins.load(named, beside=path.parent)
    settings = {f.name: f.type for f in fields(Plan) if f.name not in ("name", "cases", "plugins")}
    for key, value in table.items():
        if key not in settings:
            raise PlanError(f"{path}: key {key!r}: {registry.nearest(key, settings)}")
        table[key] = setting(path, key, value)
    cases: dict[Case, None] = {}
    for number, grid in enumerate(grids, start=1):
        cases |= dict.fromkeys(expand(path, f"grid {number}", {**defaults, **grid}))
    return Plan(**{"description": "", **table}, name=path.stem, cases=tuple(cases), plugins=tuple(named))


def expand(path: Path, where: str, grid: dict[str, Any]) -> list[Case]:
    """The product of a grid's lists, as cases."""
    known = {f.name: f.type for f in fields(Case)}
    lists = []
    for key, value in grid.items():
        if key not in known:
            raise PlanError(f"{path}: {where}: key {key!r}: {registry.nearest(key, known)}")
        values = value if isinstance(value, list) else [value]
        if key == "chunk":
            if registry.AUTO in values:
                raise PlanError(f'{path}: {where}: chunk is {registry.AUTO}; it must be 0 or more, or "auto"')
            values = [registry.AUTO if v == "auto" else v for v in values]
        if not values:
            raise PlanError(f"{path}: {where}: {key} is an empty list, which leaves no case")
        lists.append([(key, typed(path, f"{where}: {key}", v, known[key])) for v in values])
    return [check(path, where, Case(**dict(choice))) for choice in itertools.product(*lists)]


def check(path: Path, where: str, case: Case) -> Case:
    """The case with K = T resolved, once its names exist and its sizes make sense."""
    for key, known in registry.NAMES.items():
        value = getattr(case, key)
        if value not in known():
            raise PlanError(f"{path}: {where}: {key} {value!r}: {registry.nearest(value, known())}")
    for key in ("layers", "neurons", "batch", "steps", "threads", "unroll"):
        if getattr(case, key) < 1:
            raise PlanError(f"{path}: {where}: {key} is {getattr(case, key)}; it must be at least 1")
    try:
        smoothing(case.decay, case.bias_correction)
    except ValueError as error:
        raise PlanError(f"{path}: {where}: {error}") from None
    if reason := registry.unsuited(case):
        raise PlanError(f"{path}: {where}: {reason}")
    for key in ("chunk", "features", "seed", "scale_x", "scale_r", "segments", "limit_mib"):
        if key == "chunk" and case.chunk == registry.AUTO:
            continue
        if not 0 <= getattr(case, key) < math.inf:
            raise PlanError(f"{path}: {where}: {key} is {getattr(case, key)}; it must be 0 or more, and finite")
    if case.chunk == registry.AUTO:
        module = registry.dataset(case.dataset)
        try:
            picked = chunk.best(case, case.features or module.FEATURES, module.CLASSES)
        except ValueError as error:
            raise PlanError(f"{path}: {where}: {error}") from None
        return replace(case, chunk=picked, auto=True)
    return replace(case, chunk=min(case.chunk or case.steps, case.steps))


def setting(path: Path, key: str, value: Any) -> Any:
    """The value of a plan's own field, if it is of the field's kind and within its range."""
    found = typed(path, key, value, next(f.type for f in fields(Plan) if f.name == key))
    if key in ("limit_s", "rounds") and not 0 < found < math.inf:
        raise PlanError(f"{path}: {key} is {value}; it must be above 0 and finite")
    if key == "budget_s" and not 0 <= found < math.inf:
        raise PlanError(f"{path}: {key} is {value}; it must be 0 or more, and finite")
    return found


def typed(path: Path, key: str, value: Any, kind: Any) -> Any:
    """The value, if it is of the field's kind; whole numbers serve as floats."""
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise PlanError(f"{path}: {key} is {value!r}; it must be {'an' if kind is int else 'a'} {kind.__name__}")
    return value
