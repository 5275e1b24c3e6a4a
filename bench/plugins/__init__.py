"""Algorithms, cells and data sets of one's own, from Python files outside the project.

A plugin is a file or a module with any of the tables ALGORITHMS, CELLS and DATASETS, or a data set itself, as
docs/own.md shows. Once it is loaded, its names stand in the registry beside the project's own, and all that takes
names takes them. Plugins come from `--plugin`, from `plugins` of a plan, of `run_case` and of `run_plan`, and from
installed packages with an entry point in the group `drtrl_bench.plugins`.

Loading a plugin imports no framework unless the plugin does: its implementations are named as modules, or are
functions that import what they need. What its tables must hold is in `tables.py`, where its files lie in
`modules.py`.
"""

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from drtrl_bench import provenance, registry
from drtrl_bench.case import Case, digest
from drtrl_bench.files import textfile
from drtrl_bench.plugins import modules, tables
from drtrl_bench.plugins.modules import Plugin, PluginError
from drtrl_bench.plugins.tables import Algorithm, Cell

__all__ = ["Algorithm", "Cell", "PluginError"]
"""What a plugin and its user import from here."""

GROUP = "drtrl_bench.plugins"
"""Of the entry points of installed packages."""
SWITCH = "DRTRL_BENCH_PLUGINS"
"""Set to "none", this environment variable keeps the installed plugins out."""
LOADED: dict[Path, Plugin] = {}
"""The plugins in use, by their files."""


def load(given: Iterable[str | Path], installed: bool = False, beside: Path | None = None) -> None:
    """Loads plugins by file or by module name, and the installed ones. Raises PluginError, and then loads none more.

    Files are looked for in the folder `beside`, or in the working directory. One that is loaded already is left as is.
    """
    for what in given:
        path, origin = (beside or Path()) / what, f"plugin {textfile.shown(what)}"
        if str(what).endswith(".py") or os.sep in str(what) or is_there(path):
            add_file(path, origin)
        else:
            add_module(str(what), origin)
    for entry in metadata.entry_points(group=GROUP) if installed and os.environ.get(SWITCH) != "none" else ():
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an installed package"
        try:
            add_module(entry.value.partition(":")[0], f"plugin {entry.value}, installed by {package}")
        except PluginError as error:
            raise PluginError(f"{error}; {SWITCH}=none does without installed plugins") from None


def is_there(path: Path) -> bool:
    """Whether there is anything at a path; nothing is at one that the system does not take."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def add_file(path: Path, said: str) -> None:
    """Loads a plugin by its file."""
    if not is_there(path):
        raise PluginError(f"{said}: no such file")
    if path.is_dir():
        raise PluginError(f"{said}: a folder; name its file")
    if "." in path.stem or path.suffix != ".py":
        raise PluginError(f"{said}: its name must be one word and .py, so that it can be imported")
    try:
        textfile.require(path, provenance.MOST_BYTES)
    except textfile.UnreadableError as error:
        raise PluginError(f"plugin {error}") from None
    add(path.name, path.stem, path.parent.resolve(), said)


def add_module(name: str, said: str) -> None:
    """Loads a plugin by the name of its module."""
    if name.partition(".")[0] in sys.stdlib_module_names:
        raise PluginError(f"{said}: a module of Python's own, which holds no plugin; name the file of yours")
    try:
        spec = importlib.util.find_spec(name)
    except (Exception, SystemExit) as error:  # of a package that the module is in, which is imported to find it
        raise PluginError(f"{said}: {modules.cause(error, Path.cwd())}") from None
    if spec is None or spec.origin is None:
        hint = f"; did you mean {name}.py?" if Path(f"{name}.py").is_file() else ""
        raise PluginError(f"{said}: no module of this name, and no such file{hint}")
    folder = Path(spec.origin).parent.resolve()
    for _ in range(name.count(".") + (spec.submodule_search_locations is not None)):
        folder = folder.parent
    add(name, name, folder, said)


def add(name: str, module: str, folder: Path, origin: str) -> None:
    """Loads a plugin, and puts what it has into the registry's tables."""
    path = modules.file_of(module, folder)
    if path is None:
        raise PluginError(f"{origin}: not a file of Python's that lies in {folder}")
    if path.resolve().is_relative_to(provenance.HERE.resolve()):
        raise PluginError(f"{origin}: a module of the project itself, whose names are there without it")
    if path in LOADED:
        return
    if any(other.name == name for other in LOADED.values()):
        raise PluginError(f"{origin}: another plugin is called {name} too; rename one")
    plugin, before = Plugin(name, module, folder, path, origin, {}), list(sys.path)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    importlib.invalidate_caches()
    modules.forget(plugin)
    try:
        modules.hidden(plugin)
        for kind, entries in tables.entries(plugin).items():
            for called, entry in entries.items():
                whole = tables.checked(plugin, kind, called, entry, owner(kind, called))
                plugin.tables.setdefault(kind, {})[called] = whole
        modules.hidden(plugin)
    except PluginError:
        modules.forget(plugin)
        sys.path[:] = before
        raise
    LOADED[path] = plugin
    for kind, entries in plugin.tables.items():
        for called, entry in entries.items():
            enter(plugin, kind, called, entry)


