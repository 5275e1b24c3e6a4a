"""Runs tests of a copy of the project in a process that is forked from one in which the frameworks are imported.

A process of its own would import pytest, NumPy and a framework anew, which takes longer than most of the tests.
"""

import multiprocessing
import os
import sys
from functools import cache
from importlib.util import find_spec
from multiprocessing.context import ForkServerContext
from pathlib import Path
from subprocess import CompletedProcess

ROOT = Path(__file__).parents[2]
IMPORTED = ("pytest", "numpy", "jax", "torch")
OURS = ("drtrl_bench", "support", "planted")


@cache
def context() -> ForkServerContext:
    """Starts what is forked from, with all that a copy imports and that is not the project's."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload([name for name in IMPORTED if find_spec(name)])
    return made


def run(folder: str, output: str, words: tuple[str, ...]) -> None:
    """Is pytest in a folder, in the forked process: its output in a file, its exit code the process's."""
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.chdir(folder)
    for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
        del sys.modules[name]
    sys.path[:] = [folder, *(path for path in sys.path if path and not Path(path).is_relative_to(ROOT / "tests"))]
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        del os.environ[name]
    os.environ["PYTHONPATH"] = folder  # for the commands that tests start
    import pytest

    from drtrl_bench import implementations

    print(implementations.__file__, flush=True)
    code = pytest.main(list(words))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def tests(folder: Path, *words: str) -> CompletedProcess[str]:
    """Runs pytest with these words on a copy of the project; the copy's implementations must be those imported."""
    output = folder / "output-of-the-tests"
    process = context().Process(target=run, args=(str(folder), str(output), words))
    process.start()
    try:
        process.join()
    finally:
        process.kill()  # if the time of a test is over
    said = output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""
    assert said.startswith(f"{folder / 'drtrl_bench' / 'implementations' / '__init__.py'}\n"), said
    return CompletedProcess(words, process.exitcode or 0, said, "")
