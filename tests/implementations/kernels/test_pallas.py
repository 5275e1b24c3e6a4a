"""What a GPU runs in JAX, on a CPU: the forward pass as a kernel, interpreted, and the adjoint by a parallel scan."""

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import pytest
from conftest import prepare
from support.problems import Bound, errors, execution, gradient, needs, network, problem

from drtrl_bench.implementations.reference import algorithms as reference
from drtrl_bench.implementations.reference import cells as reference_cells

pytestmark = [needs("jax"), pytest.mark.xdist_group("jax")]
MANY = 20
"""Neurons; at most four times as many as rows that a kernel here adds at once."""


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    from drtrl_bench.implementations.engine import xla_jax
    from drtrl_bench.implementations.kernels import forward_pallas

    prepare("jax")
    monkeypatch.setattr(xla_jax, "on_cpu", lambda: False)
    monkeypatch.setattr(forward_pallas, "ROWS", 4)
    return {"execution": execution("jax", layer=partial(forward_pallas.layer, interpret=True))}


@pytest.mark.parametrize(
    ("rule", "cell", "block"),
    [
        *(("drtrl", "lif_soft", 64), ("bptt", "lif_hard", 64), ("drtrl", "alif", 64), ("drtrl", "lstm", 64)),
        *(("drtrl", "lif_soft", 2), ("drtrl", "alif", 2), ("bptt", "lif_multiply", 64)),
    ],
)
def test_gradient(rule: str, cell: str, block: int, as_on_a_gpu: dict[str, Any]) -> None:
    options: dict[str, Any] = {} if cell == "lstm" else {"scale_x": 60.0, "scale_r": 10.0}
    p = problem(network(cell, 1, "leaky", **options), N=MANY, T=6)
    for layer, tape in zip(p.net, reference.forward(*p[:3]), strict=True):
        most = reference_cells.fired(layer, tape.states[1:]).sum(-1).max() if layer.spiking else MANY
        assert most > 8, "the kernel's loop must go round more than twice"
    exact = {"drtrl": reference.drtrl_by_cutting, "bptt": reference.bptt}[rule]
    loss, right = exact(*p)
    options = {"execution": as_on_a_gpu["execution"]._replace(block=block)}
    K = 6 if rule == "bptt" else 3 if block > 3 else 5  # in blocks of 2, whose adjoints are handed on
    found, grads = gradient("jax", rule, p, K, options=options)
    assert found == pytest.approx(loss, rel=1e-12)
    wrong = {name: error for name, error in errors(grads, right).items() if error > 1e-10}
    assert not wrong


def for_a_gpu() -> AbstractContextManager[Any]:
    """From jax 0.12 on, a kernel is lowered for a device that is said: here, one that need not be there."""
    from jax import sharding

    if not hasattr(sharding, "AbstractDevice"):
        return nullcontext()
    device = sharding.AbstractDevice("NVIDIA H100 80GB HBM3", None, "cuda")
    return sharding.use_abstract_mesh(sharding.AbstractMesh((1,), ("all",), abstract_device=device))


@pytest.mark.filterwarnings("ignore:The Pallas Triton backend is deprecated:DeprecationWarning")  # from jax 0.12 on
def test_a_gpu_gets_one_kernel_a_layer_and_chunks_as_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lowered for a GPU that need not be there: a kernel for either layer, in the loop over chunks and for the last."""
    import jax

    from drtrl_bench import lookup
    from drtrl_bench.implementations.algorithms.approximate import drtrl_jax
    from drtrl_bench.implementations.engine import network_jax, xla_jax
    from drtrl_bench.implementations.kernels import forward_pallas

    monkeypatch.setattr(xla_jax, "on_cpu", lambda: False)
    on_kernels = Bound(
        drtrl_jax.init, partial(drtrl_jax.advance, execution=execution("jax", layer=forward_pallas.layer))
    )
    p = problem(network("lif_soft", 1, "leaky"), N=MANY, T=12)
    net = lookup.network("lif_delta", "leaky", 1, "jax")
    shapes = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, np.float32), (p.params, p.inputs))
    targets = jax.ShapeDtypeStruct(p.targets.shape, np.int32)
    call = jax.jit(lambda *arguments: network_jax.gradient(on_kernels, net, *arguments, chunk=4))
    with for_a_gpu():
        text = call.trace(*shapes, targets).lower(lowering_platforms=("cuda",)).as_text()
    assert text.count("__gpu$xla.gpu.triton") == 4
    assert text.count("@LayoutConstraint") == 2
    assert text.count("stablehlo.while") == 5, "over chunks, and over blocks twice there and back, but not over steps"
