"""Define a case, what one measurement needs, and a plan, the cases of a run and their limits (read by `plan.py`)."""

import hashlib
import json
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any

from drtrl_bench import data, registry
from drtrl_bench.implementations.algorithms.approximate.filtering import BIAS_CORRECTIONS
from drtrl_bench.implementations.cells.cell import RESETS, SURROGATES

LONGEST = 10**15
"""Steps of a sequence at most: `measure.refusal`, and not the case, refuses what a machine cannot hold."""
OWN = "own"
"""The option of a cell that the registry or a plugin gives it."""
ROLES = PROBLEM, ALGORITHM, RUN = "problem", "algorithm", "run"
"""What a field of a case decides: weights, data and exact gradient; the algorithm and its options; or how it is run."""
Names = Callable[[], Collection[str]]


@dataclass(frozen=True)
class Range:
    """Define the numbers that a field may hold, from `least` to `most`."""

    least: float
    most: float
    above: bool = False
    """Whether `least` itself is too little."""

    def holds(self, value: float) -> bool:
        """Tell whether a number lies in the range; nan does not."""
        return (self.least < value if self.above else self.least <= value) and value <= self.most

    def __str__(self) -> str:
        least = f"above {self.least:,} and up" if self.above else f"from {self.least:,}"
        return f"{least} to {self.most:,}"


def number(default: float, least: float, most: float, above: bool = False) -> Any:
    """Declare a field of a plan that holds a number in a range."""
    return field(default=default, metadata={"range": Range(least, most, above)})


