"""Find and import the modules of a plugin, and tell which of their files make a number."""

import importlib
import importlib.util
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from drtrl_bench import provenance, registry
from drtrl_bench.files import textfile


class PluginError(ValueError):
    """A plugin that cannot be used; the message names the plugin, what is wrong in it, and what it must be."""


@dataclass(frozen=True)
class Plugin:
    """Describe one plugin: `module` can be imported where Python looks in `folder`."""

    name: str
    """The name in records and errors: that of the file, or of the module."""
    module: str
    folder: Path
    path: Path
    origin: str
    """Where the plugin came from, in words."""
    tables: dict[str, dict[str, Any]]

    def file(self, name: str) -> Path | None:
        """Return the file of a module beside the plugin or in its installed package; None for any other module."""
        top = name.partition(".")[0]
        if self.folder.name in ("site-packages", "dist-packages") and top != self.module.partition(".")[0]:
            return None
        return file_of(name, self.folder)

    def implementation(self, kind: str, name: str, framework: str | None) -> str | None:
        """Return the name of the module that an entry names, or None."""
        entry = self.tables[kind][name]
        source = entry if kind == "dataset" else getattr(entry, framework, None) if framework else None
        return source if isinstance(source, str) else None

    def files(self) -> list[Path]:
        """Return the files of the plugin: its own, those of its entries, and their imports. Raises PluginError."""
        entries = [(kind, name, f) for kind in self.tables for name in self.tables[kind] for f in registry.FRAMEWORKS]
        implementations = [module for entry in entries if (module := self.implementation(*entry)) and self.file(module)]
        try:
            return list(provenance.closure(self.module, *implementations, find=self.file).values())
        except textfile.UnreadableError as error:
            raise PluginError(f"{self.origin}: {error}") from None

    def sources(self, kind: str, name: str, framework: str | None) -> list[Path]:
        """Return the files that produce the numbers of an entry in a framework, or without a framework its problem.

        These are the plugin's own file, the module that the entry names, and all that these import of the plugin and of
        the project's implementations and data sets.
        """
        implementation = self.implementation(kind, name, framework)
        roots = (self.module, *([implementation] if implementation else []))
        return list(provenance.closure(*roots, find=lambda module: self.file(module) or project_file(module)).values())


def project_file(name: str) -> Path | None:
    """Return the file of a module of the project's implementations or data sets, or None."""
    packages = ("drtrl_bench.implementations.", "drtrl_bench.datasets.")
    return provenance.file_of(name) if name.startswith(packages) else None


def file_of(name: str, folder: Path) -> Path | None:
    """Return the file of a module where Python looks in a folder, or None if there is no such file."""
    path = folder.joinpath(*name.split("."))
    return next((file for file in (path.with_name(f"{path.name}.py"), path / "__init__.py") if file.is_file()), None)


def import_module(plugin: Plugin, name: str) -> ModuleType:
    """Import a module of the plugin. Raises PluginError with the cause and its place in the plugin."""
    writing, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # compiled files tell edits apart by seconds
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise PluginError(f"{plugin.origin}: {cause(error, plugin.folder)}") from None
    finally:
        sys.dont_write_bytecode = writing


def cause(error: BaseException, folder: Path) -> str:
    """Return an error as one line, with the last place in a folder that led to the error."""
    lines = str(error).strip().splitlines()
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} ({Path(error.filename or '?').name}:{error.lineno})"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).resolve().is_relative_to(folder)]
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}{where}"


def require_visible(plugin: Plugin) -> None:
    """Raise PluginError for a file of the plugin that Python would not find, because another module has its name."""
    for file in plugin.files():
        top = file.relative_to(plugin.folder).parts[0].removesuffix(".py")
        spec = importlib.util.find_spec(top)
        places = [spec.origin] if spec and spec.origin else []
        if spec and not places:  # a folder without __init__.py
            places = [f"{place}/" for place in spec.submodule_search_locations or ()]
        if not any(Path(place).parent.resolve().is_relative_to(plugin.folder) for place in places):
            problem = f"there is a module {top!r} already ({', '.join(places)})"
            raise PluginError(f"{plugin.origin}: {problem}, so Python does not find {file.name}; rename it")


def forget(plugin: Plugin) -> None:
    """Remove the plugin's modules from Python's, so that they are imported anew."""
    files = plugin.files()
    for name, module in list(sys.modules.items()):
        if (file := getattr(module, "__file__", None)) and Path(file).parent.resolve() / Path(file).name in files:
            del sys.modules[name]
