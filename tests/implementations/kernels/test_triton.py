"""The kernels of PyTorch's mode "triton": in Triton's interpreter against the NumPy reference, and compiled for a GPU
that need not be there, in the version of Triton that is installed.
"""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import pytest
from support.problems import errors, gradient, network, problem
from test_zoo import true_gradient

from drtrl_bench.implementations.reference import algorithms as reference
from drtrl_bench.implementations.reference import cells as reference_cells

pytestmark = [
    pytest.mark.skipif(not (find_spec("torch") and find_spec("triton")), reason="needs torch and triton"),
    pytest.mark.xdist_group("torch"),
    # of Triton's own code, on Python 3.13
    pytest.mark.filterwarnings("ignore:.*Assign.__init__ missing 1 required positional argument:DeprecationWarning"),
]
INTERPRETED = "TRITON_INTERPRET" in os.environ
CASES = [("drtrl", "lif_soft", 64), ("bptt", "lif_hard", 64), ("drtrl", "alif", 64), ("drtrl", "gru", 64)]
CASES += [("snap1", "lif_soft", 64), ("drtrl_window", "alif", 64), ("no_trace", "lif_hard", 64), ("bptt", "lstm", 64)]
CASES += [("es_drtrl", "lif_soft", 64), ("drtrl", "lif_soft", 2), ("drtrl", "alif", 2), ("bptt", "lif_hard", 2)]
CASES += [("bptt", "lif_multiply", 64), ("drtrl", "alif_detached", 64)]
"""Rule, cell, and steps of a block at most: chunks of 5 in blocks of 2 hand adjoints on, the loss's among them."""
MANY = 40
"""Neurons, of which more spike at a time than are added at once."""


