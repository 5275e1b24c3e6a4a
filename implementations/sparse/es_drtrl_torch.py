"""Compute the gradient of ES-D-RTRL (pp-prop) for sparse weights in PyTorch: nothing is carried for a synapse.

The rule is that of `algorithms/approximate/es_drtrl_torch.py`. Its presynaptic filter is 0 almost nowhere. With the
sums over steps exchanged it is the postsynaptic factor that is filtered, backwards in time, and spikes remain:

    q^t = l^t eps_f^t / c^t,   Q^t = q^t + a Q^{t+1},   Q^{K+1} = 0
    dL/dW_ji = sum_t eps_x_j^t q_i^t = eps_x_j^0 a Q_i^1 + sum_t z_j^t Q_i^t

The first term reads every synapse once a chunk; for bias and parameters it is left out, and Q is q. The weights of a
readout without memory have their exact gradient: a = 0.
Source: Wang et al. 2026 (Nat. Commun. 17:1745). Symbols and shapes: `implementations/README.md`.
"""

from typing import Any

import torch
from torch import Tensor

from drtrl_bench.implementations.algorithms.approximate.es_drtrl_torch import (
    FILTERED,
    Carry,
    correction,
    filter_postsynaptic,
)
from drtrl_bench.implementations.algorithms.approximate.filtering import smoothing
from drtrl_bench.implementations.engine.adjoint_torch import neuronwise
from drtrl_bench.implementations.sparse.network_torch import (
    Params,
    Wiring,
    effective_weights,
    feedback,
    forward,
    initial_states,
    local_terms,
    to_stored,
    weight_gradient,
)


def init(net: Any, wiring: Wiring, params: Params, batch: int) -> Carry:
    """Return the states at rest, zero filters, and t = 0."""
    states = initial_states(net, wiring, params, batch)
    eps_x = [
        {k: v.new_zeros(batch, where[k].J if k in where else len(v)) for k, v in w.items() if k in FILTERED}
        for where, w in zip(wiring, params, strict=True)
    ]
    eps_f = [s.new_zeros(*s.shape[:2], cell.G, s.shape[-1]) for cell, s in zip(net, states, strict=True)]
    return Carry(states, eps_x, eps_f, states[0].new_zeros(()))


@torch.no_grad()
def advance(
    net: Any,
    wiring: Wiring,
    params: Params,
    carry: Carry,
    inputs: Tensor,
    targets: Tensor,
    *,
    last: bool = False,
    decay: float = 0.9,
    bias_correction: str = "corrected",
) -> tuple[Carry, Tensor, Params]:
    """Advance K steps: inputs [K, B, I], targets [K, B] -> the carry, the loss of the chunk, its gradient.

    decay: a, or a whole number k >= 1 that stands for a = (k - 1) / (k + 1), the paper's rank.
    """
    a, K = smoothing(decay, bias_correction), len(inputs)
    params = effective_weights(wiring, params)
    states, loss, residuals, error = forward(net, wiring, params, carry.states, inputs, targets)
    c = correction(bias_correction, a, carry.time + torch.arange(K, dtype=inputs.dtype))[:, None, None, None]
    grads, after_x, after_f, dL_do = [], [], [], error[:, :, None]
    for i in reversed(range(len(net))):
        cell, where, w, eps_x = net[i], wiring[i], params[i], carry.presynaptic[i]
        a_l, c_l = (0.0, torch.ones_like(c)) if cell.memoryless else (a, c)
        D, D_f, l, z = local_terms(cell, w, residuals[i], dL_do)
        eps_f_end, eps_f = filter_postsynaptic(carry.postsynaptic[i], D, D_f, a_l)
        if i > 0:
            dL_do = feedback(cell, where, w, neuronwise(l, D_f))
        q = neuronwise(l, eps_f)[:, :, 0] / c_l
        one = {k: v for k, v in w.items() if k not in eps_x}
        grad = weight_gradient(cell, where, one, z, q)
        for t in reversed(range(K - 1)):
            q[t].add_(q[t + 1], alpha=a_l)
        Q = torch.cat([a_l * q[:1], q])
        weights = {k: w[k] for k in eps_x}
        grad |= weight_gradient(cell, where, weights, {k: torch.cat([eps_x[k][None], z[k]]) for k in eps_x}, Q)
        powers = a_l ** torch.arange(K - 1, -1, -1, dtype=q.dtype)
        grads.insert(0, grad)
        after_x.insert(0, {k: a_l**K * eps_x[k] + torch.einsum("t,tbj->bj", powers, z[k]) for k in eps_x})
        after_f.insert(0, eps_f_end)
    return Carry(states, after_x, after_f, carry.time + K), loss, to_stored(wiring, grads)
