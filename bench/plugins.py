"""Algorithms, cells and data sets of one's own, from Python files outside the project.

A plugin is a file or a module with any of the tables ALGORITHMS, CELLS and DATASETS, or a data set itself, as
CONTRIBUTING.md shows. Once it is loaded, its names stand in the registry beside the project's own, and all that takes
names takes them. Plugins come from `--plugin`, from `plugins` of a plan, of `run_case` and of `run_plan`, and from
installed packages with an entry point in the group `drtrl_bench.plugins`.

Loading a plugin imports no framework unless the plugin does: its implementations are named as modules, or are
functions that import what they need.
"""

import ast
import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from drtrl_bench import registry

if TYPE_CHECKING:
    from drtrl_bench.case import Case
    from drtrl_bench.implementations import cells
    from drtrl_bench.implementations.reference_cells import Law

GROUP = "drtrl_bench.plugins"
"""Of the entry points of installed packages."""
SWITCH = "DRTRL_BENCH_PLUGINS"
"""Set to "none", this environment variable keeps the installed plugins out."""
PROJECT = Path(__file__).parent.parent
"""Where Python finds `drtrl_bench`."""


class PluginError(ValueError):
    """A plugin that cannot be used; the message names the plugin, what is wrong in it, and what it must be."""


@dataclass(frozen=True, kw_only=True)
class Algorithm(registry.Algorithm):
    """Describes an algorithm: its gradient in NumPy, its implementations, and what it carries.

    Example: Algorithm(about="D-RTRL whose traces fade", reference=fading, jax="fading_jax", carry="trace")

    `jax` and `torch` are what has `init` and `advance`: the name of a module beside the plugin, or a function without
    arguments that returns it. One of them will do. `by` and `options` name fields of the case that `reference` and
    `advance` take. What it costs by formula follows from `carry`, `paths` and `blockwise`.
    """

    about: str = ""
    reference: Any = None
    carry: str = "other"
    jax: Any = None
    torch: Any = None

    def module(self, name: str, framework: str) -> Any:
        """What has its `init` and `advance` in a framework."""
        return resolved(getattr(self, framework), ("init", "advance"))

    def offers(self, framework: str) -> bool:
        """Whether it can run in a framework."""
        return getattr(self, framework) is not None


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Describes a cell: its specification, its equations in NumPy and in the frameworks, and its options.

    Example: Cell(spec=RectifiedRNN, law=Law(first, rectified_rnn, first), jax="rectified_jax")

    `spec` is a dataclass derived from `cells.Cell`. `jax` and `torch` are the name of a module beside the plugin with a
    class of the specification's name, or a function without arguments that returns the class: derived from `spec`, with
    `emit`, `dynamics` and `output`. One of them will do. A specification of the project itself brings its own.
    """

    spec: "type[cells.Cell]" = None  # pyright: ignore[reportAssignmentType]
    law: "Law | None" = None
    jax: Any = None
    torch: Any = None
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Whether the specification is one of the project's own cells."""
        return self.spec.__module__ == "drtrl_bench.implementations.cells"

    def kind(self, framework: str | None) -> Any:
        """Its class in a framework, or the bare specification."""
        if framework is None:
            return self.spec
        own = getattr(self, framework)
        if own is None:
            own = f"drtrl_bench.implementations.cells_{framework}"
        found = resolved(own, ("emit", "dynamics", "output"))
        return getattr(found, self.spec.__name__, None) if isinstance(found, ModuleType) else found

    def offers(self, framework: str) -> bool:
        """Whether it can run in a framework."""
        return self.known or getattr(self, framework) is not None


@dataclass(frozen=True)
class Plugin:
    """One plugin, loaded: `module` can be imported where Python looks in `folder`."""

    name: str
    """As records and errors call it: the name of the file, or of the module."""
    module: str
    folder: Path
    path: Path
    origin: str
    """Where it came from, in words."""
    tables: dict[str, dict[str, Any]]

    def found(self, name: str) -> Path | None:
        """The file of a module that belongs to the plugin: one beside it, or in the same installed package."""
        top = name.partition(".")[0]
        if self.folder.name in ("site-packages", "dist-packages") and top != self.module.partition(".")[0]:
            return None
        return file_of(name, self.folder)

    def implementation(self, kind: str, name: str, framework: str | None) -> Path | None:
        """The file of the module that an entry names, if it does."""
        entry = self.tables[kind][name]
        own = entry if kind == "dataset" else getattr(entry, framework, None) if framework else None
        return file_of(own, self.folder) if isinstance(own, str) else None

    def files(self) -> list[Path]:
        """All its files: its own, those that its entries name, and what these import."""
        entries = [(kind, name, f) for kind in self.tables for name in self.tables[kind] for f in registry.FRAMEWORKS]
        named = [file for entry in entries if (file := self.implementation(*entry))]
        return closure(list(dict.fromkeys([self.path, *named])), self.found)


