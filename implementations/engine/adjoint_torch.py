"""Compute the adjoint recursion over a block of steps in PyTorch: the backward pass that all algorithms share.

An adjoint lam^t = dX/ds^t holds the derivatives of X with respect to the states of step t. X is the loss, or one of the
chunk's last states, whose adjoints together are the Jacobian P^t = ds^K/ds^t. All of them obey, backwards in time,

    dX/dy^t   = lam^t D_f^t
    lam^{t-1} = lam^t D^t + (dX/dy^t W_r^T) R^t        the loss's adjoint also gains l^{t-1}

l^t is the derivative of the loss of step t with respect to s^t. The second term is the path through the recurrent
weights. The algorithms differ in which adjoints keep it: see `Rule`.
Symbols and shapes are those of the notation table in `implementations/README.md`; Q is the number of adjoints.
The twin is `adjoint_jax.py`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from drtrl_bench.implementations.engine.derivatives_torch import learning_signals, local_jacobians, output_jacobian
from drtrl_bench.implementations.engine.network_torch import Params, PerWeight, Residuals, States, presynaptic

FULL, DIAGONAL, NONE = "FULL", "DIAGONAL", "NONE"
"""Paths of an adjoint from a step to the step before: all; those inside a neuron; none, the same step only."""
Adjoints = list[Tensor]
"""Adjoints [B, Q, S, N] of each layer, the loss's first."""
Recurrent = tuple[Tensor, Tensor, slice]
"""The path through the recurrent weights: W_r, R, and the currents that W_r feeds."""


