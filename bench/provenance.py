"""Find the files that a number depends on: the modules that compute it, and all modules that these import.

Imports are read from the sources, those inside functions among them; no module is imported for it. Modules that a name
selects at run time (an algorithm's, a data set's) are named in no import: `sources` adds them.
"""

import ast
import io
import tokenize
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from drtrl_bench import registry
from drtrl_bench.files import textfile

MOST_BYTES = 4 * 2**20
"""The most bytes that a source file may have."""
PACKAGE = "drtrl_bench"
HERE = Path(__file__).parent
"""The package's folder, in a checkout or installed. Files are named by their modules, so that the links between the
folders of a checkout make no difference."""


def closure(*modules: str, find: Callable[[str], Path | None] | None = None) -> dict[str, Path]:
    """Collect the files of modules and of all that they import, by module, in alphabetical order.

    find: the function that returns the file of a module, or None for a module to leave out; by default `file_of`, which
    knows the modules of this package. The package's `__init__.py` is left out, although Python runs it first: it offers
    names to users, and what it imports for them computes nothing. Raises ModuleNotFoundError for one of `modules`
    without a file, UnreadableError for a source that is no text or too long.
    """
    find = find or file_of
    files: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module in files:
            continue
        path = find(module)
        if path is None:
            raise ModuleNotFoundError(f"{module}: no such module in {HERE}")
        files[module] = path
        parent = module.rpartition(".")[0]  # Python imports it before the module
        imports = imported(textfile.read(path, MOST_BYTES), module if path.name == "__init__.py" else parent)
        waiting += [name for name in (*imports, parent) if name and find(name)]
    return dict(sorted(files.items()))


def file_of(module: str) -> Path | None:
    """Return the file of a module of this package; None for a name inside a module, and for other packages.

    The file of a folder is its `__init__.py`; the package itself has none here: see `closure`.
    """
    package, _, within = module.partition(".")
    path = HERE.joinpath(*within.split("."))
    files = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in files if package == PACKAGE and within and file.is_file()), None)


@lru_cache(maxsize=512)
def imported(source: str, package: str) -> tuple[str, ...]:
    """List the absolute names that a source imports anywhere: modules, and the names that it takes from modules.

    package: that of the source, from which relative imports start. A source that is not Python has no imports: the
    interpreter will say what is wrong with it.
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
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return tuple(dict.fromkeys(names))


@lru_cache(maxsize=512)
def code(source: str) -> str:
    """Return a source without comments, docstrings and empty lines: what is left decides what it computes.

    Constants that stand alone are docstrings; a statement that shares their line keeps them. What is left is the same
    on every version of Python. A source that is not Python is returned as it is.
    """
    try:
        tree = ast.parse(source)
        tokens = [*tokenize.generate_tokens(io.StringIO(source).readline)]
    except (SyntaxError, ValueError, RecursionError):
        return source
    lines = source.splitlines()
    for token in tokens:
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    texts = [each for each in ast.walk(tree) if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)]
    for text in texts:
        first, last = text.lineno - 1, (text.end_lineno or text.lineno) - 1
        before = lines[first].encode()[: text.col_offset].strip()
        if not before and not lines[last].encode()[text.end_col_offset :].strip():
            lines[first : last + 1] = [""] * (last + 1 - first)
    return "\n".join(line.rstrip() for line in lines if line.strip())


def code_of(path: Path) -> str:
    """Read a file, and return its source without comments, docstrings and empty lines.

    Raises UnreadableError for one that is no text or too long.
    """
    return code(textfile.read(path, MOST_BYTES))


def sources(name: str, framework: str, dataset_name: str) -> dict[str, Path]:
    """Collect the files of the project that produce a number, by module: other code in one makes records out of date.

    `plugins.sources` collects the files of plugins.
    """
    measuring = (f"measure.{module}" for module in ("worker", "problem", "environment", f"backend_{framework}"))
    computing: tuple[str, ...] = (*measuring, f"implementations.cells.cells_{framework}")
    algorithm = registry.ALGORITHMS[name]
    if not callable(algorithm.reference):
        computing = (*computing, registry.module_name(name, framework), algorithm.reference_place[0])
    return project_files(*computing, *dataset_module(dataset_name))


def problem_sources(dataset_name: str) -> dict[str, Path]:
    """Collect the files of the project that produce a problem and its reference gradient, by module."""
    return project_files("measure.problem", *dataset_module(dataset_name))


def dataset_module(name: str) -> tuple[str, ...]:
    """Return the name of the module of a data set of the project; nothing for a plugin's data set."""
    return () if name in registry.OTHER_DATASETS else (f"datasets.{name}",)


def project_files(*modules: str) -> dict[str, Path]:
    """Collect the files of modules of the project, named within the package, and of all that they import."""
    return closure(*(f"{PACKAGE}.{module}" for module in modules))