def option(
    default: Any,
    role: str,
    header: str = "",
    phrase: str = "{}",
    *,
    range: tuple[float, float] | None = None,
    names: tuple[str, ...] | Names | None = None,
    always: bool = False,
    later: bool = False,
) -> Any:
    """Declare a field of a case in one line.

    role: PROBLEM, ALGORITHM or RUN. header: the title of its column in a table; a field without one has its column in
    every table. phrase: its value in a caption. range: of its numbers. names: those that it may hold. always: whether
    captions say the default, too. later: whether the first records lack it.
    """
    metadata = {"role": role, "header": header, "phrase": phrase, "always": always, "later": later}
    metadata |= {"range": Range(*range)} if range else {}
    metadata |= {"names": (lambda: names) if isinstance(names, tuple) else names} if names else {}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Case:
    """Hold data set, cell, algorithm, framework, device and sizes: all that a gradient and its cost depend on."""

    algorithm: str = option("drtrl", ALGORITHM, names=lambda: registry.ALGORITHMS)
    framework: str = option("jax", RUN, names=lambda: registry.FRAMEWORKS)
    cell: str = option("lif_delta", PROBLEM, "cell", names=lambda: registry.CELLS, always=True)
    readout: str = option("leaky", PROBLEM, "readout", "{} readout", names=lambda: registry.READOUTS, always=True)
    dataset: str = option("digits", PROBLEM, names=data.datasets)
    features: int = option(0, PROBLEM, "I", "I = {}", range=(0, 10_000_000))
    """Input lines I; 0 is the data set's own number."""
    layers: int = option(1, PROBLEM, "L", "L = {}", range=(1, 100), always=True)
    neurons: int = option(64, PROBLEM, "N", "N = {}", range=(1, 1_000_000), always=True)
    batch: int = option(8, PROBLEM, "B", "B = {}", range=(1, 1_000_000), always=True)
    steps: int = option(128, PROBLEM, range=(1, LONGEST))
    """Length T of the sequence."""
    chunk: int = option(32, ALGORITHM, range=(0, LONGEST))
    """Length K of a chunk; in a plan, 0 stands for K = T and "auto" for the choice of bench/cost/chunk.py."""
    scale_x: float = option(1.0, PROBLEM, "scale x", "scale_x = {}", range=(0, 1_000_000))
    scale_r: float = option(1.0, PROBLEM, "scale r", "scale_r = {}", range=(0, 1_000_000))
    """Initial variances times fan-in of the input and the recurrent weights."""
    initial: str = option("normal", PROBLEM, "initial", "{} initial weights", names=("normal", "truncated"), later=True)
    """Distribution of the initial weights."""
    surrogate: str = option(OWN, PROBLEM, "surrogate", "surrogate {}", names=(OWN, *SURROGATES), later=True)
    """Surrogate derivative of the hidden layers' spikes."""
    reset: str = option(OWN, PROBLEM, "reset", "{} reset", names=(OWN, *RESETS), later=True)
    """Reset of LIF neurons."""
    detach_reset: bool = option(False, PROBLEM, "detached", "detach_reset = {}", later=True)
    """Whether the reset of LIF neurons has no gradient through the spike; false leaves it to the cell."""
    decay: float = option(0.9, ALGORITHM, "decay", "decay = {}", range=(0, 1_000_000), later=True)
    """Decay of ES-D-RTRL's filters per step; a whole number k >= 1 stands for (k - 1) / (k + 1)."""
    decay_x: float = option(0.0, ALGORITHM, "decay x", "decay_x = {}", range=(0, 1_000_000), later=True)
    """Decay of ES-D-RTRL's presynaptic filter, if `decay` is to be the postsynaptic one's alone; 0: it is of both."""
    bias_correction: str = option(
        "corrected", ALGORITHM, "correction", "bias correction {}", names=BIAS_CORRECTIONS, later=True
    )
    """Bias correction of ES-D-RTRL's filters."""
    segments: int = option(0, ALGORITHM, "segments", "{} segments", range=(0, LONGEST), later=True)
    """Segments of checkpointed BPTT, where 0 is the square root of the chunk, and of native BPTT, where 0 is none."""
    mode: str = option("plain", RUN, "mode", "mode {}", names=("plain", "compile", "cuda_graph", "triton"), later=True)
    """How the framework runs the case: plain (JAX jitted, PyTorch eager), compile (PyTorch: the loops of a block, by
    torch.compile), cuda_graph (PyTorch on a GPU: recorded once, then replayed), triton (on a GPU: kernels for the
    sequential part of layers and algorithms that have them; in PyTorch they are replayed as well). If a plan for a GPU
    names no mode, `plan.on_a_gpu` chooses it."""
    unroll: int = option(1, RUN, "unroll", "unroll = {}", range=(1, 4_096), later=True)
    """JAX: steps of a sequential loop in one iteration of the compiled loop; see `plan.on_a_gpu`."""
    precision: str = option("highest", RUN, "precision", "{} precision", names=("highest", "default"), later=True)
    """Precision of float32 matrix products: highest, or default, with which a GPU may use TF32."""
    trace_dtype: str = option("same", ALGORITHM, "trace", "trace in {}", names=("same", "bfloat16"), later=True)
    """Type in which D-RTRL's trace is stored: same, the type it is computed in, or bfloat16."""
    auto: bool = option(False, ALGORITHM, "auto", "auto = {}", later=True)
    """Whether the cost model chose K."""
    limit_mib: float = option(0.0, ALGORITHM, "limit", "limit_mib = {}", range=(0, 1_000_000_000), later=True)
    """Working memory in MiB within which the cost model chooses K; 0: what bench/cost/chunk.py allows."""
    dtype: str = option("float32", RUN, "dtype", names=("float32", "float64"), always=True)
    device: str = option("cpu", RUN, "device", names=("cpu", "gpu"), always=True)
    threads: int = option(2, RUN, "threads", "threads = {}", range=(1, 65_536), always=True)
    seed: int = option(0, PROBLEM, "seed", "seed {}", range=(0, 2**63 - 1))

    @property
    def key(self) -> str:
        """Return the hash of the fields that are not at their defaults: the identity of the case in records."""
        return digest(non_defaults(self))

    @property
    def problem_key(self) -> str:
        """Return the hash of the fields that fix weights, data and reference gradient; implementations share it."""
        return digest({name: value for name, value in non_defaults(self).items() if name in fields_of_role(PROBLEM)})

    @property
    def cell_options(self) -> dict[str, Any]:
        """Return the options of the hidden layers' cell that the case sets; the others are the cell's own."""
        chosen = {"surrogate": self.surrogate, "reset": self.reset, "detach_reset": self.detach_reset}
        return {name: value for name, value in chosen.items() if value not in (OWN, False)}

    @property
    def label(self) -> str:
        """Describe the case in one line, whose words find it: see `words`."""
        sizes = f"T={self.steps} K={self.chunk} N={self.neurons} B={self.batch} L={self.layers}"
        words = (self.algorithm, self.framework, self.cell, self.readout, self.dataset, sizes, self.dtype, self.device)
        options = [self.mode] if self.mode != "plain" else []
        options += ["trace", self.trace_dtype] if self.trace_dtype != "same" else []
        options += ["auto"] if self.auto else []
        options += [f"limit_mib={self.limit_mib:g}"] if self.limit_mib else []
        options += [f"segments={self.segments}"] if self.segments else []
        return " ".join([*words, *options])


