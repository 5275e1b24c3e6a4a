"""Run the network forward in PyTorch: the forward pass of a layer, the loss, and the fold over chunks.

Symbols and shapes are those of the notation table in `implementations/README.md`. The twin is `network_jax.py`.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from drtrl_bench.implementations.cells.cell import network_masks
from drtrl_bench.implementations.cells.closed_torch import closed

PerWeight = dict[str, Tensor]
"""One tensor per kind of weight of a layer: {"x": ..., "r": ..., "b": ..., "p": ...}."""
Params = list[PerWeight]
"""The weights [J, Gk, N] of every layer, the readout last."""
States = list[Tensor]
"""The states [B, S, N] of every layer."""
Layer = Callable[[Any, PerWeight, Tensor, Tensor], tuple[Tensor, Tensor]]
"""The forward pass of one layer over a block, with the arguments and results of `layer` below."""


def initial_states(net: Any, params: Params, batch: int) -> States:
    """Return the states before the first step, one [B, S, N] per layer."""
    like = [w["x"] for w in params]
    rests = [rest(cell, x.shape[-1], x.dtype, x.device) for cell, x in zip(net, like, strict=True)]
    return [s.expand(batch, *s.shape) for s in rests]


@lru_cache(maxsize=64)
def rest(cell: Any, N: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the states [S, N] before the first step; cached, because a CUDA graph may not copy from the host."""
    return torch.from_numpy(cell.rest(N)).to(device, dtype)


def effective_weights(net: Any, params: Params) -> tuple[Params, Params]:
    """Return the weights that the network computes with, and d(effective)/d(stored) of the kinds where it is not 1.

    The effective value of a masked weight is 0, that of a signed weight its absolute value.
    """
    masks = network_masks(tuple(net), tuple((w["x"].shape[0], w["x"].shape[-1]) for w in params))
    effective, derivatives = [], []
    for cell, w, mask in zip(net, params, masks, strict=True):
        derivative = {k: torch.from_numpy(m).to(w[k]) for k, m in mask.items()}
        if cell.signed:
            derivative["r"] = w["r"].sign() * derivative.get("r", 1)
        effective.append({k: v * derivative[k] if k in derivative else v for k, v in w.items()})
        derivatives.append(derivative)
    return effective, derivatives


def to_stored(grads: Params, derivatives: Params) -> Params:
    """Apply the chain rule: from the gradient with respect to the effective weights to that of the stored weights."""
    return [{k: g * d.get(k, 1) for k, g in w.items()} for w, d in zip(grads, derivatives, strict=True)]


def external_currents(cell: Any, w: PerWeight, x: Tensor) -> Tensor:
    """Compute the currents [K, B, G, N] from input, bias and parameters: one GEMM over the block."""
    K, B, _ = x.shape
    G, N = cell.G, w["x"].shape[-1]
    u = x.new_zeros(K, B, G, N) if cell.reads["x"] != slice(0, G) else x.new_empty(K, B, G, N)
    u[:, :, cell.reads["x"]] = (x @ w["x"].flatten(1)).view(K, B, -1, N)
    for kind in w.keys() & {"b", "p"}:
        u[:, :, cell.reads[kind]] += w[kind]
    return u


