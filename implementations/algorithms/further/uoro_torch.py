"""Compute UORO's estimate of RTRL's gradient in PyTorch: a product of two vectors in place of the influence matrix.

Source: Tallec & Ollivier 2018 (ICLR; arXiv 1702.05043). RTRL's influence M = ds/dW obeys M^t = A^t M^{t-1} + F^t, with
A = ds^t/ds^{t-1} and F = ds^t/dW of a step, both by all paths. With random signs nu^t, one for each state:

    states      p^t = rho0 A^t p^{t-1} + rho1 nu^t             [B, S, N] of each layer
    weights     q^t = q^{t-1} / rho0 + nu^t F^t / rho1         [B, J, Gk, N] of each kind of weight
    gradient    dL/dW = sum_t (l^t p^t) q^t                    l = dL^t/ds^t, the learning signal

The mean of p (x) q over the signs is M, so the mean of the gradient is RTRL's; a single one is far from it. rho0 and
rho1 keep its variance small: rho0^2 = |q| / |A p|, rho1^2 = |nu F| / |nu|, of a sample, over all layers. As published,
each rho is at least EPSILON. Signs depend on draw, layer, step and state alone, in every implementation. Every K gives
the same gradient. Symbols and shapes, but p and q: `implementations/README.md`.
"""

from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from drtrl_bench.implementations.engine.adjoint_torch import forward_weights, neuronwise
from drtrl_bench.implementations.engine.derivatives_torch import learning_signals, local_jacobians, output_jacobian
from drtrl_bench.implementations.engine.execution_torch import PLAIN, Execution
from drtrl_bench.implementations.engine.network_torch import (
    Params,
    PerWeight,
    Residuals,
    States,
    fold,
    initial_states,
    presynaptic,
)

EPSILON = 1e-7
WORD = 2**32 - 1
"""The low 32 bits of an integer."""


class Carry(NamedTuple):
    """Hold what is carried across a chunk boundary."""

    states: States
    """s [B, S, N] of each layer."""
    p: States
    """p [B, S, N] of each layer."""
    q: list[PerWeight]
    """q [B, J, Gk, N] of each layer and kind of weight."""
    time: Tensor
    """t, a scalar."""


class Step(NamedTuple):
    """Hold what a layer's part of a step needs; arrays of all steps have K in front."""

    s: Tensor
    """s^t [B, S, N]."""
    D: Tensor
    D_f: Tensor
    R: Tensor
    """dr/ds_prev [B, S, N]."""
    z: PerWeight
    nu: Tensor
    """Signs [B, S, N]."""
    dy: Tensor
    """nu ds^t/dy^t [B, G, N] by all layers above."""

    def at(self, t: int) -> "Step":
        """Return step t alone."""
        z = {k: z[t] for k, z in self.z.items()}
        return Step(self.s[t], self.D[t], self.D_f[t], self.R[t], z, self.nu[t], self.dy[t])


def init(net: Any, params: Params, batch: int) -> Carry:
    """Return the states at rest, p = q = 0, and t = 0."""
    states = initial_states(net, params, batch)
    q = [{k: v.new_zeros(batch, *v.shape) for k, v in w.items()} for w in params]
    return Carry(states, [torch.zeros_like(s) for s in states], q, states[0].new_zeros((), dtype=torch.int64))


def signs(draw: int, layer: int, t: Tensor, like: Tensor) -> Tensor:
    """Draw 1 or -1 for the steps t [K] and every state of `like` [K, B, S, N]: a bit of a hash, by MurmurHash3."""
    state = torch.arange(like[0].numel(), device=like.device).view(like.shape[1:])
    x = state * 0x9E3779B1 + (t * 0x85EBCA77)[:, None, None, None]
    x = (x + (layer * 0xC2B2AE3D + draw * 0x27D4EB2F) % 2**32) & WORD
    x = ((x ^ (x >> 16)) * 0x85EBCA6B) & WORD
    x = ((x ^ (x >> 13)) * 0xC2B2AE35) & WORD
    return 1 - 2 * ((x ^ (x >> 16)) >> 31).to(like.dtype)


def all_steps(net: Any, params: Params, residuals: list[Residuals], error: Tensor, draw: int, t: Tensor) -> list[Step]:
    """Compute for all steps t [K] of a block what does not depend on p and q, the top layer first."""
    dX_do, steps = None, []
    for layer in reversed(range(len(net))):
        cell, w, (s_prev, s, _, x) = net[layer], params[layer], residuals[layer]
        D, D_f = local_jacobians(cell, w, residuals[layer])
        nu = signs(draw, layer, t, s)
        lam = nu[:, :, None] if dX_do is None else nu[:, :, None] + learning_signals(cell, s, dX_do)
        dy = neuronwise(lam, D_f)
        R = output_jacobian(cell, s_prev) if "r" in w else torch.zeros_like(s)
        steps.insert(0, Step(s, D, D_f, R, presynaptic(cell, s_prev, x), nu, dy[:, :, 0]))
        if layer > 0:
            dX_do = forward_weights(layer - 1, error, cell, w, dy)
    return steps


