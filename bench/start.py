"""Start a module of this package as a process of its own: from the files that lie here, wherever the user stands.

`python -m` looks in the current folder first, so that another clone's package, or a `random.py`, would be taken for
what it is not. Python therefore runs this file, which knows where the package is: `python -P start.py MODULE WORDS`.
"""

import importlib.util
import runpy
import sys
from pathlib import Path

PACKAGE = "drtrl_bench"
HERE = Path(__file__).absolute().parent
"""The package's folder: the one from which a process is started, and the one that it imports."""


def command(module: str, *words: str) -> list[str]:
    """Return the command line of `python -m module words`, with the package of the calling process."""
    return [sys.executable, "-P", str(HERE / "start.py"), module, *words]


def main() -> None:
    """Import the package from this folder, then run the module that the command line names."""
    spec = importlib.util.spec_from_file_location(PACKAGE, HERE / "__init__.py", submodule_search_locations=[str(HERE)])
    assert spec
    assert spec.loader
    sys.modules[PACKAGE] = package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
