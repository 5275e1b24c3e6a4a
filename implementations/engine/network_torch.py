"""What every PyTorch algorithm shares: a layer's forward pass, the loss, and the fold over chunks.

The twin is `network_jax.py`. Sizes: K steps of a chunk, B samples, J presynaptic lines, N neurons with
S states and G drives, C classes. `z`, `q` and weights are dicts over the kinds of weight in `cells.py`.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from drtrl_bench.implementations.cells import spec as cells

PerWeight = dict[str, Tensor]
"""One tensor per kind of weight of a layer: {"x": ..., "r": ..., "b": ..., "p": ...}."""
Params = list[PerWeight]
"""The weights [J, Gk, N] of every layer, the readout last."""
States = list[Tensor]
"""The states [B, S, N] of every layer."""


def initial_states(net: Any, params: Params, batch: int) -> States:
    """The states before the first step, one [B, S, N] per layer."""
    like = [w["x"] for w in params]
    rests = [rest(cell, x.shape[-1], x.dtype, x.device) for cell, x in zip(net, like, strict=True)]
    return [s.expand(batch, *s.shape) for s in rests]


@lru_cache(maxsize=64)
def rest(cell: Any, N: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The states [S, N] before the first step; kept, because a CUDA graph may not copy from the host."""
    return torch.from_numpy(cell.rest(N)).to(device, dtype)


def acting(net: Any, params: Params) -> tuple[Params, Params]:
    """The weights as they act, masked and by absolute value where signed, and their slopes where these are not 1."""
    masks = cells.masks(tuple(net), tuple((w["x"].shape[0], w["x"].shape[-1]) for w in params))
    acts, slopes = [], []
    for cell, w, mask in zip(net, params, masks, strict=True):
        slope = {k: torch.from_numpy(m).to(w[k]) for k, m in mask.items()}
        if cell.signed:
            slope["r"] = w["r"].sign() * slope.get("r", 1)
        acts.append({k: v * slope[k] if k in slope else v for k, v in w.items()})
        slopes.append(slope)
    return acts, slopes


def by_stored(grads: Params, slopes: Params) -> Params:
    """The gradient by the stored weights, of the gradient by the acting ones."""
    return [{k: g * slope.get(k, 1) for k, g in w.items()} for w, slope in zip(grads, slopes, strict=True)]


def input_drives(cell: Any, w: PerWeight, x: Tensor) -> Tensor:
    """The part of the drives [K, B, G, N] that no state takes part in: one GEMM over the chunk, bias and parameters."""
    K, B, _ = x.shape
    G, N = cell.G, w["x"].shape[-1]
    drives = x.new_zeros(K, B, G, N) if cell.reads["x"] != slice(0, G) else x.new_empty(K, B, G, N)
    drives[:, :, cell.reads["x"]] = (x @ w["x"].flatten(1)).view(K, B, -1, N)
    for kind in w.keys() & {"b", "p"}:
        drives[:, :, cell.reads[kind]] += w[kind]
    return drives


def forward(cell: Any, w: PerWeight, s: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """K steps of one layer from state s: all states [K + 1, B, S, N], s itself first, and all drives [K, B, G, N].

    The input projection is one GEMM over the chunk; only the recurrence is sequential.
    """
    drives = input_drives(cell, w, x)
    K, B, _, N = drives.shape
    states = s.new_empty(K + 1, *s.shape)
    states[0] = s
    recurrent = w["r"].flatten(1) if "r" in w else None
    for y, after in zip(drives.unbind(0), states[1:].unbind(0), strict=True):
        if recurrent is not None:
            y[:, cell.reads["r"]] += (cell.emit(s) @ recurrent).view(B, -1, N)
        s = cell.dynamics(s, y)
        after.copy_(s)
    return states, drives


class Tape(NamedTuple):
    """What one layer did in a chunk."""

    previous: Tensor
    """s^0 ... s^{K-1} [K, B, S, N]."""
    states: Tensor
    """s^1 ... s^K."""
    drives: Tensor
    """y^1 ... y^K [K, B, G, N]."""
    inputs: Tensor
    """x^1 ... x^K [K, B, I]."""


def run(net: Any, params: Params, states: States, inputs: Tensor) -> tuple[list[Tape], States, Tensor]:
    """K steps of every layer: their tapes, their last states (not as views, which would keep the tapes), and the
    logits [K, B, C].
    """
    x, tapes = inputs, []
    for cell, w, s0 in zip(net, params, states, strict=True):
        s, y = forward(cell, w, s0, x)
        tapes.append(Tape(s[:-1], s[1:], y, x))
        x = cell.output(s[1:])
    return tapes, [tape.states[-1].clone() for tape in tapes], x


def presynaptic(cell: Any, s_prev: Tensor, x: Tensor) -> PerWeight:
    """z [K, B, J] of each kind of weight: the input, the emitted values, and 1 for bias and parameters."""
    one = x.new_ones(*x.shape[:2], 1)
    return {kind: x if kind == "x" else cell.emit(s_prev) if kind == "r" else one for kind in cell.reads}


def loss_and_error(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The loss and its derivative by the logits [K, B, C]."""
    error, loss = torch.func.grad_and_value(readout_loss)(logits, targets)
    return loss, error


def readout_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy, summed over time and averaged over the batch; a step with a negative target has none.

    logits [K, B, C], targets [K, B] -> scalar. Being a sum over time it adds up over chunks.
    """
    log_p = functional.log_softmax(logits, dim=-1)
    picked = log_p.gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    return -torch.where(targets >= 0, picked, 0).sum() / targets.shape[1]


def add(sums: Params, grads: Params) -> None:
    """Adds gradients to `sums`, in their place."""
    for into, new in zip(sums, grads, strict=True):
        for k, g in new.items():
            into[k] += g


def gradient(
    algorithm: Any, net: Any, params: Params, inputs: Tensor, targets: Tensor, chunk: int
) -> tuple[Tensor, Params]:
    """Loss and gradient of a sequence: `algorithm.advance` folded over its chunks of at most `chunk` steps.

    algorithm: what has `init` and `advance`. inputs [T, B, I], targets [T, B].
    """
    T, B = targets.shape
    params, slopes = acting(net, params)
    carry = algorithm.init(net, params, B)
    total = inputs.new_zeros(())
    sums = [{k: torch.zeros_like(v) for k, v in w.items()} for w in params]
    for start in range(0, T, chunk):
        x, t = inputs[start : start + chunk], targets[start : start + chunk]
        carry, loss, grads = algorithm.advance(net, params, carry, x, t, last=start + chunk >= T)
        total += loss
        add(sums, grads)
    return total, by_stored(sums, slopes)