def enter(plugin: Plugin, kind: str, name: str, entry: Any) -> None:
    """Puts one entry into the registry's table."""
    if kind == "algorithm":
        registry.ALGORITHMS[name] = entry
    elif kind == "cell":
        registry.CELLS[name] = (entry.kind, entry.options)
        if entry.law is not None:
            from drtrl_bench.implementations.reference import cells as reference_cells

            reference_cells.LAWS[entry.spec] = entry.law
    else:
        registry.OTHER_DATASETS[name] = modules.imported(plugin, entry) if isinstance(entry, str) else entry


def owner(kind: str, name: str) -> Plugin | None:
    """The plugin that a name comes from, or None if it is the project's own."""
    return next((plugin for plugin in LOADED.values() if name in plugin.tables.get(kind, ())), None)


def owners(case: Case) -> list[tuple[str, str, Plugin]]:
    """The names of a case that are a plugin's: the field, the name, and whose it is."""
    named = ((kind, getattr(case, kind)) for kind in tables.KINDS)
    return [(kind, name, plugin) for kind, name in named if (plugin := owner(kind, name))]


def lacking(case: Case) -> str | None:
    """Why a plugin's algorithm or cell cannot run in the case's framework, or None."""
    for kind, name, plugin in owners(case):
        if kind != "dataset" and not plugin.tables[kind][name].offers(case.framework):
            only = next(f for f in registry.FRAMEWORKS if f != case.framework)
            return f"{kind} {name!r} of {plugin.name} is in {only} only; give it {case.framework} = ... to run it here"
    return None


def job(case: Case) -> list[dict[str, str]]:
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
    from drtrl_bench.implementations.reference import cells as reference_cells

    added = registry.ALGORITHMS, registry.CELLS, registry.OTHER_DATASETS, reference_cells.LAWS, LOADED
    changed: list[dict[Any, Any]] = [*added]
    before, path, imported = [dict(table) for table in changed], list(sys.path), dict(sys.modules)
    try:
        yield
    finally:
        for plugin in LOADED.values():
            if plugin.path not in before[-1]:
                modules.forget(plugin)
        sys.modules.update({name: module for name, module in imported.items() if name not in sys.modules})
        for table, was in zip(changed, before, strict=True):
            table.clear()
            table.update(was)
        sys.path[:] = path
        tables.called.cache_clear()


def sources(case: Case, framework: str | None = None) -> list[Path]:
    """The files of plugins that produce a case's numbers in a framework: a change in one makes its records out of date.

    Without a framework, those that produce the case's problem, to which the algorithm does not belong.
    """
    entries = [entry for entry in owners(case) if framework or entry[0] != "algorithm"]
    found = [path for kind, name, plugin in entries for path in plugin.sources(kind, name, framework)]
    return list(dict.fromkeys(found))


def fingerprints(case: Case) -> dict[str, str]:
    """The plugins of a case by name, each with a hash of its own files: what a record says of them."""
    found = {}
    for plugin in {plugin.path: plugin for _, _, plugin in owners(case)}.values():
        own = [file for file in sources(case, case.framework) if file.is_relative_to(plugin.folder)]
        found[plugin.name] = digest([file.read_text(encoding="utf-8") for file in own])
    return found
