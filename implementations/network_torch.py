"""What every PyTorch algorithm shares: a layer's forward pass, the loss, and the fold over chunks.

The twin is `network_jax.py`. Sizes: K steps of a chunk, B samples, J presynaptic lines, N neurons with
S states and G drives, C classes. `z`, `q` and weights are dicts over the kinds of weight in `cells.py`.
"""

from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

PerWeight = dict[str, Tensor]
"""One tensor per kind of weight of a layer: {"x": ..., "r": ..., "b": ...}."""
Params = list[PerWeight]
"""The weights [J, Gk, N] of every layer, the readout last."""
States = list[Tensor]
"""The states [B, S, N] of every layer."""


def initial_states(net: Any, params: Params, batch: int) -> States:
    """Zero states, one [B, S, N] per layer."""
    return [w["x"].new_zeros(batch, cell.S, w["x"].shape[-1]) for cell, w in zip(net, params, strict=True)]


def spread(cell: Any, kind: str, part: Tensor) -> Tensor:
    """[..., Gk, N] -> [..., G, N]: puts the drives that one kind of weight feeds among all of the cell's."""
    reads = cell.reads[kind]
    if reads == slice(0, cell.G):
        return part
    return functional.pad(part, (0, 0, reads.start, cell.G - reads.stop))


def forward(cell: Any, w: PerWeight, s: Tensor, x: Tensor, dy: Tensor | float = 0.0) -> tuple[Tensor, Tensor]:
    """K steps of one layer from state s: all states [K, B, S, N] and all drives [K, B, G, N].

    The input projection is one GEMM over the chunk; only the recurrence is sequential. `dy` is added to the
    drives: the derivative by it is the derivative by y.
    """
    u = dy + spread(cell, "x", torch.einsum("tbj,jgn->tbgn", x, w["x"]))
    if "b" in w:
        u = u + spread(cell, "b", w["b"])

    states, drives = [], []
    recurrent = w["r"].flatten(1) if "r" in w else None
    for y in u.unbind(0):
        if recurrent is not None:
            y = y + spread(cell, "r", (cell.emit(s) @ recurrent).view(len(s), -1, s.shape[-1]))
        s = cell.dynamics(s, y)
        states.append(s)
        drives.append(y)
    return torch.stack(states), torch.stack(drives)


def previous(s0: Tensor, s: Tensor) -> Tensor:
    """States s^0 ... s^{K-1} from s^0 and s^1 ... s^K."""
    return torch.cat([s0[None], s[:-1]])


def presynaptic(cell: Any, s_prev: Tensor, x: Tensor) -> PerWeight:
    """z [K, B, J] of each kind of weight: the input, the emitted values, and 1 for the bias."""
    z = {"x": x}
    if "r" in cell.reads:
        z["r"] = cell.emit(s_prev)
    if "b" in cell.reads:
        z["b"] = x.new_ones(*x.shape[:2], 1)
    return z


def readout_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy, summed over time and averaged over the batch; a step with a negative target has none.

    logits [K, B, C], targets [K, B] -> scalar. Being a sum over time it adds up over chunks.
    """
    log_p = functional.log_softmax(logits, dim=-1)
    picked = log_p.gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    return -torch.where(targets >= 0, picked, 0).sum() / targets.shape[1]


def gradient(
    algorithm: ModuleType, net: Any, params: Params, inputs: Tensor, targets: Tensor, chunk: int
) -> tuple[Tensor, Params]:
    """Loss and gradient of a sequence: `algorithm.advance` folded over its chunks of at most `chunk` steps.

    inputs [T, B, I], targets [T, B].
    """
    T, B = targets.shape
    carry = algorithm.init(net, params, B)
    total = inputs.new_zeros(())
    sums = [{k: torch.zeros_like(v) for k, v in w.items()} for w in params]
    for start in range(0, T, chunk):
        x, t = inputs[start : start + chunk], targets[start : start + chunk]
        carry, loss, grads = algorithm.advance(net, params, carry, x, t, last=start + chunk >= T)
        total += loss
        for into, new in zip(sums, grads, strict=True):
            for k, g in new.items():
                into[k] += g
    return total, sums