KINDS = {"algorithm": "ALGORITHMS", "cell": "CELLS", "dataset": "DATASETS"}
"""The fields of a case that a plugin may add names to, and its tables."""
LOADED: dict[Path, Plugin] = {}
"""The plugins in use, by their files."""


# ---------------------------------------------------------------- loading


def load(given: Iterable[str | Path], installed: bool = False, beside: Path | None = None) -> None:
    """Loads plugins by file or by module name, and the installed ones. Raises PluginError, and then loads none more.

    Files are looked for in the folder `beside`, or in the working directory. One that is loaded already is left as is.
    """
    for what in given:
        said, path = str(what), (beside or Path()) / what
        if said.endswith(".py") or os.sep in said or path.exists():
            if not path.is_file():
                raise PluginError(f"plugin {said}: {'a folder; name its file' if path.is_dir() else 'no such file'}")
            if "." in path.stem or path.suffix != ".py":
                raise PluginError(f"plugin {said}: its name must be one word and .py, so that it can be imported")
            add(path.name, path.stem, path.parent.resolve(), f"plugin {said}")
        else:
            add_module(said, f"plugin {said}")
    for entry in metadata.entry_points(group=GROUP) if installed and os.environ.get(SWITCH) != "none" else ():
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an installed package"
        try:
            add_module(entry.value.partition(":")[0], f"plugin {entry.value}, installed by {package}")
        except PluginError as error:
            raise PluginError(f"{error}; {SWITCH}=none does without installed plugins") from None


def add_module(name: str, said: str) -> None:
    """Loads a plugin by the name of its module."""
    try:
        spec = importlib.util.find_spec(name)
    except ImportError as error:
        raise PluginError(f"{said}: {error}") from None
    if spec is None or spec.origin is None:
        hint = f"; did you mean {name}.py?" if Path(f"{name}.py").is_file() else ""
        raise PluginError(f"{said}: no module of this name, and no such file{hint}")
    folder = Path(spec.origin).parent.resolve()
    for _ in range(name.count(".") + (spec.submodule_search_locations is not None)):
        folder = folder.parent
    add(name, name, folder, said)


def add(name: str, module: str, folder: Path, origin: str) -> None:
    """Loads a plugin, and puts what it has into the registry's tables."""
    path = file_of(module, folder)
    if path is None:
        raise PluginError(f"{origin}: not a file of Python's that lies in {folder}")
    if path in LOADED:
        return
    if any(other.name == name for other in LOADED.values()):
        raise PluginError(f"{origin}: another plugin is called {name} too; rename one")
    plugin, before = Plugin(name, module, folder, path, origin, {}), list(sys.path)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    importlib.invalidate_caches()
    forget(plugin)
    try:
        hidden(plugin)
        for kind, entries in tables(plugin).items():
            for called, entry in entries.items():
                plugin.tables.setdefault(kind, {})[called] = checked(plugin, kind, called, entry)
        hidden(plugin)
    except PluginError:
        forget(plugin)
        sys.path[:] = before
        raise
    LOADED[path] = plugin
    for kind, entries in plugin.tables.items():
        for called, entry in entries.items():
            enter(plugin, kind, called, entry)


def tables(plugin: Plugin) -> dict[str, dict[Any, Any]]:
    """What a plugin's file has, by the field of a case. Raises PluginError if it has nothing."""
    main = imported(plugin, plugin.module)
    found = {kind: entries for kind, table in KINDS.items() if (entries := getattr(main, table, None)) is not None}
    for kind, entries in found.items():
        if not isinstance(entries, dict):
            raise PluginError(
                f"{plugin.origin}: {KINDS[kind]} is a {type(entries).__name__}; it must be a dict of names"
            )
    if found:
        return found
    if any(hasattr(main, attribute) for attribute in DATASET):
        return {"dataset": {plugin.module.rpartition(".")[2]: plugin.module}}
    said = "has none of the tables ALGORITHMS, CELLS and DATASETS, and is no data set itself"
    raise PluginError(f"{plugin.origin}: {said}; CONTRIBUTING.md shows each")