def neuronwise(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """Multiply small matrices neuron by neuron: sum_s a[..., i, s, n] b[..., s, j, n]; into `out`, if given."""
    S = b.shape[-3]
    if S == 1:
        return torch.mul(a, b, out=out)
    a, b = a.unsqueeze(-2), b.unsqueeze(-4)
    total = torch.mul(a[..., 0, :, :], b[..., 0, :, :], out=out)
    for s in range(1, S):
        total.addcmul_(a[..., s, :, :], b[..., s, :, :])
    return total


def recursion(
    lam: Tensor, l: Tensor, D: Tensor, D_f: Tensor, recurrent: Recurrent | None = None
) -> tuple[Tensor, Tensor]:
    """Run the adjoint recursion from lam [B, Q, S, N] at the block's end: dX/dy [K, B, Q, G, N], and lam at its start.

    l [K, B, m, S, N] is added to the first m adjoints. Without `recurrent`, paths through recurrent weights are left
    out. Views of all steps are made before the loop, whose time is that of its calls.
    """
    K, B, m, S, N = l.shape
    if S == 1 == D_f.shape[3] and recurrent is None:
        return recursion_of_one_state(lam, l, D, D_f)
    dy = lam.new_empty(K, B, lam.shape[1], D_f.shape[3], N)
    paths, W = [None] * K, dy
    if recurrent is not None:
        W, R, reads = recurrent[0].flatten(1).T, recurrent[1].unsqueeze(2), recurrent[2]  # W [G N, J]
        fed = dy[..., reads, :].flatten(3).flatten(1, 2)  # a view of dX/dy of the currents that W_r feeds
        paths = list(zip(fed.unbind(0), R.unbind(0), strict=True))
    earlier = (torch.zeros_like(l[0]), *l[:-1].unbind(0))  # l^{t-1}
    lam = lam.clone()
    lam[:, :m].add_(l[-1])
    steps = list(zip(earlier, D.unbind(0), D_f.unbind(0), dy.unbind(0), paths, strict=True))
    for l_before, D_t, D_f_t, dy_t, path in reversed(steps):
        neuronwise(lam, D_f_t, out=dy_t)
        if S == 1 and m == lam.shape[1]:
            lam = torch.addcmul(l_before, lam, D_t)
        else:
            lam = neuronwise(lam, D_t)
            lam[:, :m].add_(l_before)
        if path is not None:
            lam.addcmul_((path[0] @ W).view(B, -1, 1, N), path[1])
    return dy, lam


def recursion_of_one_state(lam: Tensor, l: Tensor, D: Tensor, D_f: Tensor) -> tuple[Tensor, Tensor]:
    """Run the adjoint recursion for uncoupled neurons of one state and one current: one call a step."""
    adjoints = l.new_zeros(len(l), *lam.shape)
    adjoints[:, :, : l.shape[2]] = l
    adjoints[-1] += lam
    steps = list(zip(adjoints.unbind(0), D.unbind(0), strict=True))
    for (now, D_t), (before, _) in zip(steps[:0:-1], steps[-2::-1], strict=True):
        before.addcmul_(now, D_t)
    start = adjoints[0] * D[0]
    return adjoints.mul_(D_f), start


def weight_gradient(z: Tensor, dy: Tensor) -> Tensor:
    """Sum z^t (x) dy^t over steps and samples in one GEMM: z [K, B, J], dy [K, B, G, N] -> [J, G, N]."""
    return (z.flatten(0, 1).T @ dy.flatten(2).flatten(0, 1)).unflatten(1, dy.shape[2:])


def forward_weights(below: int, error: Tensor, cell: Any, w: PerWeight, dX_dy: Tensor) -> Tensor:
    """Feed dX/dy back through the forward weights, as backpropagation does: dX/do [K, B, Q, J] of the layer below."""
    return torch.einsum("tbmgn,jgn->tbmj", dX_dy[..., cell.reads["x"], :], w["x"])


class Rule(NamedTuple):
    """Describe an algorithm as a row of the table in `implementations/README.md`: the paths that its adjoints keep."""

    loss: str
    """Paths of the loss's adjoint: FULL, DIAGONAL or NONE."""
    carry: str = NONE
    """Paths of the last states' adjoints, which update the carry; NONE if the algorithm carries the states alone."""
    jacobians: Callable[..., tuple[Tensor, Tensor]] = local_jacobians
    """The function that computes D and D_f from the cell, its weights and its residuals."""
    feedback: Callable[..., Tensor] = forward_weights
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
        like = {"dtype": s.dtype, "device": s.device}
        if paths == FULL:
            lam = torch.eye(above + S * N, **like)[:, above:].reshape(-1, S, N)
        elif paths == DIAGONAL:
            lam = torch.eye(1 + S, **like)[:, 1:, None]
        else:
            lam = s.new_zeros(1, 1, 1)
        adjoints.insert(0, lam.expand(B, lam.shape[0], S, N))
        above += S * N
    return adjoints


def at_start(paths: str, adjoints: Adjoints) -> tuple[list[Tensor], list[Tensor]]:
    """Split the adjoints at the chunk's start into lam^0, the loss's, and P^0 = ds^K/ds^0, of each layer.

    FULL: with respect to the states of all layers from the top down to this one, lam^0 [B, n] and P^0 [B, n, n]; a
    layer's own last states do not depend on the layers above. Otherwise lam^0 [B, S, N] and P^0 [B, S, S', N].
    """
    if paths == FULL:
        joined = [a.flatten(2) for a in adjoints]
        for layer in reversed(range(len(joined) - 1)):
            above, own = joined[layer + 1], joined[layer]
            above = functional.pad(above, (0, 0, 0, own.shape[1] - above.shape[1]))
            joined[layer] = torch.cat([above, own], dim=-1)
        adjoints = joined
    return [a[:, 0] for a in adjoints], [a[:, 1:] for a in adjoints]


class Factors(NamedTuple):
    """Hold the factors of the update of a layer's carry, sum_t z^t (x) ds^K/dy^t."""

    z: PerWeight
    """Presynaptic activity [K, B, J] of each kind of weight, except the network's inputs."""
    dy: Tensor
    """ds^K/dy^t [K, B, Q, G, N]."""


class Local(NamedTuple):
    """Hold the factors of a layer's adjoint recursion: element-wise, and of all steps of a block at once."""

    D: Tensor
    D_f: Tensor
    l: Tensor
    recurrent: Recurrent | None


def local_terms(rule: Rule, cell: Any, w: PerWeight, residuals: Residuals, dX_do: Tensor) -> Local:
    """Compute what is local to a step in a layer's backward pass."""
    D, D_f = rule.jacobians(cell, w, residuals)
    reached = "r" in w and FULL in (rule.loss, rule.carry)
    recurrent = (w["r"], output_jacobian(cell, residuals.previous), cell.reads["r"]) if reached else None
    return Local(D, D_f, learning_signals(cell, residuals.states, dX_do), recurrent)


def as_written(function: Any) -> Any:
    """Leave a function to eager PyTorch."""
    return function


def backward(
    rule: Rule,
    net: Any,
    params: Params,
    residuals: list[Residuals],
    error: Tensor,
    adjoints: Adjoints,
    recursion: Callable[..., tuple[Tensor, Tensor]] = recursion,
    compiled: Callable[[Any], Any] = as_written,
) -> tuple[Adjoints, Params, list[Factors]]:
    """Run a block backward, the top layer first, and return its adjoints, gradient and factors.

    error: dL/dlogits [K, B, C]. adjoints: those at the block's end; those at its start are returned, with the gradient
    of the loss within the block and, if there are adjoints besides the loss's, the factors of each carry's update.
    compiled: applied to `local_terms` and `presynaptic` before they are called.
    Raises ValueError for a rule whose carry is FULL and whose loss is not.
    """
    if rule.carry == FULL != rule.loss:
        raise ValueError("a rule whose carry keeps FULL paths needs the loss's adjoint FULL, too")
    dX_do, start, grads, factors = error[:, :, None], [], [], []
    for layer in reversed(range(len(net))):
        cell, w, lam = net[layer], params[layer], adjoints[layer]
        D, D_f, l, recurrent = compiled(local_terms)(rule, cell, w, residuals[layer], dX_do)
        locally = (D, D_f, recurrent, recursion)
        if rule.loss == rule.carry or lam.shape[1] == 1:
            dy, lam = keep_paths(rule.loss, lam, l, *locally)
            dy_carry = dy[:, :, 1:]
        else:
            dy, lam_0 = keep_paths(rule.loss, lam[:, :1], l[:, :, :1], *locally)
            dy_carry, P_0 = keep_paths(rule.carry, lam[:, 1:], l[:, :, 1:], *locally)
            lam = torch.cat([lam_0, P_0], dim=1)
        if layer > 0:
            passed_on = neuronwise(l, D_f) if rule.loss == DIAGONAL else dy[:, :, : None if rule.carry == FULL else 1]
            dX_do = rule.feedback(layer - 1, error, cell, w, passed_on)
        del D, D_f, l, locally  # the largest arrays of a block, before z is computed
        z = compiled(presynaptic)(cell, residuals[layer].previous, residuals[layer].inputs)
        start.insert(0, lam)
        grads.insert(0, {k: weight_gradient(z[k], dy[:, :, 0, cell.reads[k]]) for k in w})
        if lam.shape[1] > 1:
            factors.insert(0, Factors({k: z[k] for k in w if layer > 0 or k != "x"}, dy_carry))
    return start, grads, factors


def keep_paths(
    paths: str, lam: Tensor, l: Tensor, D: Tensor, D_f: Tensor, recurrent: Recurrent | None, recursion: Any
) -> tuple[Tensor, Tensor]:
    """Run the adjoint recursion with the paths that a rule keeps; with NONE the adjoint of a step is l alone."""
    if paths == NONE:
        return neuronwise(l, D_f), torch.zeros_like(lam)
    return recursion(lam, l, D, D_f, recurrent if paths == FULL else None)
