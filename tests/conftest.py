"""Which framework a test runs in, and how: `framework` as an argument gives one test per framework.

The tests of one framework stay on one worker of `pytest -n 2 --dist loadgroup`, so that neither imports both; those
of a framework that is not installed are skipped.
"""

import os
from functools import cache
from importlib.util import find_spec

import pytest
from hypothesis import settings
from problems import FRAMEWORKS, needs

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if "CI" in os.environ else "local")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "framework" in metafunc.fixturenames:
        marked = [pytest.param(f, marks=[pytest.mark.xdist_group(f), needs(f)]) for f in FRAMEWORKS]
        metafunc.parametrize("framework", marked)


@cache
def prepare(framework: str) -> None:
    """Once per process: float64 in JAX, one thread in PyTorch."""
    if framework == "torch":
        import torch

        torch.set_num_threads(1)
        return
    with pytest.MonkeyPatch.context() as patch:  # not for child processes
        # Compiling takes most of the JAX tests' time; LLVM's optimisations change nothing that is tested here.
        patch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")
        import jax

        jax.config.update("jax_enable_x64", True)
        jax.devices()  # reads the flags


def pytest_runtest_setup(item: pytest.Item) -> None:
    if isinstance(item, pytest.Function) and (spec := getattr(item, "callspec", None)):
        for framework in FRAMEWORKS:
            if spec.params.get("framework") == framework and find_spec(framework):
                prepare(framework)