def enter(plugin: Plugin, kind: str, name: str, entry: Any) -> None:
    """Puts one entry into the registry's table."""
    if kind == "algorithm":
        registry.ALGORITHMS[name] = entry
    elif kind == "cell":
        registry.CELLS[name] = (entry.kind, entry.options)
        if entry.law is not None:
            from drtrl_bench.implementations import reference_cells

            reference_cells.LAWS[entry.spec] = entry.law
    else:
        registry.OTHER_DATASETS[name] = imported(plugin, entry) if isinstance(entry, str) else entry


def imported(plugin: Plugin, name: str) -> ModuleType:
    """A module of the plugin. Raises PluginError with the cause, and where in the plugin it is."""
    writing, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # compiled files tell edits apart by seconds
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise PluginError(f"{plugin.origin}: {cause(error, plugin.folder)}") from None
    finally:
        sys.dont_write_bytecode = writing


def cause(error: BaseException, folder: Path) -> str:
    """An error on one line, with the last place in a folder that led to it."""
    said = str(error).strip().splitlines()
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} ({Path(error.filename or '?').name}:{error.lineno})"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).resolve().is_relative_to(folder)]
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {said[0] if said else 'no message'}{where}"


def hidden(plugin: Plugin) -> None:
    """Raises PluginError for a file of the plugin that Python would not find, because another module has its name."""
    for file in plugin.files():
        top = file.relative_to(plugin.folder).parts[0].removesuffix(".py")
        spec = importlib.util.find_spec(top)
        places = [spec.origin] if spec and spec.origin else []
        if spec and not places:  # a folder without __init__.py
            places = [f"{place}/" for place in spec.submodule_search_locations or ()]
        if not any(Path(place).parent.resolve().is_relative_to(plugin.folder) for place in places):
            said = f"there is a module {top!r} already ({', '.join(places)})"
            raise PluginError(f"{plugin.origin}: {said}, so Python does not find {file.name}; rename it")


# ---------------------------------------------------------------- what a plugin's tables must hold

SHAPES = {
    "init": "a function (net, params, batch) -> carry",
    "advance": "a function (net, params, carry, inputs, targets, *, last=False) -> carry, loss, gradient",
    "emit": "a function of the states",
    "dynamics": "a function of the states and drives",
    "output": "a function of the states",
}
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


def checked(plugin: Plugin, kind: str, name: Any, entry: Any) -> Any:
    """The entry, once its name is free and it has all that can be seen without a framework. Raises PluginError."""
    words = {"dataset": "data set"}
    where = f"{plugin.origin}: {words.get(kind, kind)} {name!r}"
    if not isinstance(name, str) or not name.isidentifier():
        raise PluginError(f"{where}: a name must be one word of letters, digits and underscores")
    if name in registry.NAMES[kind]():
        other = owner(kind, name)
        whose = other.origin + " has" if other else "the project has"
        raise PluginError(f"{where}: {whose} one of this name; choose another")
    check = {"algorithm": check_algorithm, "cell": check_cell, "dataset": check_dataset}[kind]
    if problem := check(plugin, entry):
        raise PluginError(f"{where}{problem}")
    return entry


def wrong(attribute: str, value: Any, must: str) -> str:
    """What to tell of an attribute that is missing or not what it must be."""
    if value is None:
        return f": no {attribute}; it must be {must}"
    return f": {attribute} is {value!r:.60}; it must be {must}"


def implementations(plugin: Plugin, entry: Any, has: str) -> str | None:
    """What is wrong with what an entry says of the frameworks, or None."""
    for framework in registry.FRAMEWORKS:
        own = getattr(entry, framework)
        if isinstance(own, str) and not (file_of(own, plugin.folder) or ours(own)):
            return f": {framework} is {own!r}, but there is no {own.replace('.', '/')}.py beside {plugin.path.name}"
    if not any(entry.offers(framework) for framework in registry.FRAMEWORKS):
        return f": neither jax nor torch; one must be the name of a module with {has}, or a function that returns it"
    return None


def check_algorithm(plugin: Plugin, entry: Any) -> str | None:
    """What is wrong with an algorithm, or None."""
    from drtrl_bench.case import Case

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
    known = {f.name for f in fields(Case)}
    for attribute in ("by", "options"):
        named = getattr(entry, attribute)
        if isinstance(named, str) or not all(isinstance(n, str) for n in named):
            return wrong(attribute, named, "a tuple of fields of a case")
        if unknown := next((n for n in named if n not in known), None):
            return f": {attribute} has {unknown!r}: {registry.nearest(unknown, known)}"
    return implementations(plugin, entry, "init and advance")


