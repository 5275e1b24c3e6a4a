"""ES-D-RTRL, also called pp-prop, in PyTorch: D-RTRL's trace as the product of two filtered vectors.

    ex^t = a ex^{t-1} + z^t,   ef^t = a D^t ef^{t-1} + (1 - a) F^t          at every chunk length
    grad W = sum_t ex^t (x) l^t ef^t / c^t                                  ex = 1 for bias and parameters

    c^t = 1 - a^{t+1} (corrected), 1 - (1 - a)^{t+1} (as_published), 1 (none); t from 0

Carried across a chunk boundary: the states, the presynaptic ex[B, J], the postsynaptic ef[B, S, G, N] and the time t.
No state is as large as the weights; both filters are scans over vectors, and the gradient is one GEMM.
Source: Wang et al. 2026 (Nat. Commun. 17:1745); as_published: the paper's code, where c is near 1 at once.
"""

from typing import Any

import torch
from torch import Tensor

from drtrl_bench.implementations.algorithms.approximate.filtering import smoothing
from drtrl_bench.implementations.engine.adjoint_torch import (
    intrinsic,
    learning_signals,
    send_down,
    times,
    weight_gradient,
)
from drtrl_bench.implementations.engine.network_torch import (
    Params,
    PerWeight,
    States,
    initial_states,
    loss_and_error,
    presynaptic,
    run,
)

Carry = tuple[States, list[PerWeight], list[Tensor], Tensor]
FILTERED = ("x", "r")


def correction(kind: str, a: float, t: Tensor) -> Tensor:
    """c^t of the steps t."""
    if kind == "none":
        return torch.ones_like(t)
    return 1 - (a if kind == "corrected" else 1 - a) ** (t + 1)


def filter_pre(ex: Tensor, z: Tensor, decay: float) -> tuple[Tensor, Tensor]:
    """ex^K [B, J] and all ex^t [K, B, J] of a chunk."""
    found = []
    for now in z.unbind(0):
        ex = decay * ex + now
        found.append(ex)
    return ex, torch.stack(found)


def filter_post(ef: Tensor, D: Tensor, F: Tensor, decay: float) -> tuple[Tensor, Tensor]:
    """ef^K [B, S, G, N] and all ef^t [K, B, S, G, N] of a chunk."""
    found = []
    for D_t, now in zip(D.unbind(0), ((1 - decay) * F).unbind(0), strict=True):
        ef = decay * times(D_t, ef) + now
        found.append(ef)
    return ef, torch.stack(found)


def init(net: Any, params: Params, batch: int) -> Carry:
    """States at rest; zero ex [B, J] per weight and ef [B, S, G, N] per layer; t = 0."""
    states = initial_states(net, params, batch)
    ex = [{k: v.new_zeros(batch, v.shape[0]) for k, v in w.items() if k in FILTERED} for w in params]
    ef = [s.new_zeros(*s.shape[:2], cell.G, s.shape[-1]) for cell, s in zip(net, states, strict=True)]
    return states, ex, ef, states[0].new_zeros(())


@torch.no_grad()
def advance(
    net: Any,
    params: Params,
    carry: Carry,
    inputs: Tensor,
    targets: Tensor,
    *,
    last: bool = False,
    decay: float = 0.9,
    bias_correction: str = "corrected",
) -> tuple[Carry, Tensor, Params]:
    """K steps: inputs [K, B, I], targets [K, B] -> states and filters, loss of the chunk, its gradient.

    decay: a, or a whole number k >= 1 that stands for a = (k - 1) / (k + 1), the paper's rank.
    """
    states, filtered, efs, t = carry
    decay = smoothing(decay, bias_correction)
    tapes, ends, logits = run(net, params, states, inputs)
    loss, error = loss_and_error(logits, targets)
    steps = t + torch.arange(len(inputs), dtype=inputs.dtype, device=inputs.device)
    c = correction(bias_correction, decay, steps)[:, None, None, None]

    signals, grads, last_ex, last_ef = error[:, :, None], [], [], []
    for layer in reversed(range(len(net))):
        cell, w, tape = net[layer], params[layer], tapes[layer]
        D, F = intrinsic(cell, w, tape.previous, tape.drives)
        l = learning_signals(cell, tape.states, signals)
        end, ef = filter_post(efs[layer], D, F, decay)
        last_ef.insert(0, end)
        ex = presynaptic(cell, tape.previous, tape.inputs)
        last_ex.insert(0, {})
        for k, e in filtered[layer].items():
            last_ex[0][k], ex[k] = filter_pre(e, ex[k], decay)
        q = times(l, ef)[:, :, 0] / c
        grads.insert(0, {k: weight_gradient(ex[k], q[..., cell.reads[k], :]) for k in w})
        if layer > 0:
            signals = send_down(cell, w, times(l, F))
    return (ends, last_ex, last_ef, t + len(inputs)), loss, grads
