"""Names -> implementations, cells and data sets, as greppable literals; nothing is imported until it is used."""

import difflib
import hashlib
import importlib
import importlib.util
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from drtrl_bench import install, provenance
from drtrl_bench.implementations.algorithms.approximate.filtering import BIAS_CORRECTIONS

AUTO = -1
"""What stands for chunk = "auto" until the cost model has chosen K."""
DATASETS = Path(__file__).parent / "datasets"
UNROLLED = 64
"""Steps that torch.compile is asked to unroll at most: it takes seconds for each."""


@dataclass(frozen=True)
class Algorithm:
    """What an algorithm's gradient must be."""

    about: str
    reference: str | Callable[..., Any]
    """The function that defines it, in NumPy: its name in implementations/reference/, or a plugin's own ..."""
    by: tuple[str, ...] = ()
    """... given these fields of the case, which change the gradient."""
    options: tuple[str, ...] = ()
    """Fields of the case that `advance` takes."""
    carry: str = "states"
    """What it carries besides the states, of `CARRIES`."""
    paths: str = ""
    """Which paths through recurrent weights it pulls the loss back by: all, own (a neuron's weight on itself) or none.
    If left out, all where the states or an influence are carried, and none where traces or filters are."""
    blockwise: bool = False
    """Whether `advance` takes an `execution` and goes through a chunk in blocks as that says."""

    def module(self, name: str, framework: str) -> Any:
        """What has its `init` and `advance` in a framework."""
        return importlib.import_module(f"{provenance.PACKAGE}.{place(name, framework)}")

    def pulls(self, paths: str) -> bool:
        """Whether the paths that it pulls the loss back by are these."""
        return paths == (self.paths or ("all" if self.carry in ("states", "influence") else "none"))


def place(name: str, framework: str) -> str:
    """The module of one of the project's own algorithms, within the package."""
    folder = "exact" if name in EXACT else "approximate"
    return f"implementations.algorithms.{folder}.{name}_{framework}"


EXACT = ("bptt", "bptt_checkpointed", "rtrl")
"""The algorithms of implementations/algorithms/exact; all others lie in approximate."""
CARRIES = ("states", "trace", "influence", "filters", "other")
"""Nothing else; a trace or the influence of every weight; a filter of every line; what no formula here knows."""
ES = ("decay", "bias_correction")
ALGORITHMS = {
    "bptt": Algorithm(
        "backpropagation through time; K < T is truncated BPTT",
        "bptt",
        ("chunk",),
        blockwise=True,
    ),
    "bptt_checkpointed": Algorithm(
        "BPTT that runs segments twice to save memory",
        "bptt",
        ("chunk",),
        ("segments",),
        blockwise=True,
    ),
    "rtrl": Algorithm(
        "exact real-time recurrent learning, at every K",
        "bptt",
        carry="influence",
        blockwise=True,
    ),
    "drtrl": Algorithm(
        "D-RTRL: paths through weights are cut; same gradient at every K",
        "drtrl_by_cutting",
        carry="trace",
        blockwise=True,
    ),
    "es_drtrl": Algorithm(
        "ES-D-RTRL (pp-prop): two filters instead of a trace", "es_drtrl", ES, ES, carry="filters", blockwise=True
    ),
    "snap1": Algorithm(
        "SnAp-1: D-RTRL that keeps each neuron's weight on itself",
        "snap1_by_cutting",
        carry="trace",
        blockwise=True,
        paths="own",
    ),
    "drtrl_window": Algorithm(
        "BPTT inside windows of K steps, D-RTRL's trace before",
        "drtrl_window",
        ("chunk",),
        carry="trace",
        blockwise=True,
        paths="all",
    ),
    "random_feedback": Algorithm(
        "control: D-RTRL, random weights to hidden layers", "random_feedback", carry="trace", blockwise=True
    ),
    "no_trace": Algorithm("control: the current step only", "no_trace", paths="none", blockwise=True),
}