def output_change(cell: Any, s: Tensor, ds: Tensor) -> Tensor:
    """Compute do [B, N] = do/ds ds at s [B, S, N]: the transpose of the learning signal, which is linear in dL/do."""
    zero = ds.new_zeros(1, len(ds), 1, ds.shape[-1])
    transpose = torch.func.vjp(lambda dL_do: learning_signals(cell, s[None], dL_do)[0, :, 0], zero)[1]
    return transpose(ds)[0][0, :, 0]


def pushed(net: Any, params: Params, p: States, steps: list[Step]) -> States:
    """Compute A p of a step: through every neuron, the recurrent weights, and the layers below."""
    after, dx = [], None
    for cell, w, p_layer, now in zip(net, params, p, steps, strict=True):
        dy = torch.zeros_like(now.dy)
        if dx is not None:
            dy[:, cell.reads["x"]] += torch.einsum("bj,jgn->bgn", dx, w["x"])
        if "r" in w:
            dy[:, cell.reads["r"]] += torch.einsum("bj,jgn->bgn", (now.R * p_layer).sum(1), w["r"])
        ds = neuronwise(now.D, p_layer[:, :, None])[:, :, 0] + neuronwise(now.D_f, dy[:, :, None])[:, :, 0]
        dx = output_change(cell, now.s, ds)
        after.append(ds)
    return after


def norm(arrays: list[Tensor]) -> Tensor:
    """Compute the norm over all arrays [B, ...] of each sample: [B]."""
    return torch.stack([(a.flatten(1) ** 2).sum(1) for a in arrays]).sum(0).sqrt()


def scale(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Compute rho [B]."""
    return (numerator / (denominator + EPSILON)).sqrt() + EPSILON


def block(
    net: Any,
    params: Params,
    draw: int,
    execution: Execution,
    carry: Carry,
    inputs: Tensor,
    targets: Tensor,
    *,
    last: bool = False,
) -> tuple[Carry, Tensor, Params]:
    """Advance a block of steps: inputs [K, B, I], targets [K, B] -> the carry, the loss of the block, its gradient."""
    ends, loss, residuals, error = execution.forward(net, params, carry.states, inputs, targets, execution.layer)
    t = carry.time + torch.arange(len(inputs), device=inputs.device)
    steps = all_steps(net, params, residuals, error, draw, t)
    p, q, grads = carry.p, carry.q, [{k: torch.zeros_like(v) for k, v in w.items()} for w in params]
    for i in range(len(inputs)):
        now = [each.at(i) for each in steps]
        direct = [
            {k: each.z[k][:, :, None, None] * each.dy[:, None, cell.reads[k]] for k in w}
            for cell, w, each in zip(net, params, now, strict=True)
        ]
        p, nu = pushed(net, params, p, now), [each.nu for each in now]
        rho0 = scale(norm([a for w in q for a in w.values()]), norm(p))
        rho1 = scale(norm([a for w in direct for a in w.values()]), norm(nu))
        p = [rho0[:, None, None] * a + rho1[:, None, None] * b for a, b in zip(p, nu, strict=True)]
        by0, by1 = (1 / rho0)[:, None, None, None], (1 / rho1)[:, None, None, None]
        q = [{k: by0 * v + by1 * new[k] for k, v in w.items()} for w, new in zip(q, direct, strict=True)]
        do = output_change(net[-1], now[-1].s, p[-1])
        lp = (error[i] * do).sum(-1)
        for g, w in zip(grads, q, strict=True):
            for k in g:
                g[k] += torch.einsum("b,bjgn->jgn", lp, w[k])
    return Carry(ends, p, q, carry.time + len(inputs)), loss, grads


@torch.no_grad()
def advance(
    net: Any,
    params: Params,
    carry: Carry,
    inputs: Tensor,
    targets: Tensor,
    *,
    last: bool = False,
    draw: int = 0,
    execution: Execution = PLAIN,
) -> tuple[Carry, Tensor, Params]:
    """Advance K steps: inputs [K, B, I], targets [K, B] -> the carry, the loss of the chunk, its gradient.

    draw: the number of the draw of all signs.
    """
    return fold(partial(block, net, params, draw, execution), carry, params, inputs, targets, execution.block)
