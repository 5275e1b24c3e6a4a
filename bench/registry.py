"""Names -> implementations, cells and data sets, as greppable literals; nothing is imported until it is used."""

import difflib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

IMPLEMENTATIONS = Path(__file__).parent.parent / "implementations"


@dataclass(frozen=True)
class Algorithm:
    """What an algorithm's gradient must be."""

    about: str
    reference: str
    """The function of implementations/reference.py that defines it ..."""
    truncated: bool = False
    """... given the chunk length, where that changes the gradient."""


ALGORITHMS = {
    "bptt": Algorithm("backpropagation through time; K < T is truncated BPTT", "bptt", truncated=True),
    "rtrl": Algorithm("exact real-time recurrent learning, at every K", "bptt"),
    "drtrl": Algorithm("D-RTRL: paths through weights are cut; the same gradient at every K", "drtrl_by_cutting"),
}

CELLS = {
    "leaky_rnn": ("LeakyRNN", {}),
    "gru": ("GRU", {}),
    "lif_delta": ("LIFDelta", {"reset": "soft"}),
    "lif_delta_hard": ("LIFDelta", {"reset": "hard"}),
    "alif_expcu": ("ALIFExpCu", {"reset": "soft"}),
}

READOUTS = {"leaky": "LeakyReadout", "linear": "LinearReadout"}

FRAMEWORKS = {name: f"pip install -c constraints.txt -e '.[{name}]'" for name in ("jax", "torch")}

NAMES: dict[str, Callable[[], Collection[str]]] = {
    "algorithm": lambda: ALGORITHMS,
    "framework": lambda: FRAMEWORKS,
    "cell": lambda: CELLS,
    "readout": lambda: READOUTS,
    "dataset": lambda: datasets(),
    "dtype": lambda: ("float32", "float64"),
    "device": lambda: ("cpu", "gpu"),
}
"""The fields of a case that hold names, and what they may be."""


def nearest(name: str, known: Collection[str]) -> str:
    """What to tell somebody who wrote a name that does not exist."""
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(sorted(known))}"
    return f"unknown; {hint}"


def dataset_folder() -> Path:
    """The copy of `datasets/` inside an installed package, or the folder itself in a checkout."""
    installed = Path(__file__).parent / "_datasets"
    return installed if installed.is_dir() else Path(__file__).parent.parent / "datasets"


def datasets() -> list[str]:
    """Names of the data sets: one file is one data set."""
    return sorted(path.stem for path in dataset_folder().glob("*.py") if path.stem != "__init__")


def dataset(name: str) -> ModuleType:
    """The module of a data set, loaded by path: a top-level package called `datasets` would shadow another."""
    qualified = f"drtrl_bench_dataset_{name}"
    if qualified not in sys.modules:
        spec = importlib.util.spec_from_file_location(qualified, dataset_folder() / f"{name}.py")
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[qualified] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[qualified]
            raise
    return sys.modules[qualified]


def algorithm(name: str, framework: str) -> ModuleType:
    return importlib.import_module(f"implementations.{name}_{framework}")


def network(cell: str, readout: str, layers: int, framework: str | None = None) -> tuple[Any, ...]:
    """The cells of a network, readout last: of one framework, or the bare specification."""
    module = importlib.import_module("implementations.cells" + (f"_{framework}" if framework else ""))
    class_name, options = CELLS[cell]
    return (*[getattr(module, class_name)(**options)] * layers, getattr(module, READOUTS[readout])())


def sources(name: str, framework: str, dataset_name: str) -> list[Path]:
    """The files that produce a number: a change in one of them makes its records out of date."""
    parts = (f"{name}_{framework}", f"network_{framework}", f"cells_{framework}", "cells", "reference")
    meters = ("clock", "fidelity", "memory", "problem", "stats", f"subject_{framework}", "worker")
    return [
        *(IMPLEMENTATIONS / f"{part}.py" for part in parts),
        *(Path(__file__).parent / f"{meter}.py" for meter in meters),
        dataset_folder() / f"{dataset_name}.py",
    ]


def missing(framework: str) -> str | None:
    """Why a framework cannot run here, with the command that helps, or None."""
    if importlib.util.find_spec(framework) is None:
        return f"{framework} is not installed: {FRAMEWORKS[framework]}"
    return None
