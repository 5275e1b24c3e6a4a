"""Which framework a test runs in, and how: `framework` as an argument gives one test per framework.

The tests of one framework stay on one worker of `pytest -n 2 --dist loadgroup`, so that neither imports both; those
of a framework that is not installed are skipped. `implementations` is always the folder beside this one.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

from problems import FRAMEWORKS

# Compiling takes most of the JAX tests' time; LLVM's optimisations change no result that is tested here.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if "CI" in os.environ else "local")


def needs(framework: str) -> pytest.MarkDecorator:
    """Skip where the framework is not installed."""
    return pytest.mark.skipif(
        find_spec(framework) is None, reason=f"needs {framework}: pip install 'drtrl-bench[{framework}]'"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "framework" in metafunc.fixturenames:
        marked = [pytest.param(f, marks=[pytest.mark.xdist_group(f), needs(f)]) for f in FRAMEWORKS]
        metafunc.parametrize("framework", marked)


def pytest_configure() -> None:
    import implementations

    here = Path(__file__).resolve().parent.parent
    if Path(implementations.__path__[0]).resolve() != here / "implementations":
        raise pytest.UsageError(
            f"would test {implementations.__path__[0]} with the tests of {here}; see sys.path: {sys.path}"
        )
