"""Describe algorithms, cells and data sets of one's own, and check the tables of a plugin.

Whatever needs no framework is checked as the plugin is loaded; `check.py` checks the rest.
"""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from drtrl_bench import lookup, registry
from drtrl_bench.case import FIELDS, Case, names_of
from drtrl_bench.plugins.modules import Plugin, PluginError, file_of, import_module, project_file

if TYPE_CHECKING:
    from drtrl_bench.implementations.cells import spec as cells
    from drtrl_bench.implementations.reference.cells import Law


@dataclass(frozen=True, kw_only=True)
class Algorithm(registry.Algorithm):
    """Describe an algorithm: its gradient in NumPy, its implementations, and what it carries.

    Example: Algorithm(about="D-RTRL whose traces fade", reference=fading, jax="fading_jax", carry="trace")

    `jax` and `torch` are what has `init` and `advance`: the name of a module beside the plugin, or a function without
    arguments that returns that module. One of the two will do. `by` and `options` name fields of the case that
    `reference` and `advance` take. The costs by formula follow from `carry`, `paths`, `feedback`, `blockwise`,
    `filtered` and `native`.
    """

    about: str = ""
    reference: Any = None
    carry: str = "other"
    jax: Any = None
    torch: Any = None

    def module(self, name: str, framework: str) -> Any:
        """Return what has the algorithm's `init` and `advance` in a framework."""
        return resolve(getattr(self, framework), ("init", "advance"))

    def offers(self, framework: str) -> bool:
        """Return whether the algorithm can run in a framework."""
        return getattr(self, framework) is not None


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Describe a cell: its specification, its equations in NumPy and in the frameworks, and its options.

    Example: Cell(spec=RectifiedRNN, law=Law(first, rectified_rnn, first), jax="rectified_jax")

    `spec` is a dataclass derived from `cells.Cell`. `jax` and `torch` are the name of a module beside the plugin with a
    class of the specification's name, or a function without arguments that returns the class: derived from `spec`, with
    `emit`, `dynamics` and `output`. One of the two will do. A specification of the project has its class already.
    """

    spec: "type[cells.Cell]" = None  # pyright: ignore[reportAssignmentType]
    law: "Law | None" = None
    jax: Any = None
    torch: Any = None
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Whether the specification is that of a cell of the project."""
        return self.spec.__module__ == "drtrl_bench.implementations.cells.spec"

    def kind(self, framework: str | None) -> Any:
        """Return the cell's class in a framework, or without a framework its specification."""
        if framework is None:
            return self.spec
        source = getattr(self, framework)
        if source is None:
            source = f"drtrl_bench.implementations.cells.cells_{framework}"
        implementation = resolve(source, ("emit", "dynamics", "output"))
        if isinstance(implementation, ModuleType):
            return getattr(implementation, self.spec.__name__, None)
        return implementation

    def offers(self, framework: str) -> bool:
        """Return whether the cell can run in a framework."""
        return self.known or getattr(self, framework) is not None


KINDS = {"algorithm": "ALGORITHMS", "cell": "CELLS", "dataset": "DATASETS"}
"""The fields of a case that a plugin may add names to, and the plugin's table for each."""
DATASET: dict[str, tuple[Callable[[Any], bool], str]] = {
    "LABEL": (
        lambda v: isinstance(v, str) and bool(v),
        'a text that says what the data is, with "(synthetic)" if it was not recorded',
    ),
    "SYNTHETIC": (lambda v: isinstance(v, bool), "True or False"),
    "CLASSES": (lambda v: type(v) is int and v > 0, "the number of classes"),
    "FEATURES": (lambda v: type(v) is int and v > 0, "the number of input lines"),
    "batch": (callable, "a function (steps, size, seed) -> inputs [T, B, I], targets [T, B]"),
}


@cache
def call_once(function: Callable[[], Any]) -> Any:
    """Call a function at most once, and return the same value every time: a cell must have a single class."""
    return function()


def resolve(source: Any, attributes: tuple[str, ...]) -> Any:
    """Return the implementation of a source: a module for its name, what a function returns, else the source itself.

    attributes: those of an implementation; a callable that has one of these is an implementation and is not called.
    """
    if isinstance(source, str):
        return importlib.import_module(source)
    if callable(source) and not any(hasattr(source, name) for name in attributes):
        return call_once(source)
    return source


def entries(plugin: Plugin) -> dict[str, dict[Any, Any]]:
    """Return the tables of a plugin by field of a case. Raises PluginError if the plugin has none."""
    main = import_module(plugin, plugin.module)
    tables = {kind: table for kind, name in KINDS.items() if (table := getattr(main, name, None)) is not None}
    for kind, table in tables.items():
        if not isinstance(table, dict):
            raise PluginError(f"{plugin.origin}: {KINDS[kind]} is a {type(table).__name__}; it must be a dict of names")
    if tables:
        return tables
    if any(hasattr(main, attribute) for attribute in DATASET):
        return {"dataset": {plugin.module.rpartition(".")[2]: plugin.module}}
    problem = "has none of the tables ALGORITHMS, CELLS and DATASETS, and is no data set itself"
    raise PluginError(f"{plugin.origin}: {problem}; docs/own.md shows each")


