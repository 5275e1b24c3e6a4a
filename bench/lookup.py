"""Look up the algorithms and cells that names of the registry stand for; their modules are imported only then."""

import difflib
import importlib
import importlib.util
from collections.abc import Collection
from functools import partial
from types import SimpleNamespace
from typing import Any

from drtrl_bench import registry
from drtrl_bench.protocols import Reference


def nearest(name: str, known: Collection[str]) -> str:
    """Return advice on an unknown name: the known names that are most like it, or all known names."""
    close = sorted(k for k in known if k.startswith(name))[:3] or difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(sorted(known))}"
    return f"unknown; {hint}"


def options(case: Any, dtype: str) -> dict[str, Any]:
    """Return the fields of a case as options of its algorithm; in float64 the trace is stored as it is computed."""
    return vars(case) | ({"trace_dtype": "same"} if dtype == "float64" else {})


def algorithm(name: str, framework: str, options: dict[str, Any], execution: Any = None) -> SimpleNamespace:
    """Import `init` and `advance` of an algorithm (protocols.Algorithm), and bind its options and its execution."""
    module = registry.ALGORITHMS[name].module(name, framework)
    arguments = {key: options[key] for key in registry.ALGORITHMS[name].options}
    if execution is not None and registry.ALGORITHMS[name].blockwise:
        arguments["execution"] = execution
    init_arguments = {"trace_dtype": options["trace_dtype"]} if options["trace_dtype"] != "same" else {}
    bound = SimpleNamespace(init=partial(module.init, **init_arguments), advance=partial(module.advance, **arguments))
    bound.last_differs = not (registry.ALGORITHMS[name].carry == "states" or registry.ALGORITHMS[name].filters)
    return bound


def reference(name: str) -> Reference:
    """Return the NumPy function that defines an algorithm's gradient."""
    algorithm = registry.ALGORITHMS[name]
    if callable(algorithm.reference):
        return algorithm.reference
    module, function = algorithm.reference_place
    return getattr(importlib.import_module(f"drtrl_bench.{module}"), function)


def network(cell: str, readout: str, layers: int, framework: str | None = None) -> tuple[Any, ...]:
    """Return the cells (protocols.Cell) of a network, readout last: those of a framework, or their specifications."""
    module = importlib.import_module(
        f"drtrl_bench.implementations.cells.{f'cells_{framework}' if framework else 'spec'}"
    )
    class_, options = registry.CELLS[cell]
    kind = class_(framework) if callable(class_) else getattr(module, class_)
    return (*[kind(**options)] * layers, getattr(module, registry.READOUTS[readout])())


def missing(framework: str) -> str | None:
    """Return why a framework cannot run here, with the command that installs it; None if it can."""
    if importlib.util.find_spec(framework) is None:
        return f"{framework} is not installed: {registry.FRAMEWORKS[framework]}"
    return None
