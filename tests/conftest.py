"""Which framework a test runs in, and how: `framework` as an argument gives one test per framework.

The tests of one framework stay on one worker of `pytest -n 2 --dist loadgroup`; those of a framework that is not
installed are skipped. So is a test that asks for the readers of event files where they are not installed.
"""

import ctypes
import gc
import os
import sys
from collections.abc import Generator, Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from support.genuine import cache_folder as cache_folder
from support.genuine import known as known
from support.genuine import unread
from support.genuine import written as written
from support.problems import FRAMEWORKS, needs

from drtrl_bench.measure import memory
from drtrl_bench.process import locks, repository, variables

# Small problems are tested, by as many processes as pytest has workers: each would compile for an accelerator, and
# hold three quarters of its memory. A measuring process is not told: `environment.child` leaves these variables out.
os.environ.setdefault("JAX_PLATFORMS", "cpu")

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if "CI" in os.environ else "local")


@pytest.fixture(autouse=True, scope="session")
def enough_memory() -> Iterator[None]:
    """Cases are not refused for what other programs leave; a test of the refusal says itself what is free."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(memory.SETTING, "8")
        yield


@pytest.fixture(autouse=True, scope="session")
def no_hook() -> Iterator[None]:
    """Tests that a hook of git runs make repositories of their own, and no commit in the one of the hook."""
    with pytest.MonkeyPatch.context() as patch:
        for name in repository.LOCAL:
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(autouse=True, scope="session")
def no_tuning() -> Iterator[None]:
    """A command prints no line on variables that whoever runs the tests has set; folders and compilers stay.

    So does TRITON_INTERPRET, with which tests of kernels start a pytest of their own.
    """
    told = (*variables.TUNING, *variables.WITHHELD)
    stays = (*variables.NEEDED, *variables.IMPORTED, *variables.SET, "*_PATH", "CC", "CXX", "TRITON_INTERPRET")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name == variables.PASS or (variables.matches(name, told) and not variables.matches(name, stays)):
                patch.delenv(name)
        yield


@pytest.fixture(autouse=True, scope="session")
def side_by_side() -> Iterator[None]:
    """Cases of tests wait for no other measurement: their times are looked at by nobody."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(locks.SETTING, "none")
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--zoo-table", metavar="FILE", help="write what test_zoo.py compared, as a table")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Writes and prints the table of cells and algorithms, from what the tests of this run recorded."""
    if path := config.getoption("--zoo-table"):
        from zoo_table import table

        recorded = [dict(report.user_properties) for report in terminalreporter.stats.get("passed", [])]
        text = table(tuple(each["compared"]) for each in recorded if "compared" in each)
        Path(path).write_text(text, encoding="utf-8")
        terminalreporter.write_line(text)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "framework" in metafunc.fixturenames:
        marked = [pytest.param(f, marks=[pytest.mark.xdist_group(f), needs(f)]) for f in FRAMEWORKS]
        metafunc.parametrize("framework", marked)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every other of the zoo's JAX tests, which spend minutes compiling, goes to the worker that has the time."""
    zoo = [item for item in items if item.path.name == "test_zoo.py" and "[jax-" in item.name]
    for item in zoo[::2]:
        item.own_markers = [mark for mark in item.own_markers if mark.name != "xdist_group"]
        item.add_marker(pytest.mark.xdist_group("torch"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, Any, Any]:
    """Skips a test that cannot read its files: those that read with the project's own code alone still run."""
    try:
        return (yield)
    except Exception as error:
        if reason := unread(error):
            pytest.skip(reason)
        raise


@pytest.hookimpl(wrapper=True, specname="pytest_runtest_setup")
def pytest_runtest_fixtures() -> Generator[None, Any, Any]:
    return (yield from pytest_runtest_call())


CHEAP = (
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
    "--xla_cpu_use_fusion_emitters=false",
)
"""Flags of XLA. Compiling takes most of the JAX tests' time; LLVM's optimisations change nothing that is tested here,
and without the newer emitters of fused loops the rest compiles three times as fast."""


def understood(flags: tuple[str, ...]) -> list[str]:
    """The flags that the installed jaxlib has: it ends the process at one that it does not know.

    A flag's name is a string of its own there, between two zeros; a name of which only the memory is kept is not.
    """
    found: list[str] = []
    for library in Path(str(import_module("jaxlib").__file__)).parent.glob("lib*.so"):
        with library.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            names = ((flag, flag.lstrip("-").partition("=")[0]) for flag in flags)
            found += [flag for flag, name in names if content.find(f"\0{name}\0".encode()) >= 0]
    return found


@cache
def prepare(framework: str) -> None:
    """Once per process: float64 in JAX, one thread in PyTorch."""
    if framework == "torch":
        import torch

        torch.set_num_threads(1)
        return
    with pytest.MonkeyPatch.context() as patch:  # not for child processes
        patch.setenv("XLA_FLAGS", " ".join(understood(CHEAP)))
        import jax

        jax.config.update("jax_enable_x64", True)
        jax.devices()  # reads the flags


def pytest_runtest_setup(item: pytest.Item) -> None:
    if isinstance(item, pytest.Function) and (spec := getattr(item, "callspec", None)):
        for framework in FRAMEWORKS:
            if framework in (spec.params.get("framework"), spec.params.get("code")) and find_spec(framework):
                prepare(framework)


MOST_MAPPINGS = 20_000
"""Memory mappings before compiled programs are let go: a process may hold only so many (65,530 on Linux)."""
MOST_GROWTH = 2**30
"""Bytes that a process may grow by before they are."""
MOST_BYTES = 5 * 2**29
"""Bytes that a process may hold at its peak: two, and what they measure, must fit a machine of 8 GiB."""


class Clearing:
    """When compiled programs are let go: after a module, whose programs no other needs, and within a large one."""

    def __init__(self) -> None:
        self.after = 0
        """Bytes held after the last clearing."""

    def due(self) -> bool:
        """Whether the process holds many mappings, or much more than after the last clearing."""
        if resident() > self.after + MOST_GROWTH:
            return True
        with Path("/proc/self/maps").open("rb") as lines:
            return sum(1 for _ in lines) > MOST_MAPPINGS

    def now(self) -> None:
        """Drops JAX's compiled programs, and gives the freed memory back to the system."""
        sys.modules["jax"].clear_caches()
        gc.collect()
        if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # glibc keeps it otherwise
            trim(0)
        self.after = resident()


CLEARING = Clearing()


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    if "jax" in sys.modules and (nextitem is None or nextitem.path != item.path or CLEARING.due()):
        CLEARING.now()
    if nextitem is None and (peak := memory.rss_peak_bytes() or 0) > MOST_BYTES:
        pytest.fail(
            f"the tests of this process held {memory.in_words(peak)}; {memory.in_words(MOST_BYTES)} is the most"
        )