@pytest.mark.skipif(INTERPRETED, reason="this is the child")
def test_in_the_interpreter() -> None:
    """Triton chooses its interpreter when it is imported: in a process of its own, where nobody has imported it yet."""
    command = [sys.executable, "-m", "pytest", __file__, "-p", "no:cacheprovider"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")} | {"TRITON_INTERPRET": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert f"{len(CASES)} passed" in done.stdout


@pytest.mark.skipif(not INTERPRETED, reason="test_in_the_interpreter runs it")
@pytest.mark.parametrize(("rule", "cell", "block"), CASES)
def test_gradient(rule: str, cell: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from drtrl_bench.implementations.kernels import execution_triton, forward_triton

    scales: dict[str, Any] = {"scale_x": 60.0, "scale_r": 10.0} if "lif" in cell else {}
    p = problem(network(cell, 1, "leaky", **scales), N=MANY, T=6)
    for layer, tape in zip(p.net, reference.forward(*p[:3]), strict=True):
        most = reference_cells.fired(layer, tape.states[1:]).sum(-1).max() if layer.spiking else MANY
        assert most > 8, "the kernel's loop must go round more than twice"
    monkeypatch.setattr(forward_triton, "ROWS", 4)
    K = 3 if block > 3 else 5
    loss, right = true_gradient(rule, p, K)
    options = {"execution": execution_triton.execution(block, compiled=False)}
    found, grads = gradient("torch", rule, p, K, options=options)
    assert found == pytest.approx(loss, rel=1e-12)
    wrong = {name: error for name, error in errors(grads, right).items() if error > 1e-10}
    assert not wrong


def compiled(kernel: Any, sizes: dict[str, Any], number: str, warps: int) -> Any:
    """A kernel compiled for a GPU of compute capability 9.0: pointers to `number`s, but lists are of whole numbers."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    whole = {"B", "Q", "m", "N", "J", "G"}
    kinds = {name: "i32" if name in whole else "*i32" if name == "lists" else f"*{number}" for name in kernel.arg_names}
    signature = {name: "constexpr" if name in sizes else kind for name, kind in kinds.items()}
    aligned: Any = {(i,): [["tt.divisibility", 16]] for i, kind in enumerate(signature.values()) if kind[0] == "*"}
    options = {"num_warps": warps, "enable_fp_fusion": True}
    return triton.compile(
        ASTSource(kernel, signature, sizes, aligned), target=GPUTarget("cuda", 90, 32), options=options
    )


@pytest.mark.skipif(INTERPRETED, reason="nothing is compiled in the interpreter")
@pytest.mark.parametrize("number", ["fp32", "fp64"])
def test_forward_compiles_and_keeps_its_inner_loop(number: str) -> None:
    """A compiler may drop a loop whose count it does not carry around the loop outside: then no row of W_r is read."""
    from drtrl_bench.implementations.cells import cells_torch
    from drtrl_bench.implementations.kernels import forward_triton

    sizes = {"K": 64, "N": 512, "S": 1, "RECURRENT": True, "WIDTH": 512, "ROWS": 16}
    built = compiled(forward_triton.steps, sizes | forward_triton.constants(cells_torch.LIF()), number, 4)
    text = built.asm["ttir"]
    inner = text[text.index("scf.while") :]
    condition, body = inner[: inner.index("} do {")], inner[inner.index("} do {") : inner.index("scf.yield")]
    assert "arith.cmpi slt" in condition, "goes on while neurons are left on the list"
    assert re.search(r"tt\.load .*tensor<16x512x!tt\.ptr<f\d\d>>", body), "reads rows of W_r"
    assert re.search(r"arith\.addf .*tensor<512x", body), "adds them"
    assert re.search(r"arith\.addi .*%c16_i32", body), "and goes on with the next"
    assert text.count("gpu.barrier") + text.count("ttg.barrier") + text.count("ttg.local_barrier") == 1
    decay = re.search(r"dense<0?\.?(8\.?18730[^>]*)>", text)
    assert decay is not None
    assert number == "fp32" or decay[0].startswith("dense<0.81873075307798"), "constants as precise as the states"
    assert built.asm["ptx"].count("ld.global") > 8


@pytest.mark.skipif(INTERPRETED, reason="nothing is compiled in the interpreter")
@pytest.mark.parametrize(("S", "G"), [(1, 1), (3, 2)])
def test_the_others_compile(S: int, G: int) -> None:
    from drtrl_bench.implementations.kernels import adjoint_triton, trace_step_triton

    states = 1 if S == 1 else 4
    adjoint = {"S": S, "G": G, "STATES": states, "CURRENTS": G, "BLOCK": 64}
    uncoupled = compiled(adjoint_triton.steps, adjoint | {"K": 64, "THROUGH": False}, "fp32", 2)
    compiled(adjoint_triton.steps, adjoint | {"K": 1, "THROUGH": True}, "fp32", 2)
    trace = {"B": 8, "S": S, "STATES": states, "DECAY": True, "ADD": True, "SAMPLES": 8, "BLOCK": 128}
    passed = compiled(trace_step_triton.pass_over, trace, "fp32", 4)
    beyond = "arrays may have more than 2^31 entries"
    assert re.search(r"arith\.muli .*tensor<8x1x1xi64>", passed.asm["ttir"]), f"{beyond}: those of the samples before"
    assert len(re.findall(r"arith\.(?:muli|addi) .* : i64", uncoupled.asm["ttir"])) > 8, f"{beyond}: steps before"


@pytest.mark.skipif(INTERPRETED, reason="only what the child counts runs in the interpreter")
def test_paths_through_weights_are_launched_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """One graph of all of a block's backward pass would unroll a launch for each step, as D-RTRL's never does."""
    import torch

    from drtrl_bench.implementations.engine.adjoint_torch import DIAGONAL, FULL, NONE, Rule
    from drtrl_bench.implementations.kernels import adjoint_triton, execution_triton

    whole: list[bool] = []

    def compile_(function: Any, fullgraph: bool = False, **options: Any) -> Any:
        def call(*arguments: Any) -> Any:
            whole.append(fullgraph)
            return function(*arguments)

        return call

    def backward(rule: Rule, *arguments: Any, **ways: Any) -> tuple[str, ...]:
        assert ways["recursion"] is adjoint_triton.recursion
        return tuple(sorted(ways))

    monkeypatch.setattr(torch, "compile", compile_)
    monkeypatch.setattr(execution_triton.adjoint, "backward", backward)
    call = execution_triton.execution(64).backward
    for loss, carry in ((FULL, NONE), (FULL, FULL), (FULL, DIAGONAL)):
        assert call(Rule(loss, carry)) == ("compiled", "recursion")
    assert not whole
    for loss, carry in ((DIAGONAL, NONE), (DIAGONAL, DIAGONAL), (NONE, NONE)):
        assert call(Rule(loss, carry)) == ("recursion",)
    assert whole == [True] * 3
