"""A layer or a cell of one neuron, run by the reference or by a framework, for tests that work it out by hand."""

from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import prepare
from numpy.typing import ArrayLike, NDArray
from support.problems import in_framework, needs

from drtrl_bench.implementations.cells import spec as cells
from drtrl_bench.implementations.reference import algorithms as reference
from drtrl_bench.implementations.reference import cells as reference_cells

CODES = [
    pytest.param("reference"),
    *(pytest.param(f, marks=[pytest.mark.xdist_group(f), needs(f)]) for f in ("jax", "torch")),
]
"""Everything that must say the same: NumPy, JAX and PyTorch."""


class Played(NamedTuple):
    """What a layer of N neurons did in T steps with one sample."""

    states: NDArray[Any]
    """s^1 ... s^T [T, S, N]."""
    outputs: NDArray[Any]
    """o^1 ... o^T [T, N]."""


def weights(x: ArrayLike, r: ArrayLike | None = None, b: ArrayLike | None = None, p: ArrayLike | None = None) -> Any:
    """A layer's weights [J, G, N]; numbers in a row are the gates of one neuron with one input."""
    weights_by_kind = {"x": x, "r": r, "b": b, "p": p}
    present = {k: np.asarray(v, np.float64) for k, v in weights_by_kind.items() if v is not None}
    return {k: v if v.ndim == 3 else v.reshape(1, -1, 1) for k, v in present.items()}


def played(code: str, cell: cells.Cell, w: Any, inputs: ArrayLike) -> Played:
    """A layer from rest on inputs [T, I], or [T] for one line, by the code's own forward pass."""
    x = np.asarray(inputs, np.float64).reshape(len(np.asarray(inputs)), 1, -1)
    if code == "reference":
        (tape,) = reference.forward((cell,), [w], x)
        return Played(tape.states[1:, 0], tape.outputs[:, 0])
    prepare(code)
    network, net = import_module(f"drtrl_bench.implementations.engine.network_{code}"), in_framework((cell,), code)
    params, x = arrays(code, [w])[0], arrays(code, x)[0]
    effective, _ = network.effective_weights(net, params)
    (tape,), _, outputs = network.run(net, effective, network.initial_states(net, effective, 1), x)
    return Played(np.asarray(tape.states)[:, 0], np.asarray(outputs)[:, 0])


def arrays(code: str, *trees: Any) -> list[Any]:
    """NumPy arrays, or lists of dicts of them, as the framework's own."""
    module = import_module({"jax": "jax.numpy", "torch": "torch"}[code])
    array = module.asarray if code == "jax" else lambda a: module.from_numpy(np.array(a))
    return [[{k: array(v) for k, v in w.items()} for w in t] if isinstance(t, list) else array(t) for t in trees]


class Slopes(NamedTuple):
    """The derivatives of one neuron, by its S states and G currents."""

    D: NDArray[Any]
    """[S, S]."""
    F: NDArray[Any]
    """[S, G]."""
    R: NDArray[Any]
    """[S]: of what is emitted."""
    O: NDArray[Any]
    """[S]: of the output."""


def slopes(code: str, cell: cells.Cell, s: ArrayLike, y: ArrayLike) -> Slopes:
    """Of one neuron in states s [S] with currents y [G], by the reference's dual numbers or a framework's autodiff."""
    s, y = np.asarray(s, np.float64)[:, None], np.asarray(y, np.float64)[:, None]
    recurrent = "r" in cell.reads
    if code == "reference":
        D, F = reference_cells.jacobians(cell, s, y)
        R = reference_cells.output_jacobian(cell, s) if recurrent else np.zeros_like(s)
        return Slopes(D[..., 0], F[..., 0], R[:, 0], reference_cells.pull_output(cell, s, np.ones(1))[:, 0])
    prepare(code)
    (twin,) = in_framework((cell,), code)
    D, F = jacobian(code, twin.dynamics, s, y)
    (R,) = jacobian(code, twin.emit, s) if recurrent else (np.zeros((1, *s.shape)),)
    (O,) = jacobian(code, twin.output, s)
    return Slopes(D[:, 0, :, 0], F[:, 0, :, 0], R[0, :, 0], O[0, :, 0])


def jacobian(code: str, f: Any, *at: NDArray[Any]) -> list[NDArray[Any]]:
    """The full Jacobians of f by autodiff."""
    if code == "jax":
        jax = import_module("jax")
        return [np.asarray(j) for j in jax.jacrev(f, argnums=tuple(range(len(at))))(*at)]
    torch = import_module("torch")
    return [j.numpy() for j in torch.autograd.functional.jacobian(f, tuple(torch.from_numpy(a) for a in at))]
