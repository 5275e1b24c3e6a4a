"""Load algorithms, cells and data sets of one's own from Python files outside the project.

A plugin is a file or a module with any of the tables ALGORITHMS, CELLS and DATASETS, or a data set itself, as
docs/own.md shows. Once a plugin is loaded, its names stand in the registry beside the project's, and whatever takes
names takes these. Plugins come from `--plugin`, from `plugins` of a plan, of `run_case` and of `run_plan`, and from
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
"""The names that a plugin and its user import from here."""

GROUP = "drtrl_bench.plugins"
"""The group of the entry points of installed packages."""
SWITCH = "DRTRL_BENCH_PLUGINS"
"""Set to "none", this environment variable keeps the installed plugins out."""
LOADED: dict[Path, Plugin] = {}
"""The plugins in use, by their files."""


def load(names: Iterable[str | Path], installed: bool = False, beside: Path | None = None) -> None:
    """Load plugins by file or by module name, and the installed ones. Raises PluginError at the first bad one.

    Files are looked for in the folder `beside`, or in the working directory. A loaded plugin is not loaded again.
    """
    for name in names:
        path, origin = (beside or Path()) / name, f"plugin {textfile.shown(name)}"
        if str(name).endswith(".py") or os.sep in str(name) or exists(path):
            add_file(path, origin)
        else:
            add_module(str(name), origin)
    for entry in metadata.entry_points(group=GROUP) if installed and os.environ.get(SWITCH) != "none" else ():
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an installed package"
        try:
            add_module(entry.value.partition(":")[0], f"plugin {entry.value}, installed by {package}")
        except PluginError as error:
            raise PluginError(f"{error}; {SWITCH}=none does without installed plugins") from None


def exists(path: Path) -> bool:
    """Return whether there is anything at a path; False, too, for a path that the system refuses."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def add_file(path: Path, origin: str) -> None:
    """Load a plugin by its file. Raises PluginError if the file cannot be one."""
    if not exists(path):
        raise PluginError(f"{origin}: no such file")
    if path.is_dir():
        raise PluginError(f"{origin}: a folder; name its file")
    if "." in path.stem or path.suffix != ".py":
        raise PluginError(f"{origin}: its name must be one word and .py, so that it can be imported")
    try:
        textfile.require(path, provenance.MOST_BYTES)
    except textfile.UnreadableError as error:
        raise PluginError(f"plugin {error}") from None
    add(path.name, path.stem, path.parent.resolve(), origin)


def add_module(name: str, origin: str) -> None:
    """Load a plugin by the name of its module. Raises PluginError if there is no such module."""
    if name.partition(".")[0] in sys.stdlib_module_names:
        raise PluginError(f"{origin}: a module of Python's own, which holds no plugin; name the file of yours")
    try:
        spec = importlib.util.find_spec(name)
    except (Exception, SystemExit) as error:  # the packages around the module are imported to find it
        raise PluginError(f"{origin}: {modules.cause(error, Path.cwd())}") from None
    if spec is None or spec.origin is None:
        hint = f"; did you mean {name}.py?" if Path(f"{name}.py").is_file() else ""
        raise PluginError(f"{origin}: no module of this name, and no such file{hint}")
    folder = Path(spec.origin).parent.resolve()
    for _ in range(name.count(".") + (spec.submodule_search_locations is not None)):
        folder = folder.parent
    add(name, name, folder, origin)


def add(name: str, module: str, folder: Path, origin: str) -> None:
    """Load a plugin, and put its entries into the registry's tables. Raises PluginError, and then changes nothing."""
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
        modules.require_visible(plugin)
        for kind, entries in tables.entries(plugin).items():
            for entry_name, entry in entries.items():
                tables.check(plugin, kind, entry_name, entry, owner(kind, entry_name))
                plugin.tables.setdefault(kind, {})[entry_name] = entry
        modules.require_visible(plugin)
    except PluginError:
        modules.forget(plugin)
        sys.path[:] = before
        raise
    LOADED[path] = plugin
    for kind, entries in plugin.tables.items():
        for entry_name, entry in entries.items():
            enter(plugin, kind, entry_name, entry)