def layer(cell: Any, w: PerWeight, s: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Run one layer from state s over inputs x [K, B, I]: states [K + 1, B, S, N], s first, and currents [K, B, G, N].

    Only the recurrence is sequential.
    """
    currents = external_currents(cell, w, x)
    states = s.new_empty(len(x) + 1, *s.shape)
    states[0] = s
    if (form := closed(cell)) is not None:
        form.run(states, currents, w["r"].flatten(1) if "r" in w else s.new_empty(0, 0))
        return states, currents
    steps = zip(currents.unbind(0), states[1:].unbind(0), strict=True)
    if "r" not in w:
        for y, after in steps:
            s = after.copy_(cell.dynamics(s, y))
        return states, currents
    W = w["r"].flatten(1)
    fed = currents[:, :, cell.reads["r"]].flatten(2).unbind(0)  # views of the currents that W_r feeds
    for (y, after), y_r in zip(steps, fed, strict=True):
        y_r.addmm_(cell.emit(s), W)
        s = after.copy_(cell.dynamics(s, y))
    return states, currents


class Residuals(NamedTuple):
    """Hold what the backward pass needs from the forward pass of one layer."""

    previous: Tensor
    """s^0 ... s^{K-1} [K, B, S, N]."""
    states: Tensor
    """s^1 ... s^K [K, B, S, N]."""
    currents: Tensor
    """y^1 ... y^K [K, B, G, N]."""
    inputs: Tensor
    """x^1 ... x^K [K, B, I]."""


def run(
    net: Any, params: Params, states: States, inputs: Tensor, layer: Layer = layer
) -> tuple[list[Residuals], States, Tensor]:
    """Run every layer: their residuals, their last states, and the logits [K, B, C].

    The last states are copies: as views they would keep the residuals.
    """
    x, residuals = inputs, []
    for cell, w, s0 in zip(net, params, states, strict=True):
        s, y = layer(cell, w, s0, x)
        residuals.append(Residuals(s[:-1], s[1:], y, x))
        x = cell.output(s[1:])
    return residuals, [r.states[-1].clone() for r in residuals], x


def forward(
    net: Any, params: Params, states: States, inputs: Tensor, targets: Tensor, layer: Layer = layer
) -> tuple[States, Tensor, list[Residuals], Tensor]:
    """Run a block forward: the last states, the loss, the residuals, and dL/dlogits [K, B, C]."""
    residuals, ends, logits = run(net, params, states, inputs, layer)
    loss, error = loss_and_error(logits, targets)
    return ends, loss, residuals, error


def presynaptic(cell: Any, s_prev: Tensor, x: Tensor) -> PerWeight:
    """Return the presynaptic activity z [K, B, J] of each kind of weight; for bias and parameters it is 1."""
    one = x.new_ones(*x.shape[:2], 1)
    return {kind: x if kind == "x" else cell.emit(s_prev) if kind == "r" else one for kind in cell.reads}


def loss_and_error(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Sum the cross-entropy over time and average it over the batch; a step with a negative target adds nothing.

    logits [K, B, C], targets [K, B] -> the loss, a scalar, and dL/dlogits [K, B, C]. As a sum over time the loss adds
    up over chunks.
    """
    log_p = functional.log_softmax(logits, dim=-1)
    counts = (targets >= 0)[..., None]
    target = targets.clamp(min=0)[..., None]
    loss = -torch.where(counts, log_p.gather(-1, target), 0).sum() / targets.shape[1]
    error = log_p.exp().scatter_add_(-1, target, -torch.ones_like(target, dtype=logits.dtype))
    return loss, torch.where(counts, error, 0).div_(targets.shape[1])


def add(sums: Params, grads: Params) -> None:
    """Add gradients to `sums` in place."""
    for into, new in zip(sums, grads, strict=True):
        for k, g in new.items():
            into[k] += g


def fold(
    advance: Callable[..., tuple[Any, Tensor, Params]],
    carry: Any,
    params: Params,
    inputs: Tensor,
    targets: Tensor,
    K: int,
) -> tuple[Any, Tensor, Params]:
    """Fold `advance(carry, inputs, targets, last=...)` over chunks of at most K steps: carry, loss and gradient.

    inputs [T, B, I], targets [T, B]. The last chunk may be shorter.
    """
    T = len(targets)
    if K >= T:
        return advance(carry, inputs, targets, last=True)
    total = inputs.new_zeros(())
    sums = [{k: torch.zeros_like(v) for k, v in w.items()} for w in params]
    for start in range(0, T, K):
        x, t = inputs[start : start + K], targets[start : start + K]
        carry, loss, grads = advance(carry, x, t, last=start + K >= T)
        total += loss
        add(sums, grads)
    return carry, total, sums


def gradient(
    algorithm: Any, net: Any, params: Params, inputs: Tensor, targets: Tensor, chunk: int
) -> tuple[Tensor, Params]:
    """Compute loss and gradient of a sequence: fold `algorithm.advance` over chunks of at most `chunk` steps.

    algorithm: a module, or an object, with `init` and `advance`. inputs [T, B, I], targets [T, B].
    """
    effective, derivatives = effective_weights(net, params)
    carry = algorithm.init(net, effective, targets.shape[1])
    advance = partial(algorithm.advance, net, effective)
    _, loss, grads = fold(advance, carry, effective, inputs, targets, chunk)
    return loss, to_stored(grads, derivatives)
