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
BROKEN = "Triton's interpreter does not run with this NumPy"


@pytest.mark.skipif(INTERPRETED, reason="this is the child")
def test_in_the_interpreter() -> None:
    """Triton chooses its interpreter when it is imported: in a process of its own, where nobody has imported it yet."""
    command = [sys.executable, "-m", "pytest", __file__, "-p", "no:cacheprovider"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")} | {"TRITON_INTERPRET": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    if "9 skipped" in done.stdout:
        pytest.skip(BROKEN)
    assert "8 passed" in done.stdout


if INTERPRETED:
    import triton
    from triton import language as tl
    from triton.runtime.errors import InterpreterError

    @triton.jit
    def counted(to, number):
        for i in range(number):
            tl.store(to + i, i)

    @pytest.fixture(scope="module")
    def interpreter() -> None:
        """Skips where the interpreter runs no loop whose end is an argument: from NumPy 2.5 on, an array of one element
        is no number."""
        import torch

        try:
            counted[(1,)](torch.zeros(2), 2)
        except InterpreterError:
            pytest.skip(BROKEN)


@pytest.mark.skipif(not INTERPRETED, reason="test_in_the_interpreter runs it")
@pytest.mark.usefixtures("interpreter")
@pytest.mark.parametrize("last", [False, True], ids=["moved", "last"])
@pytest.mark.parametrize(("S", "G"), [(1, 1), (3, 2)])
@pytest.mark.parametrize("stored", ["float32", "bfloat16"])
def test_turn(S: int, G: int, last: bool, stored: str) -> None:
    import torch

    from drtrl_bench.implementations import drtrl_torch, trace_step_triton

    B, J, N = 3, 4, 130  # more than a block of neurons
    rng = torch.Generator().manual_seed(0)
    shapes = ((B, J, S, G, N), (B, S, N), (B, S, S, N), (1, B, J), (1, B, S, G, N))
    e, c, P0, z, p = (torch.randn(shape, generator=rng) for shape in shapes)
    plain, fused = (e.to(getattr(torch, stored), copy=True) for _ in range(2))
    moves = () if last else (z, p)
    right = drtrl_torch.turn(plain, c, P0, *moves)
    found = trace_step_triton.turn(fused, c, P0, *moves)
    torch.testing.assert_close(found, right, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(fused, plain)
    assert last == bool(torch.equal(fused, e.to(fused.dtype)))