CELLS: dict[str, tuple[str | Callable[[str | None], Any], dict[str, Any]]] = {
    "tanh_rnn": ("TanhRNN", {}),
    "leaky_rnn": ("LeakyRNN", {}),
    "leaky_rnn_trained": ("LeakyRNN", {"trainable": ("tau",)}),
    "gru": ("GRU", {}),
    "lstm": ("LSTM", {}),
    "mgu": ("MGU", {}),
    "lru": ("LRU", {}),
    "if_delta": ("LIF", {}),
    "lif_delta": ("LIF", {"reset": "soft"}),
    "lif_delta_hard": ("LIF", {"reset": "hard"}),
    "lif_delta_trained": ("LIF", {"trainable": ("tau", "threshold")}),
    "lif_expcu": ("LIF", {"states": ("V", "g")}),
    "lif_std": ("LIF", {"states": ("V", "x", "g"), "U": 0.1}),
    "lif_stp": ("LIF", {"states": ("V", "u", "x", "g"), "U": 0.15}),
    "lif_std_before": ("LIF", {"states": ("V", "x", "g"), "U": 0.1, "release": "before"}),
    "lif_stp_before": ("LIF", {"states": ("V", "u", "x", "g"), "U": 0.15, "release": "before"}),
    "alif_delta": ("LIF", {"states": ("V", "a")}),
    "alif_expcu": ("LIF", {"states": ("V", "a", "g")}),
    "alif_std": ("LIF", {"states": ("V", "a", "x", "g"), "U": 0.1}),
    "alif_stp": ("LIF", {"states": ("V", "a", "u", "x", "g"), "U": 0.15}),
    "gif": ("GIF", {}),
    "ei_gif": ("EIGIF", {}),
    "egru": ("EGRU", {}),
    "egru_traced": ("EGRU", {"traced": True}),
}
"""Class and options; the states of a LIF choose adaptation (a) and synapse (g, x, u). A plugin's class is what a
function makes of the framework's name, or of None for the bare specification."""

OTHER_DATASETS: dict[str, Any] = {}
"""Data sets that plugins brought: what has the attributes of a module of `datasets/`."""

READOUTS = {"leaky": "LeakyReadout", "linear": "LinearReadout"}

FRAMEWORKS = {name: install.command(name) for name in ("jax", "torch")}

NAMES: dict[str, Callable[[], Collection[str]]] = {
    "algorithm": lambda: ALGORITHMS,
    "framework": lambda: FRAMEWORKS,
    "cell": lambda: CELLS,
    "readout": lambda: READOUTS,
    "dataset": lambda: datasets(),
    "dtype": lambda: ("float32", "float64"),
    "device": lambda: ("cpu", "gpu"),
    "initial": lambda: ("normal", "truncated"),
    "bias_correction": lambda: BIAS_CORRECTIONS,
    "mode": lambda: ("plain", "compile", "cuda_graph", "triton"),
    "precision": lambda: ("highest", "default"),
    "trace_dtype": lambda: ("same", "bfloat16"),
}
"""The fields of a case that hold names, and what they may be."""


def unsuited(case: Any) -> str | None:
    """Why the fields of a case do not go together, with the way out, or None."""
    traced = ALGORITHMS[case.algorithm].carry == "trace"
    if case.mode in ("compile", "cuda_graph") and case.framework != "torch":
        return f"mode {case.mode!r} is PyTorch's; a JAX case is always jitted: leave mode out"
    if case.mode in ("cuda_graph", "triton") and case.device != "gpu":
        return f"mode {case.mode!r} needs device = 'gpu'"
    whole = not ALGORITHMS[case.algorithm].blockwise and not 0 < (case.chunk or case.steps) <= UNROLLED
    if case.mode == "compile" and whole:
        return f"mode 'compile' unrolls a chunk: give one of at most {UNROLLED} steps"
    if case.unroll != 1 and case.framework != "jax":
        return "unroll is JAX's; PyTorch's loops are run as they are, or compiled by mode = 'compile': leave unroll out"
    if case.trace_dtype != "same" and not traced:
        return f"{case.algorithm} carries no trace that trace_dtype could store"
    if case.dtype != "float32" and (case.mode == "triton" or case.trace_dtype != "same"):
        return "mode 'triton' and trace_dtype are of float32 cases"
    if case.auto:
        return 'auto is set by chunk = "auto"'
    if case.limit_mib and case.chunk != AUTO:
        return 'limit_mib is for chunk = "auto"'
    return None


def nearest(name: str, known: Collection[str]) -> str:
    """What to tell somebody who wrote a name that does not exist; of a long one, by its beginning."""
    name = name[:100]  # what is compared takes the square of the length
    close = sorted(k for k in known if k.startswith(name))[:3] or difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(sorted(known))}"
    return f"unknown; {hint}"


def datasets() -> list[str]:
    """Names of the data sets: one file is one data set."""
    own = (path.stem for path in DATASETS.glob("*.py") if path.stem != "__init__")
    return sorted((*own, *OTHER_DATASETS))


def dataset(name: str) -> Any:
    """The module of a data set, or of a part of one as in "stand_ins.gestures"."""
    if name in OTHER_DATASETS:
        return OTHER_DATASETS[name]
    return importlib.import_module(f"drtrl_bench.datasets.{name}")