def check_cell(plugin: Plugin, entry: Any) -> str | None:
    """What is wrong with a cell, or None."""
    from drtrl_bench.implementations import cells, reference_cells

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
    try:
        states = entry.spec(**entry.options).states
    except (TypeError, ValueError) as error:
        return f": options: {error}"
    if not states:
        return wrong("states in spec", None, "a tuple of their names")
    return implementations(plugin, entry, f"a class {entry.spec.__name__}")


def check_dataset(plugin: Plugin, entry: Any) -> str | None:
    """What is wrong with a data set, or None."""
    module = imported(plugin, entry) if isinstance(entry, str) else entry
    for attribute, (right, must) in DATASET.items():
        if not right(value := getattr(module, attribute, None)):
            return wrong(attribute, value, must)
    taken = inspect.signature(module.batch).parameters.values()
    if len(taken) < 3 and not any(p.kind is p.VAR_POSITIONAL for p in taken):
        return wrong("batch", f"({', '.join(p.name for p in taken)})", DATASET["batch"][1])
    if module.SYNTHETIC and not any(word in module.LABEL for word in ("synthetic", "converted")):
        return f': LABEL is {module.LABEL!r}, but SYNTHETIC is True; it must say "(synthetic)"'
    return None


def complaint(kind: str, name: str, framework: str) -> str | None:
    """What is wrong with an implementation of a plugin, which is imported to see it, or None."""
    plugin = owner(kind, name)
    if plugin is None:
        return None
    entry = plugin.tables[kind][name]
    where = f"{plugin.origin}: {kind} {name!r}: {framework}"
    try:
        found = entry.module(name, framework) if kind == "algorithm" else entry.kind(framework)
    except (Exception, SystemExit) as error:
        return f"{where}: {cause(error, plugin.folder)}"
    own = getattr(entry, framework)
    said = f"{where}: {own if isinstance(own, str) else getattr(own, '__name__', type(own).__name__)}"
    if kind == "cell" and not (isinstance(found, type) and issubclass(found, entry.spec)):
        return f"{said} has no class {entry.spec.__name__}; it must be derived from the specification of this name"
    for attribute in ("init", "advance") if kind == "algorithm" else ("emit", "dynamics", "output"):
        if not callable(getattr(found, attribute, None)):
            return f"{said} has no {attribute}; it must be {SHAPES[attribute]}"
    return None


# ---------------------------------------------------------------- what is loaded


@cache
def called(function: Callable[[], Any]) -> Any:
    """What a function returns, the same every time: a cell's class must be one."""
    return function()


def resolved(own: Any, attributes: tuple[str, ...]) -> Any:
    """What an entry says of a framework: a module by its name, what a function returns, or what it is itself."""
    if isinstance(own, str):
        return importlib.import_module(own)
    if callable(own) and not any(hasattr(own, name) for name in attributes):
        return called(own)
    return own


def owner(kind: str, name: str) -> Plugin | None:
    """The plugin that a name comes from, or None if it is the project's own."""
    return next((plugin for plugin in LOADED.values() if name in plugin.tables.get(kind, ())), None)


def owners(case: "Case") -> list[tuple[str, str, Plugin]]:
    """The names of a case that are a plugin's: the field, the name, and whose it is."""
    named = ((kind, getattr(case, kind)) for kind in KINDS)
    return [(kind, name, plugin) for kind, name in named if (plugin := owner(kind, name))]


def lacking(case: "Case") -> str | None:
    """Why a plugin's algorithm or cell cannot run in the case's framework, or None."""
    for kind, name, plugin in owners(case):
        if kind != "dataset" and not plugin.tables[kind][name].offers(case.framework):
            only = next(f for f in registry.FRAMEWORKS if f != case.framework)
            return f"{kind} {name!r} of {plugin.name} is in {only} only; give it {case.framework} = ... to run it here"
    return None


def job(case: "Case") -> list[dict[str, str]]:
    """The plugins of a case, for `restore` in a child process."""
    mine = {plugin.path: plugin for _, _, plugin in owners(case)}
    keys = ("name", "module", "folder", "origin")
    return [{key: str(getattr(plugin, key)) for key in keys} for plugin in mine.values()]


