"""Run a layer and differentiate its steps in closed form, in PyTorch, for the cells whose equations are short.

Automatic differentiation gives the same for every cell, in more calls and with more arrays, and eager PyTorch is bound
by its calls. A test holds each closed form to it. JAX compiles what its own differentiation gives to the same.
Symbols and shapes: `implementations/README.md`; S is the number of a neuron's states, G that of its input currents.
"""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from drtrl_bench.implementations.cells import cells_torch as cells
from drtrl_bench.implementations.cells.surrogates_torch import psi


class ClosedForm(Protocol):
    """Compute all steps of a block, and their derivatives."""

    def run(self, states: Tensor, currents: Tensor, W: Tensor) -> None:
        """Run the steps: fill in s^1 ... s^K of states [K + 1, B, S, N], of which s^0 is there.

        currents [K, B, G, N] comes with what input and bias give, and the recurrent part is added: emit(s^{t-1}) W,
        with W_r as a matrix W [J, Gr N]; a readout has none, and W is empty.
        """
        ...

    def jacobians(self, s_prev: Tensor, s: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Compute D = ds/ds_prev [K, B, S, S', N] and D_f = ds/dy [K, B, S, G, N]."""
        ...

    def recurrent_output(self, s_prev: Tensor) -> Tensor:
        """Compute R = dr/ds_prev [K, B, S, N]."""
        ...

    def learning_signal(self, s: Tensor, dX_do: Tensor) -> Tensor:
        """Compute l = dX/ds [K, B, Q, S, N] from dX/do [K, B, Q, N]."""
        ...


@dataclass(frozen=True)
class FirstState:
    """Hold the derivatives of a cell whose first state is its recurrent output and its output."""

    cell: Any

    def recurrent_output(self, s_prev: Tensor) -> Tensor:
        R = s_prev.new_zeros(s_prev.shape[-2], 1)
        R[0] = 1
        return R.expand_as(s_prev)

    def learning_signal(self, s: Tensor, dX_do: Tensor) -> Tensor:
        if s.shape[-2] == 1:
            return dX_do[..., None, :]
        l = s.new_zeros(*dX_do.shape[:-1], *s.shape[-2:])
        l[..., 0, :] = dX_do
        return l


class Tanh(FirstState):
    """h' = tanh(I)."""

    def run(self, states: Tensor, currents: Tensor, W: Tensor) -> None:
        h, I = states[:, :, 0].unbind(0), currents[:, :, 0].unbind(0)
        for t in range(len(I)):
            torch.tanh(I[t].addmm_(h[t], W), out=h[t + 1])

    def jacobians(self, s_prev: Tensor, s: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        D = s_prev.new_zeros(()).expand(*s_prev.shape[:-1], *s_prev.shape[-2:])  # no state is read
        return D, (s * s).neg_().add_(1)[..., None, :, :]


class Gated(FirstState):
    """h' = n + z (h - n), with n = tanh(I_nx + r I_nr): the gated recurrent unit."""

    def run(self, states: Tensor, currents: Tensor, W: Tensor) -> None:
        h, recurrent = states[:, :, 0].unbind(0), currents[:, :, 1:].flatten(2).unbind(0)
        I_nx, I_r, I_z, I_nr = (I.unbind(0) for I in currents.unbind(2))
        for t in range(len(recurrent)):
            recurrent[t].addmm_(h[t], W)
            r, z = torch.sigmoid(I_r[t]), torch.sigmoid(I_z[t])
            n = torch.addcmul(I_nx[t], r, I_nr[t]).tanh_()
            torch.addcmul(n, z, h[t] - n, out=h[t + 1])

    def jacobians(self, s_prev: Tensor, s: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        I_nx, I_r, I_z, I_nr = y.unbind(-2)
        h, r, z = s_prev[..., 0, :], torch.sigmoid(I_r), torch.sigmoid(I_z)
        n = torch.tanh(I_nx + r * I_nr)
        D_f = torch.empty_like(y)
        by_nx = torch.mul(1 - z, 1 - n * n, out=D_f[..., 0, :])
        by_nr = torch.mul(by_nx, r, out=D_f[..., 3, :])
        torch.mul(by_nr * I_nr, 1 - r, out=D_f[..., 1, :])
        torch.mul(z - z * z, h - n, out=D_f[..., 2, :])
        return z[..., None, None, :], D_f[..., None, :, :]


class LongShortTerm(FirstState):
    """h' = o tanh(c'), c' = f c + i g: the long short-term memory."""

    def run(self, states: Tensor, currents: Tensor, W: Tensor) -> None:
        (h, c), recurrent = (s.unbind(0) for s in states.unbind(2)), currents.flatten(2).unbind(0)
        I_i, I_g, I_f, I_o = (I.unbind(0) for I in currents.unbind(2))
        for t in range(len(recurrent)):
            recurrent[t].addmm_(h[t], W)
            f = torch.add(I_f[t], 1).sigmoid_()
            torch.addcmul(f.mul_(c[t]), torch.sigmoid(I_i[t]), torch.tanh(I_g[t]), out=c[t + 1])
            torch.mul(torch.sigmoid(I_o[t]), torch.tanh(c[t + 1]), out=h[t + 1])

    def jacobians(self, s_prev: Tensor, s: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        i, g, f, o = y.unbind(-2)
        c, i, g, f, o = s_prev[..., 1, :], torch.sigmoid(i), torch.tanh(g), torch.sigmoid(f + 1), torch.sigmoid(o)
        t = torch.tanh(s[..., 1, :])
        by_c = o * (1 - t * t)  # dh'/dc'
        D = y.new_zeros(*s_prev.shape[:-1], *s_prev.shape[-2:])
        D[..., 1, 1, :] = f
        torch.mul(by_c, f, out=D[..., 0, 1, :])
        D_f = y.new_empty(*s_prev.shape[:-1], *y.shape[-2:])
        ig = i * g
        torch.sub(ig, ig * i, out=D_f[..., 1, 0, :])
        torch.sub(i, ig * g, out=D_f[..., 1, 1, :])
        torch.mul(f - f * f, c, out=D_f[..., 1, 2, :])
        D_f[..., 1, 3, :] = 0
        torch.mul(by_c[..., None, :], D_f[..., 1, :3, :], out=D_f[..., 0, :3, :])
        torch.mul(o - o * o, t, out=D_f[..., 0, 3, :])
        return D, D_f


@dataclass(frozen=True)
class Integrator:
    """V' = a (V - s) + I / threshold, with s = sigma(V - 1): a spiking neuron without adaptation or synapse."""

    cell: Any

    def run(self, states: Tensor, currents: Tensor, W: Tensor) -> None:
        a, threshold = math.exp(-1 / self.cell.tau), self.cell.threshold
        V, I = states[:, :, 0].unbind(0), currents[:, :, 0].unbind(0)
        spikes = torch.empty_like(V[0])
        for t in range(len(I)):
            torch.ge(V[t], 1, out=spikes)
            I[t].addmm_(spikes, W)
            remaining = V[t] - spikes
            torch.add(I[t] if threshold == 1 else I[t] / threshold, remaining, alpha=a, out=V[t + 1])

    def jacobians(self, s_prev: Tensor, s: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        a = math.exp(-1 / self.cell.tau)
        D = self.recurrent_output(s_prev).mul_(-a).add_(a)[..., None, :]
        return D, y.new_full((), 1 / self.cell.threshold).expand(*y.shape[:-2], 1, 1, y.shape[-1])

    def recurrent_output(self, s_prev: Tensor) -> Tensor:
        return psi(self.cell, s_prev - 1)

    def learning_signal(self, s: Tensor, dX_do: Tensor) -> Tensor:
        return (self.recurrent_output(s) * dX_do).unsqueeze(-2)


class Leaky(FirstState):
    """s' = a s + I: the leaky readout."""

    def run(self, states: Tensor, currents: Tensor, W: Tensor) -> None:
        a, s, I = math.exp(-1 / self.cell.tau), states[:, :, 0].unbind(0), currents[:, :, 0].unbind(0)
        for t in range(len(I)):
            torch.add(I[t], s[t], alpha=a, out=s[t + 1])

    def jacobians(self, s_prev: Tensor, s: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        shape = (*y.shape[:-2], 1, 1, y.shape[-1])
        a = math.exp(-1 / self.cell.tau)
        return y.new_full((), a).expand(shape), y.new_ones(()).expand(shape)


def closed(cell: Any) -> ClosedForm | None:
    """Find the closed form of a cell; None: there is none here, as for a cell of a plugin."""
    kinds = {
        cells.TanhRNN: Tanh,
        cells.GRU: Gated,
        cells.LSTM: LongShortTerm,
        cells.LIF: Integrator,
        cells.LeakyReadout: Leaky,
    }
    kind = kinds.get(type(cell))
    if kind is Integrator and (cell.states != ("V",) or cell.reset != "soft" or cell.detach_reset or cell.smooth):
        return None
    return None if kind is None or cell.trainable else kind(cell)