def check(plugin: Plugin, kind: str, name: Any, entry: Any, other: Plugin | None) -> None:
    """Raise PluginError unless the name is free and the entry is complete, as far as that shows without a framework.

    other: the plugin that has an entry of this name already, if one does.
    """
    words = {"dataset": "data set"}
    where = f"{plugin.origin}: {words.get(kind, kind)} {name!r}"
    if not isinstance(name, str) or not name.isidentifier():
        raise PluginError(f"{where}: a name must be one word of letters, digits and underscores")
    if name in names_of(kind):
        owner = other.origin + " has" if other else "the project has"
        raise PluginError(f"{where}: {owner} one of this name; choose another")
    problem_of = {"algorithm": check_algorithm, "cell": check_cell, "dataset": check_dataset}[kind]
    if problem := problem_of(plugin, entry):
        raise PluginError(f"{where}{problem}")


def wrong(attribute: str, value: Any, must: str) -> str:
    """Return the complaint about an attribute that is missing or not what it must be."""
    if value is None:
        return f": no {attribute}; it must be {must}"
    return f": {attribute} is {value!r:.60}; it must be {must}"


def check_implementations(plugin: Plugin, entry: Any, parts: str) -> str | None:
    """Return what is wrong with the implementations that an entry names, or None."""
    for framework in registry.FRAMEWORKS:
        name = getattr(entry, framework)
        if isinstance(name, str) and not (file_of(name, plugin.folder) or project_file(name)):
            return f": {framework} is {name!r}, but there is no {name.replace('.', '/')}.py beside {plugin.path.name}"
    if not any(entry.offers(framework) for framework in registry.FRAMEWORKS):
        return f": neither jax nor torch; one must be the name of a module with {parts}, or a function that returns it"
    return None


def check_algorithm(plugin: Plugin, entry: Any) -> str | None:
    """Return what is wrong with an algorithm, or None."""
    if not isinstance(entry, Algorithm):
        return f" is a {type(entry).__name__}; it must be an Algorithm of drtrl_bench.plugins"
    if not isinstance(entry.about, str) or not entry.about:
        return wrong("about", entry.about or None, "a text of one line")
    if not callable(entry.reference):
        return wrong("reference", entry.reference, "a function (net, params, inputs, targets) -> loss, gradient")
    if entry.carry not in registry.CARRIES:
        return wrong("carry", entry.carry, f"one of {', '.join(registry.CARRIES)}")
    if entry.paths not in ("", "all", "own", "none"):
        return wrong("paths", entry.paths, "all, own or none")
    if entry.feedback not in ("layers", "direct"):
        return wrong("feedback", entry.feedback, "layers or direct")
    fields = FIELDS[Case]
    for attribute in ("by", "options"):
        names = getattr(entry, attribute)
        if isinstance(names, str) or not all(isinstance(n, str) for n in names):
            return wrong(attribute, names, "a tuple of fields of a case")
        if unknown := next((n for n in names if n not in fields), None):
            return f": {attribute} has {unknown!r}: {lookup.nearest(unknown, fields)}"
    return check_implementations(plugin, entry, "init and advance")


def check_cell(plugin: Plugin, entry: Any) -> str | None:
    """Return what is wrong with a cell, or None."""
    from drtrl_bench.implementations.cells import spec as cells
    from drtrl_bench.implementations.reference import cells as reference_cells

    if not isinstance(entry, Cell):
        return f" is a {type(entry).__name__}; it must be a Cell of drtrl_bench.plugins"
    if not (isinstance(entry.spec, type) and issubclass(entry.spec, cells.Cell)):
        return wrong("spec", entry.spec, "a class derived from cells.Cell")
    if entry.law is not None and entry.known:
        return f": {entry.spec.__name__} has a law of its own; derive a class from it, or leave law out"
    if entry.law is not None and not isinstance(entry.law, reference_cells.Law):
        return wrong("law", entry.law, "a Law(emit, dynamics, output) of reference_cells")
    if entry.law is None and not any(base in reference_cells.LAWS for base in entry.spec.__mro__):
        return wrong("law", None, "a Law(emit, dynamics, output) of reference_cells")
    laws = reference_cells.LAWS | {cell.spec: cell.law for cell in plugin.tables.get("cell", {}).values() if cell.law}
    if entry.law is not None and laws.get(entry.spec, entry.law) != entry.law:  # the other cell would get this law
        return f": {entry.spec.__name__} has another law already; derive a class from it for this one"
    try:
        states = entry.spec(**entry.options).states
    except (TypeError, ValueError) as error:
        return f": options: {error}"
    if not states:
        return wrong("states in spec", None, "a tuple of their names")
    return check_implementations(plugin, entry, f"a class {entry.spec.__name__}")


def check_dataset(plugin: Plugin, entry: Any) -> str | None:
    """Return what is wrong with a data set, or None."""
    module = import_module(plugin, entry) if isinstance(entry, str) else entry
    for attribute, (accepts, must) in DATASET.items():
        if not accepts(value := getattr(module, attribute, None)):
            return wrong(attribute, value, must)
    parameters = inspect.signature(module.batch).parameters.values()
    if len(parameters) < 3 and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return wrong("batch", f"({', '.join(p.name for p in parameters)})", DATASET["batch"][1])
    if module.SYNTHETIC and not any(word in module.LABEL for word in ("synthetic", "converted")):
        return f': LABEL is {module.LABEL!r}, but SYNTHETIC is True; it must say "(synthetic)"'
    return None