def restore(plugins: list[dict[str, str]], framework: str | None = None) -> None:
    """Loads the plugins of a case in a child process, wherever it was started.

    Raises PluginError for one that brings another framework than the case's into the process.
    """
    sys.dont_write_bytecode = True
    for plugin in plugins:
        add(plugin["name"], plugin["module"], Path(plugin["folder"]), plugin["origin"])
        for other in registry.FRAMEWORKS if framework else ():
            if other != framework and other in sys.modules:
                said = f"it imports {other} as it is loaded, and a case in {framework} must run without it"
                raise PluginError(f"{plugin['origin']}: {said}; import it in a function, or in a module of its own")


@contextmanager
def scope() -> Iterator[None]:
    """Within it plugins may be loaded; after it they are gone, modules and all, so that edits count next time."""
    from drtrl_bench.implementations import reference_cells

    added = registry.ALGORITHMS, registry.CELLS, registry.OTHER_DATASETS, reference_cells.LAWS, LOADED
    tables: list[dict[Any, Any]] = [*added]
    before, path, modules = [dict(table) for table in tables], list(sys.path), dict(sys.modules)
    try:
        yield
    finally:
        for plugin in LOADED.values():
            if plugin.path not in before[-1]:
                forget(plugin)
        sys.modules.update({name: module for name, module in modules.items() if name not in sys.modules})
        for table, was in zip(tables, before, strict=True):
            table.clear()
            table.update(was)
        sys.path[:] = path
        called.cache_clear()


def forget(plugin: Plugin) -> None:
    """Lets the plugin's modules be imported anew."""
    files = plugin.files()
    for name, module in list(sys.modules.items()):
        if (file := getattr(module, "__file__", None)) and Path(file).parent.resolve() / Path(file).name in files:
            del sys.modules[name]


# ---------------------------------------------------------------- sources


def sources(case: "Case", framework: str | None = None) -> list[Path]:
    """The files of plugins that produce a case's numbers in a framework: a change in one makes its records out of date.

    Without a framework, those that produce the case's problem. They are the plugin's own file, the modules that its
    entries name, and all that these import of the plugin and of the project.
    """
    found: dict[Path, None] = {}
    for kind, name, plugin in owners(case):
        if framework is None and kind == "algorithm":
            continue
        named = plugin.implementation(kind, name, framework)
        roots = [plugin.path, *([named] if named else [])]
        found |= dict.fromkeys(closure(roots, lambda name, plugin=plugin: plugin.found(name) or ours(name)))
    return list(found)


def fingerprints(case: "Case") -> dict[str, str]:
    """The plugins of a case by name, each with a hash of its own files: what a record says of them."""
    from drtrl_bench.case import digest

    found = {}
    for plugin in {plugin.path: plugin for _, _, plugin in owners(case)}.values():
        own = [file for file in sources(case, case.framework) if file.is_relative_to(plugin.folder)]
        found[plugin.name] = digest([file.read_text(encoding="utf-8") for file in own])
    return found


def ours(name: str) -> Path | None:
    """The file of a module of the project's implementations or data sets."""
    parts = ("drtrl_bench.implementations.", "drtrl_bench.datasets.")
    return file_of(name, PROJECT) if name.startswith(parts) else None


def file_of(name: str, folder: Path) -> Path | None:
    """The file of a module where Python looks in a folder, if it is there."""
    path = folder.joinpath(*name.split("."))
    return next((file for file in (path.with_name(f"{path.name}.py"), path / "__init__.py") if file.is_file()), None)


def closure(roots: list[Path], find: Callable[[str], Path | None]) -> list[Path]:
    """The roots and all that they import, directly or not, as far as `find` knows the modules' files."""
    found, todo = dict.fromkeys(roots), list(roots)
    while todo:
        for name in mentioned(todo.pop()):
            file = find(name)
            if file is not None and file not in found:
                found[file] = None
                todo.append(file)
    return list(found)


def mentioned(file: Path) -> Iterator[str]:
    """The names of the modules that a file may import, anywhere in it; nothing if it is not Python."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name for alias in node.names for name in upwards(alias.name))
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*package(file, node.level), *([base] if base else [])])
            yield from upwards(base) if base else ()
            yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names)


def upwards(name: str) -> Iterator[str]:
    """A module's name and those of the packages it is in, which are imported with it."""
    parts = name.split(".")
    yield from (".".join(parts[: i + 1]) for i in range(len(parts)))


def package(file: Path, level: int) -> list[str]:
    """The names of the packages that a relative import of a level starts from."""
    folder, names = file.parent, []
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    return names[: len(names) - level + 1]
