"""Compute BPTT's gradient of sparse weights in PyTorch: all paths within a chunk, those between neurons among them.

    lam^{t-1} = l^{t-1} + lam^t D^t + (dX/dy^t W_r^T) R^t,  dX/dy^t = lam^t D_f^t,  dL/dW_ji = sum_t z_j^t dX/dy_i^t

The product with W_r^T reads every synapse in every step, as a surrogate derivative R is not 0 where no spike is: this
is what D-RTRL does not have to compute. The sum is computed spike by spike. Carried from chunk to chunk: the states, so
that K < T truncates. Source: Werbos 1990 (Proc. IEEE 78:1550). Symbols and shapes: `implementations/README.md`.
"""

from typing import Any

import torch
from torch import Tensor

from drtrl_bench.implementations.engine.adjoint_torch import neuronwise
from drtrl_bench.implementations.engine.network_torch import States
from drtrl_bench.implementations.sparse.network_torch import (
    Params,
    Wiring,
    effective_weights,
    feedback,
    forward,
    initial_states,
    local_terms,
    recurrent_path,
    to_stored,
    weight_gradient,
)

init = initial_states


@torch.no_grad()
def advance(
    net: Any, wiring: Wiring, params: Params, carry: States, inputs: Tensor, targets: Tensor, *, last: bool = False
) -> tuple[States, Tensor, Params]:
    """Advance K steps: inputs [K, B, I], targets [K, B] -> the carry, the loss of the chunk, its gradient."""
    params = effective_weights(wiring, params)
    states, loss, residuals, error = forward(net, wiring, params, carry, inputs, targets)
    grads, dL_do = [], error[:, :, None]
    for i in reversed(range(len(net))):
        cell, where, w = net[i], wiring[i], params[i]
        D, D_f, l, z = local_terms(cell, w, residuals[i], dL_do)
        back = recurrent_path(cell, where, w, residuals[i].previous) if "r" in w else None
        lam, dy = torch.zeros_like(l[0]), l.new_empty(*l.shape[:3], *D_f.shape[3:])
        for t in reversed(range(len(l))):
            lam = lam + l[t]
            dy[t] = neuronwise(lam, D_f[t])
            lam = neuronwise(lam, D[t]) + (back(t, dy[t]) if back else 0)
        if i > 0:
            dL_do = feedback(cell, where, w, dy)
        grads.insert(0, weight_gradient(cell, where, w, z, dy[:, :, 0]))
    return states, loss, to_stored(wiring, grads)
