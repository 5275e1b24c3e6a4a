"""Compute the adjoint recursion over a block of steps in JAX: the backward pass that all algorithms share.

An adjoint lam^t = dX/ds^t holds the derivatives of X with respect to the states of step t. X is the loss, or one of the
chunk's last states, whose adjoints together are the Jacobian P^t = ds^K/ds^t. All of them obey, backwards in time,

    dX/dy^t   = lam^t D_f^t
    lam^{t-1} = lam^t D^t + (dX/dy^t W_r^T) R^t        the loss's adjoint also gains l^{t-1}

l^t is the derivative of the loss of step t with respect to s^t. The second term is the path through the recurrent
weights. The algorithms differ in which adjoints keep it: see `Rule`.
Symbols and shapes are those of the notation table in `implementations/README.md`; Q is the number of adjoints.
The twin is `adjoint_torch.py`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from drtrl_bench.implementations.engine import xla_jax as xla
from drtrl_bench.implementations.engine.derivatives_jax import learning_signals, local_jacobians, output_jacobian
from drtrl_bench.implementations.engine.network_jax import Params, PerWeight, Residuals, States, presynaptic

FULL, DIAGONAL, NONE = "FULL", "DIAGONAL", "NONE"
"""Paths of an adjoint from a step to the step before: all; those inside a neuron; none, the same step only."""
Adjoints = list[Array]
"""Adjoints [B, Q, S, N] of each layer, the loss's first."""
Recurrent = tuple[Array, Array, slice]
"""The path through the recurrent weights: W_r, R, and the currents that W_r feeds."""


def neuronwise(a: Array, b: Array) -> Array:
    """Multiply small matrices neuron by neuron: sum_s a[..., i, s, n] b[..., s, j, n]."""
    terms = [a[..., s, None, :] * b[..., None, s, :, :] for s in range(b.shape[-3])]
    return sum(terms[1:], terms[0])


def recursion(
    lam: Array, l: Array, D: Array, D_f: Array, recurrent: Recurrent | None = None, unroll: int = 1
) -> tuple[Array, Array]:
    """Run the adjoint recursion from lam [B, Q, S, N] at the block's end: dX/dy [K, B, Q, G, N], and lam at its start.

    l [K, B, m, S, N] is added to the first m adjoints. Without `recurrent`, paths through recurrent weights are left
    out.
    """
    if recurrent is None and not xla.on_cpu():
        return parallel_recursion(lam, l, D, D_f)
    m = l.shape[2]

    def back(lam: Array, step: tuple[Array, ...]) -> tuple[Array, Array]:
        l, D, D_f, *R = step
        lam = lam.at[:, :m].add(l)
        dy = neuronwise(lam, D_f)
        lam = neuronwise(lam, D)
        if recurrent is not None:
            dr = jnp.einsum("bmgn,jgn->bmj", dy[:, :, recurrent[2]], recurrent[0])
            lam = lam + dr[:, :, None] * R[0][:, None]
        return lam, dy

    steps = (l, D, D_f) if recurrent is None else (l, D, D_f, recurrent[1])
    start, dy = lax.scan(back, lam, steps, reverse=True, unroll=unroll)
    return dy, start


def keep_paths(
    paths: str, lam: Array, l: Array, D: Array, D_f: Array, recurrent: Recurrent | None, unroll: int
) -> tuple[Array, Array]:
    """Run the adjoint recursion with the paths that a rule keeps; with NONE the adjoint of a step is l alone."""
    if paths == NONE:
        return neuronwise(l, D_f), jnp.zeros_like(lam)
    return recursion(lam, l, D, D_f, recurrent if paths == FULL else None, unroll)


def parallel_recursion(lam: Array, l: Array, D: Array, D_f: Array) -> tuple[Array, Array]:
    """Compute `recursion` without recurrent paths in about log2 K passes, in place of K small launches on a GPU."""
    m = l.shape[2]

    def compose(later: tuple[Array, Array], earlier: tuple[Array, Array]) -> tuple[Array, Array]:
        return neuronwise(later[0], earlier[0]), neuronwise(later[1], earlier[0]) + earlier[1]

    P, by_l = lax.associative_scan(compose, (D, neuronwise(l, D)), reverse=True)
    before = neuronwise(lam, P).at[:, :, :m].add(by_l)  # lam^0 ... lam^{K-1}
    after = jnp.concatenate([before[1:], lam[None]])
    return neuronwise(after.at[:, :, :m].add(l), D_f), before[0]


def weight_gradient(z: Array, dy: Array) -> Array:
    """Sum z^t (x) dy^t over steps and samples in one GEMM: z [K, B, J], dy [K, B, G, N] -> [J, G, N].

    XLA copies the left operand of such a product to transpose it, so the narrower stands on the left.
    """
    if z.shape[-1] <= dy.shape[-2] * dy.shape[-1]:
        return jnp.einsum("tbj,tbgn->jgn", z, dy)
    return jnp.moveaxis(lax.optimization_barrier(jnp.einsum("tbgn,tbj->gnj", dy, z)), -1, 0)


def forward_weights(below: int, error: Array, cell: Any, w: PerWeight, dX_dy: Array) -> Array:
    """Feed dX/dy back through the forward weights, as backpropagation does: dX/do [K, B, Q, J] of the layer below."""
    return jnp.einsum("tbmgn,jgn->tbmj", dX_dy[..., cell.reads["x"], :], w["x"])