def enter(plugin: Plugin, kind: str, name: str, entry: Any) -> None:
    """Put one entry into the registry's table."""
    if kind == "algorithm":
        registry.ALGORITHMS[name] = entry
    elif kind == "cell":
        registry.CELLS[name] = (entry.kind, entry.options)
        if entry.law is not None:
            from drtrl_bench.implementations.reference import cells as reference_cells

            reference_cells.LAWS[entry.spec] = entry.law
    else:
        registry.OTHER_DATASETS[name] = modules.import_module(plugin, entry) if isinstance(entry, str) else entry


def owner(kind: str, name: str) -> Plugin | None:
    """Return the plugin that a name comes from, or None if the name is the project's."""
    return next((plugin for plugin in LOADED.values() if name in plugin.tables.get(kind, ())), None)


def owners(case: Case) -> list[tuple[str, str, Plugin]]:
    """Return the names of a case that are a plugin's: field, name and plugin of each."""
    names = ((kind, getattr(case, kind)) for kind in tables.KINDS)
    return [(kind, name, plugin) for kind, name in names if (plugin := owner(kind, name))]


def lacking(case: Case) -> str | None:
    """Return why a plugin's algorithm or cell cannot run in the case's framework, or None."""
    for kind, name, plugin in owners(case):
        if kind != "dataset" and not plugin.tables[kind][name].offers(case.framework):
            only = next(f for f in registry.FRAMEWORKS if f != case.framework)
            return f"{kind} {name!r} of {plugin.name} is in {only} only; give it {case.framework} = ... to run it here"
    return None


def job(case: Case) -> list[dict[str, str]]:
    """Return the plugins of a case, for `restore` in a child process."""
    plugins = {plugin.path: plugin for _, _, plugin in owners(case)}
    keys = ("name", "module", "folder", "origin")
    return [{key: str(getattr(plugin, key)) for key in keys} for plugin in plugins.values()]


def restore(plugins: list[dict[str, str]], framework: str | None = None) -> None:
    """Load the plugins of a case in a child process, whatever its working directory.

    Raises PluginError for a plugin that imports another framework than the case's.
    """
    sys.dont_write_bytecode = True
    for plugin in plugins:
        add(plugin["name"], plugin["module"], Path(plugin["folder"]), plugin["origin"])
        for other in registry.FRAMEWORKS if framework else ():
            if other != framework and other in sys.modules:
                problem = f"it imports {other} as it is loaded, and a case in {framework} must run without it"
                raise PluginError(f"{plugin['origin']}: {problem}; import it in a function, or in a module of its own")


@contextmanager
def scope() -> Iterator[None]:
    """Unload on leaving this context all plugins loaded within it, and their modules, so that edits count next time."""
    from drtrl_bench.implementations.reference import cells as reference_cells

    shared = registry.ALGORITHMS, registry.CELLS, registry.OTHER_DATASETS, reference_cells.LAWS, LOADED
    current: list[dict[Any, Any]] = [*shared]
    before, path, imports = [dict(table) for table in current], list(sys.path), dict(sys.modules)
    try:
        yield
    finally:
        for plugin in LOADED.values():
            if plugin.path not in before[-1]:
                modules.forget(plugin)
        sys.modules.update({name: module for name, module in imports.items() if name not in sys.modules})
        for table, entries in zip(current, before, strict=True):
            table.clear()
            table.update(entries)
        sys.path[:] = path
        tables.call_once.cache_clear()


def sources(case: Case, framework: str | None = None) -> list[Path]:
    """Return the files of plugins that produce a case's numbers: a change in one makes the case's records out of date.

    framework: where the case runs. Without it, return the files that produce the case's problem, to which the algorithm
    does not belong.
    """
    entries = [entry for entry in owners(case) if framework or entry[0] != "algorithm"]
    paths = [path for kind, name, plugin in entries for path in plugin.sources(kind, name, framework)]
    return list(dict.fromkeys(paths))


def fingerprints(case: Case) -> dict[str, str]:
    """Return the plugins of a case for its record: by name, a hash of each plugin's files."""
    hashes = {}
    for plugin in {plugin.path: plugin for _, _, plugin in owners(case)}.values():
        files = [file for file in sources(case, case.framework) if file.is_relative_to(plugin.folder)]
        hashes[plugin.name] = digest([file.read_text(encoding="utf-8") for file in files])
    return hashes
