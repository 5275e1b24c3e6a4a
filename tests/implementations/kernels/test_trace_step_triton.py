"""The fused kernel of D-RTRL's trace step against the plain version, in Triton's interpreter on a CPU."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

pytestmark = [
    pytest.mark.skipif(not (find_spec("torch") and find_spec("triton")), reason="needs torch and triton"),
    pytest.mark.xdist_group("torch"),
]
INTERPRETED = "TRITON_INTERPRET" in os.environ


@pytest.mark.skipif(INTERPRETED, reason="this is the child")
def test_in_the_interpreter() -> None:
    """Triton chooses its interpreter when it is imported: in a process of its own, where nobody has imported it yet."""
    command = [sys.executable, "-m", "pytest", __file__, "-p", "no:cacheprovider"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")} | {"TRITON_INTERPRET": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "16 passed" in done.stdout


@pytest.mark.skipif(not INTERPRETED, reason="test_in_the_interpreter runs it")
@pytest.mark.parametrize("last", [False, True], ids=["moved", "last"])
@pytest.mark.parametrize(("S", "G"), [(1, 1), (3, 2)])
@pytest.mark.parametrize("stored", ["float32", "bfloat16"])
@pytest.mark.parametrize("K", [1, 3])
def test_step(K: int, S: int, G: int, last: bool, stored: str) -> None:
    import torch

    from drtrl_bench.implementations.engine import trace_torch
    from drtrl_bench.implementations.kernels import trace_step_triton

    B, J, N = 11, 4, 130  # more than a block of neurons, and more samples than are gone through at a time
    rng = torch.Generator().manual_seed(0)
    shapes = ((B, J, S, G, N), (B, S, N), (B, S, S, N), (K, B, J), (K, B, S, G, N))
    eps, lam, P, z, dy = (torch.randn(shape, generator=rng) for shape in shapes)
    plain, fused = (eps.to(getattr(torch, stored), copy=True) for _ in range(2))
    factors = None if last else (z, dy)
    right = trace_torch.step(plain, lam, P, factors)
    found = trace_step_triton.step(fused, lam, P, factors)
    torch.testing.assert_close(found, right, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(fused, plain)
    assert last == bool(torch.equal(fused, eps.to(fused.dtype)))
