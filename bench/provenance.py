"""Which files of this package make a number: the modules that compute it, and all that these import.

Imports are read from the sources, those inside functions too, and nothing is imported for it. What a name decides at
run time (an algorithm's module, a data set's) no source tells: the caller names these modules.
"""

import ast
from functools import lru_cache
from pathlib import Path

PACKAGE = "drtrl_bench"
HERE = Path(__file__).parent
"""The package's folder, in a checkout or installed. Its files are called by their modules, so the links that join the
folders of a checkout change nothing."""


def closure(*modules: str) -> dict[str, Path]:
    """The files of modules and of all modules of this package that they import, by module in alphabetical order.

    A package's own `__init__.py` is left out, although Python runs it first: it offers names to users, and what it
    imports for them computes nothing. Raises ModuleNotFoundError for a module that has no file here.
    """
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        path = file_of(module)
        if path is None:
            raise ModuleNotFoundError(f"{module}: no such module in {HERE}")
        found[module] = path
        named = imported(path.read_text(encoding="utf-8"), module.rpartition(".")[0])
        waiting += [name for name in named if file_of(name)]
    return dict(sorted(found.items()))


def file_of(module: str) -> Path | None:
    """The file of a module of this package, or None for a package, for what is in a module, and for all others."""
    package, _, rest = module.partition(".")
    path = HERE.joinpath(*rest.split(".")).with_suffix(".py")
    return path if package == PACKAGE and rest and path.is_file() else None


@lru_cache(maxsize=512)
def imported(source: str, package: str) -> tuple[str, ...]:
    """The names that a source in a package imports anywhere, absolute: modules, and what is taken from them."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return tuple(dict.fromkeys(names))