def words(case: Case, *more: str) -> set[str]:
    """Return the words by which `-k` and the search of a report find a case: those of its label, and `more`."""
    return {*case.label.split(), *more}


def non_defaults(case: Case) -> dict[str, Any]:
    """Return the fields of a case that are not at their defaults, so that a field added later changes no identity."""
    return {f.name: v for f in fields(Case) if (v := getattr(case, f.name)) != f.default}


@dataclass(frozen=True)
class Plan:
    """Hold the cases of a run, and how long each may take."""

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
    """Files, from the plan's folder, or modules that bring names which are not the project's."""


@cache
def fields_of_role(role: str) -> tuple[str, ...]:
    """List the fields of a case that decide the problem, the algorithm or how it is run."""
    return tuple(f.name for f in fields(Case) if f.metadata["role"] == role)


def names_of(name: str) -> Collection[str]:
    """List the names that a field of a case may hold; empty for a field that holds no names."""
    return known() if (known := FIELDS[Case][name].metadata.get("names")) else ()


FIELDS: dict[type, dict[str, Any]] = {kind: {f.name: f for f in fields(kind)} for kind in (Case, Plan)}
"""The fields of a case and of a plan by name, with the types and ranges of their values."""


def digest(value: Any) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of a value written as JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def field_value(kind: type, name: str, value: Any) -> Any:
    """Check a value of a field of Case or Plan, and return it in the type of the field: a whole number may be a float.

    Raises ValueError with the field, the value and what the field may hold. `plan.check` checks that a name is known.
    """
    declared = FIELDS[kind][name]
    allowed: Range | None = declared.metadata.get("range")
    has_type = type(value) is declared.type or (declared.type is float and type(value) is int)
    if has_type and (allowed is None or allowed.holds(value)):
        return float(value) if declared.type is float else value
    known = names_of(name) if kind is Case else ()
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "one of"}[declared.type]
    expected = f"{words} {allowed or ', '.join(sorted(known))}".rstrip()
    raise ValueError(f"{name} is {excerpt(value)}; it must be {expected}" + (', or "auto"' if name == "chunk" else ""))


def excerpt(value: Any, most: int = 60) -> str:
    """Return any value as short text of printable characters, for the line of an error."""
    if isinstance(value, dict | list | tuple):
        return f"a {'table' if isinstance(value, dict) else 'list'} of {len(value):,}"
    if type(value) is int and value.bit_length() > 4 * most:  # Python writes no number of more than 4,300 digits
        return f"a number of some {value.bit_length() * math.log10(2):,.0f} digits"
    if isinstance(value, str) and len(value) > most:
        return f"{value[:most]!r}... ({len(value):,} characters)"
    return f"{value!r:.{2 * most}}"