def loaded(name: str) -> list[str]:
    """What a data set's files are: its label and their fingerprint, empty where they are not there; nothing for
    one that needs none."""
    module = dataset(name)
    if files := getattr(module, "FILES", ()):  # a plugin's
        contents = [content(Path(file), Path(file).stat()) if Path(file).is_file() else "none" for file in files]
        return [module.LABEL, hashlib.sha256(" ".join(contents).encode()).hexdigest()[:16]]
    if not hasattr(module, "PUBLISHED"):
        return []
    return [module.LABEL, dataset("events.fingerprint").of(module.PUBLISHED)]


def content(file: Path, at: os.stat_result) -> str:
    """Hash of a file's content, computed again once the file has changed."""
    return hashed(file, at.st_size, at.st_ino, at.st_mtime_ns, at.st_ctime_ns)


@cache
def hashed(file: Path, *looks: int) -> str:
    """Hash of the content of a file that looked like this."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:16]


def fingerprint(name: str) -> str:
    """That of a data set's files; empty for one that has none, because it needs none or they are not there."""
    return (loaded(name) or ["", ""])[1]


def unavailable(name: str) -> str | None:
    """What to do about a data set without files, or without what reads them, or None."""
    module, place = dataset(name), dataset("events.place")
    if gone := [str(file) for file in getattr(module, "FILES", ()) if not Path(file).is_file()]:
        return f"{module.LABEL}: no file {', '.join(gone)}"
    if not hasattr(module, "PUBLISHED"):
        return None
    found = place.found(module.PUBLISHED)
    return place.unreadable(module.PUBLISHED) if found else place.missing(module.PUBLISHED)


def options(case: Any, dtype: str) -> dict[str, Any]:
    """The fields of a case for its algorithm; in the gate's float64 the trace is stored as it is computed."""
    return vars(case) | ({"trace_dtype": "same"} if dtype == "float64" else {})


def algorithm(name: str, framework: str, options: dict[str, Any], execution: Any = None) -> SimpleNamespace:
    """`init` and `advance` of an algorithm, with its options of a case and, if it takes one, an execution."""
    module = ALGORITHMS[name].module(name, framework)
    taken = {key: options[key] for key in ALGORITHMS[name].options}
    if execution is not None and ALGORITHMS[name].blockwise:
        taken["execution"] = execution
    starts = {"trace_dtype": options["trace_dtype"]} if options["trace_dtype"] != "same" else {}
    return SimpleNamespace(init=partial(module.init, **starts), advance=partial(module.advance, **taken))


def reference(name: str) -> Callable[..., Any]:
    """The function in NumPy that defines an algorithm's gradient."""
    own = ALGORITHMS[name].reference
    return (
        own
        if callable(own)
        else getattr(importlib.import_module("drtrl_bench.implementations.reference.algorithms"), own)
    )


def network(cell: str, readout: str, layers: int, framework: str | None = None) -> tuple[Any, ...]:
    """The cells of a network, readout last: of one framework, or the bare specification."""
    module = importlib.import_module(
        f"drtrl_bench.implementations.cells.{f'cells_{framework}' if framework else 'spec'}"
    )
    own, options = CELLS[cell]
    kind = own(framework) if callable(own) else getattr(module, own)
    return (*[kind(**options)] * layers, getattr(module, READOUTS[readout])())


def sources(name: str, framework: str, dataset_name: str) -> dict[str, Path]:
    """The files of the project that produce a number, by module: a change in one makes its records out of date.

    What a plugin's names stand for is in its own files: `plugins.sources`.
    """
    measuring = (f"measure.{part}" for part in ("worker", "problem", "environment", f"backend_{framework}"))
    computing = (*measuring, f"implementations.cells.cells_{framework}")
    rule = () if callable(ALGORITHMS[name].reference) else (place(name, framework),)
    return closure(*computing, *rule, *dataset_module(dataset_name))


def problem_sources(dataset_name: str) -> dict[str, Path]:
    """The files of the project that produce a problem and its reference gradient, by module."""
    return closure("measure.problem", *dataset_module(dataset_name))


def dataset_module(name: str) -> tuple[str, ...]:
    """The module of a data set of the project; none for a plugin's."""
    return () if name in OTHER_DATASETS else (f"datasets.{name}",)


def closure(*modules: str) -> dict[str, Path]:
    """The files of modules of the project, and of all that they import."""
    return provenance.closure(*(f"{provenance.PACKAGE}.{module}" for module in modules))


def missing(framework: str) -> str | None:
    """Why a framework cannot run here, with the command that helps, or None."""
    if importlib.util.find_spec(framework) is None:
        return f"{framework} is not installed: {FRAMEWORKS[framework]}"
    return None
