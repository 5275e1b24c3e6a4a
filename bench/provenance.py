"""Which files make a number: the modules that compute it, and all that these import.

Imports are read from the sources, those inside functions too, and nothing is imported for it. What a name decides at
run time (an algorithm's module, a data set's) no source tells: `sources` names these modules.
"""

import ast
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from drtrl_bench import registry
from drtrl_bench.files import textfile

MOST_BYTES = 4 * 2**20
"""Of one source file; the longest here has 30 kB."""
PACKAGE = "drtrl_bench"
HERE = Path(__file__).parent
"""The package's folder, in a checkout or installed. Its files are called by their modules, so the links that join the
folders of a checkout change nothing."""


def closure(*modules: str, find: Callable[[str], Path | None] | None = None) -> dict[str, Path]:
    """Collect the files of modules and of all that they import, as far as `find` knows the files, by module in order.

    find: the file of a module, or None for one that is left out; without it, every module of this package has one. This
    package's own `__init__.py` is left out, although Python runs it first: it offers names to users, and what it
    imports for them computes nothing. Raises ModuleNotFoundError for a module that has no file here, UnreadableError
    for a source that is no text or too long.
    """
    find = find or file_of
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        path = find(module)
        if path is None:
            raise ModuleNotFoundError(f"{module}: no such module in {HERE}")
        found[module] = path
        above = module.rpartition(".")[0]  # imported before the module, if it has a file
        named = imported(textfile.read(path, MOST_BYTES), module if path.name == "__init__.py" else above)
        waiting += [name for name in (*named, above) if name and find(name)]
    return dict(sorted(found.items()))


def file_of(module: str) -> Path | None:
    """Find the file of a module of this package, or None for what is in a module, and for all others.

    A folder is its `__init__.py`, except the package itself: see `closure`.
    """
    package, _, rest = module.partition(".")
    path = HERE.joinpath(*rest.split("."))
    files = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in files if package == PACKAGE and rest and file.is_file()), None)


@lru_cache(maxsize=512)
def imported(source: str, package: str) -> tuple[str, ...]:
    """List the names that a source in a package imports anywhere, absolute: modules, and what is taken from them.

    None of what is not Python: the interpreter will say what is wrong in it.
    """
    names: list[str] = []
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return ()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return tuple(dict.fromkeys(names))


def sources(name: str, framework: str, dataset_name: str) -> dict[str, Path]:
    """Collect the files of the project that produce a number, by module: a change in one makes its records out of date.

    What a plugin's names stand for is in its own files: `plugins.sources`.
    """
    measuring = (f"measure.{part}" for part in ("worker", "problem", "environment", f"backend_{framework}"))
    computing = (*measuring, f"implementations.cells.cells_{framework}")
    rule = () if callable(registry.ALGORITHMS[name].reference) else (registry.place(name, framework),)
    return project_files(*computing, *rule, *dataset_module(dataset_name))


def problem_sources(dataset_name: str) -> dict[str, Path]:
    """Collect the files of the project that produce a problem and its reference gradient, by module."""
    return project_files("measure.problem", *dataset_module(dataset_name))


def dataset_module(name: str) -> tuple[str, ...]:
    """Name the module of a data set of the project; none for a plugin's."""
    return () if name in registry.OTHER_DATASETS else (f"datasets.{name}",)


def project_files(*modules: str) -> dict[str, Path]:
    """Collect the files of modules of the project, and of all that they import."""
    return closure(*(f"{PACKAGE}.{module}" for module in modules))