class Rule(NamedTuple):
    """Describe an algorithm as a row of the table in `implementations/README.md`: the paths that its adjoints keep."""

    loss: str
    """Paths of the loss's adjoint: FULL, DIAGONAL or NONE."""
    carry: str = NONE
    """Paths of the last states' adjoints, which update the carry; NONE if the algorithm carries the states alone."""
    jacobians: Callable[..., tuple[Array, Array]] = local_jacobians
    """The function that computes D and D_f from the cell, its weights and its residuals."""
    feedback: Callable[..., Array] = forward_weights
    """The function that computes dX/do of layer `below`, from the error dL/dlogits or from dX/dy of the layer above."""


def require_carry(rule: Rule, carry: str) -> None:
    """Raise ValueError if a rule's carry is not the one that an algorithm's `advance` updates."""
    if rule.carry != carry:
        keeps = {NONE: "bptt", DIAGONAL: "drtrl", FULL: "rtrl"}
        raise ValueError(
            f"the rule's carry is {rule.carry}: take init and advance of {keeps[rule.carry]}, not of {keeps[carry]}"
        )


def final_adjoints(paths: str, states: States) -> Adjoints:
    """Return the adjoints [B, Q, S, N] of each layer at the chunk's end: the loss's, 0, then the last states'.

    NONE: the loss's alone. DIAGONAL: one for each state of a neuron, for all neurons at once, as none reaches another.
    FULL: one for every state of the layers above, which is 0, then one for every state of the layer.
    """
    adjoints, above = [], 1
    for s in reversed(states):
        B, S, N = s.shape
        if paths == FULL:
            lam = jnp.eye(above + S * N, S * N, -above, s.dtype).reshape(-1, S, N)
        elif paths == DIAGONAL:
            lam = jnp.eye(1 + S, S, -1, s.dtype)[:, :, None]
        else:
            lam = jnp.zeros((1, 1, 1), s.dtype)
        adjoints.insert(0, jnp.broadcast_to(lam, (B, lam.shape[0], S, N)))
        above += S * N
    return adjoints


def at_start(paths: str, adjoints: Adjoints) -> tuple[list[Array], list[Array]]:
    """Split the adjoints at the chunk's start into lam^0, the loss's, and P^0 = ds^K/ds^0, of each layer.

    FULL: with respect to the states of all layers from the top down to this one, lam^0 [B, n] and P^0 [B, n, n]; a
    layer's own last states do not depend on the layers above. Otherwise lam^0 [B, S, N] and P^0 [B, S, S', N].
    """
    if paths == FULL:
        joined = [a.reshape(*a.shape[:2], -1) for a in adjoints]
        for layer in reversed(range(len(joined) - 1)):
            above, lam = joined[layer + 1], joined[layer]
            above = jnp.pad(above, ((0, 0), (0, lam.shape[1] - above.shape[1]), (0, 0)))
            joined[layer] = jnp.concatenate([above, lam], axis=-1)
        adjoints = joined
    return [a[:, 0] for a in adjoints], [a[:, 1:] for a in adjoints]


class Factors(NamedTuple):
    """Hold the factors of the update of a layer's carry, sum_t z^t (x) ds^K/dy^t."""

    z: PerWeight
    """Presynaptic activity [K, B, J] of each kind of weight, except the network's inputs."""
    dy: Array
    """ds^K/dy^t [K, B, Q, G, N]."""


def backward(
    rule: Rule,
    net: Any,
    params: Params,
    residuals: list[Residuals],
    error: Array,
    adjoints: Adjoints,
    unroll: int = 1,
) -> tuple[Adjoints, Params, list[Factors]]:
    """Run a block backward, the top layer first, and return its adjoints, gradient and factors.

    error: dL/dlogits [K, B, C]. adjoints: those at the block's end; those at its start are returned, with the gradient
    of the loss within the block and, if there are adjoints besides the loss's, the factors of each carry's update.
    Raises ValueError for a rule whose carry is FULL and whose loss is not.
    """
    if rule.carry == FULL != rule.loss:
        raise ValueError("a rule whose carry keeps FULL paths needs the loss's adjoint FULL, too")
    dX_do, start, grads, factors = error[:, :, None], [], [], []
    for layer in reversed(range(len(net))):
        cell, w, lam, (s_prev, s, _, x) = net[layer], params[layer], adjoints[layer], residuals[layer]
        D, D_f = rule.jacobians(cell, w, residuals[layer])
        l = learning_signals(cell, s, dX_do)
        recurrent = (w["r"], output_jacobian(cell, s_prev), cell.reads["r"]) if "r" in w else None

        locally = (D, D_f, recurrent, unroll)
        if rule.loss == rule.carry or lam.shape[1] == 1:
            dy, lam = keep_paths(rule.loss, lam, l, *locally)
            dy_carry = dy[:, :, 1:]
        else:
            dy, lam_0 = keep_paths(rule.loss, lam[:, :1], l[:, :, :1], *locally)
            dy_carry, P_0 = keep_paths(rule.carry, lam[:, 1:], l[:, :, 1:], *locally)
            lam = jnp.concatenate([lam_0, P_0], axis=1)
        if layer > 0:
            passed_on = neuronwise(l, D_f) if rule.loss == DIAGONAL else dy[:, :, : None if rule.carry == FULL else 1]
            dX_do = rule.feedback(layer - 1, error, cell, w, passed_on)
        z = presynaptic(cell, s_prev, x)
        start.insert(0, lam)
        grads.insert(0, {k: weight_gradient(z[k], dy[:, :, 0, cell.reads[k]]) for k in w})
        if lam.shape[1] > 1:
            factors.insert(0, Factors({k: z[k] for k in w if layer > 0 or k != "x"}, dy_carry))
    return start, grads, factors
