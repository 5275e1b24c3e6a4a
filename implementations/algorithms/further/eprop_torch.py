"""Compute the gradient of e-prop in PyTorch: D-RTRL whose eligibility traces pass the leak of the readout.

Source: Bellec et al. 2020 (Nat. Commun. 11:3625), whose filter F_kappa is the one below.

    readout     rho^t = kappa rho^{t-1} + o^t W        a hidden layer's o^q acts on the losses of all steps t >= q
    filter      f^t = kappa f^{t-1} + o^t              so that rho^t = f^t W
    gradient    dL/dW = sum_t dL^t/do^t df^t/dW        df^t/dW = kappa df^{t-1}/dW + (do/ds)^t eps^t

D-RTRL has do/ds eps in place of df/dW, and so drops what a hidden layer does to the readout's later states. Here f is
one more state of every hidden neuron, and the rest is `drtrl_torch.py`: its trace, with S + 1 states, holds df/dW
besides eps. A neuron's output has the value o, and the derivative of f.

For the last hidden layer without recurrent weights this is BPTT's gradient. The layers below it get the filter, too,
but dL^t/do^t by the weights and states of step t alone. kappa is the mean of the leaks of all classes, where these
differ; with a linear readout it is 0, and the gradient D-RTRL's. Symbols and shapes: `implementations/README.md`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drtrl_bench.implementations.algorithms.approximate import drtrl_torch as drtrl
from drtrl_bench.implementations.cells import cells_torch as cells
from drtrl_bench.implementations.engine.derivatives_torch import local_jacobians
from drtrl_bench.implementations.engine.execution_torch import PLAIN, Execution
from drtrl_bench.implementations.engine.network_torch import Params, PerWeight, Residuals, external_currents

RULE = drtrl.RULE
Carry = drtrl.Carry


@dataclass(frozen=True)
class Filtered:
    """Extend a cell by the state f, its filtered output; the other states and all that is emitted are the cell's."""

    cell: Any
    S: int
    """Number of states of a neuron, f among them."""
    kappa: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cell, name)

    def rest(self, N: int) -> NDArray[np.float64]:
        """Return the states [S, N] before the first step, f = 0 the last."""
        return np.concatenate([self.cell.rest(N), np.zeros((1, N))])

    def emit(self, s: Tensor) -> Tensor:
        """Compute the recurrent output [..., N]."""
        return self.cell.emit(s[..., :-1, :])

    def own_output(self, s: Tensor) -> Tensor:
        """Compute the output [..., N] of each neuron from its states, before a layer standardises it."""
        if isinstance(self.cell, cells.GIF):
            return s[..., 0, :]
        return self.cell.excess(s) if isinstance(self.cell, cells.EIGIF) else self.cell.output(s)

    def dynamics(self, s: Tensor, y: Tensor) -> Tensor:
        """Compute the states after a step: the cell's, and f' = kappa f + o'."""
        after = self.cell.dynamics(s[..., :-1, :], y)
        f = self.kappa * s[..., -1, :] + self.own_output(after)
        return torch.cat([after, f[..., None, :]], dim=-2)

    def output(self, s: Tensor) -> Tensor:
        """Compute the cell's output [..., N], with the derivative of f; the last factor below is exactly 0."""
        f = s[..., -1, :]
        o = self.own_output(s[..., :-1, :]).detach() + (f - f.detach())
        return cells.standardised(o) if isinstance(self.cell, cells.GIF | cells.EIGIF) else o


def filtered(net: Any, kappa: Any) -> tuple[Any, ...]:
    """Return the network with filtered outputs in its hidden layers."""
    return (*(Filtered(cell, cell.S + 1, kappa) for cell in net[:-1]), net[-1])


def leak(readout: Any, w: PerWeight) -> Tensor:
    """Compute kappa, the mean over the classes of the readout's D."""
    I, _, C = w["x"].shape
    s, x = w["x"].new_zeros(1, 1, readout.S, C), w["x"].new_zeros(1, 1, I)
    D, _ = local_jacobians(readout, w, Residuals(s, s, external_currents(readout, w, x), x))
    return D[0, 0, 0, 0].mean()


def init(net: Any, params: Params, batch: int, *, trace_dtype: str = "same") -> Carry:
    """Return the states at rest and zero traces, in the dtype of the weights or in `trace_dtype`."""
    return drtrl.init(filtered(net, 0.0), params, batch, trace_dtype=trace_dtype)


@torch.no_grad()
def advance(
    net: Any,
    params: Params,
    carry: Carry,
    inputs: Tensor,
    targets: Tensor,
    *,
    last: bool = False,
    execution: Execution = PLAIN,
) -> tuple[Carry, Tensor, Params]:
    """Advance K steps: inputs [K, B, I], targets [K, B] -> the carry, the loss of the chunk, its gradient.

    last: no chunk follows, so the traces are not updated. Else they are updated in place: `carry` is used up.
    """
    with_filters = filtered(net, leak(net[-1], params[-1]))
    return drtrl.advance(with_filters, params, carry, inputs, targets, last=last, execution=execution)
