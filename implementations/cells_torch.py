"""Emit, dynamics and output of every cell, in PyTorch. The equations are in `cells.py`; the twin is `cells_jax.py`."""

import torch
from torch import Tensor

from implementations import cells


def spike(cell: cells.Spiking, v: Tensor) -> Tensor:
    """sigma(v) whose derivative is psi(v): the last factor below is exactly 0 and has derivative 1."""
    if cell.smooth:
        u = v.clamp(-cell.width, cell.width)
        return cell.alpha * (cell.width * u - 0.5 * u * u.abs() + 0.5 * cell.width**2)
    sigma = (v >= 0).to(v.dtype)
    if not v.requires_grad:
        return sigma
    psi = cell.alpha * (cell.width - v.detach().abs()).clamp(min=0)
    return sigma + psi * (v - v.detach())


def reset(cell: cells.Spiking, V: Tensor, s: Tensor) -> Tensor:
    """The potential after the spike s of the step before; it rests at 0."""
    drop = cell.threshold if cell.reset == "soft" else V.detach()
    return V - drop * s


class LeakyRNN(cells.LeakyRNN):
    def emit(self, s: Tensor) -> Tensor:
        return s[..., 0, :]

    output = emit

    def dynamics(self, s: Tensor, y: Tensor) -> Tensor:
        return self.decay * s + (1 - self.decay) * torch.tanh(y)


class GRU(cells.GRU):
    def emit(self, s: Tensor) -> Tensor:
        return s[..., 0, :]

    output = emit

    def dynamics(self, s: Tensor, y: Tensor) -> Tensor:
        (h,) = s.unbind(-2)
        I_nx, I_r, I_z, I_nr = y.unbind(-2)
        r, z = torch.sigmoid(I_r), torch.sigmoid(I_z)
        n = torch.tanh(I_nx + r * I_nr)
        return torch.stack([(1 - z) * n + z * h], dim=-2)


class LIFDelta(cells.LIFDelta):
    def emit(self, s: Tensor) -> Tensor:
        return spike(self, s[..., 0, :] / self.threshold - 1)

    output = emit

    def dynamics(self, s: Tensor, y: Tensor) -> Tensor:
        return self.decay * reset(self, s, spike(self, s / self.threshold - 1)) + y


class ALIFExpCu(cells.ALIFExpCu):
    def emit(self, s: Tensor) -> Tensor:
        V, a, _ = s.unbind(-2)
        return spike(self, (V - self.beta * a) / self.threshold - 1)

    output = emit

    def dynamics(self, s: Tensor, y: Tensor) -> Tensor:
        V, a, g = s.unbind(-2)
        (I,) = y.unbind(-2)
        spikes = self.emit(s)
        g = self.decay_g * g + I
        a = self.decay_a * (a + spikes)
        V = self.decay * reset(self, V, spikes) + (1 - self.decay) * g
        return torch.stack([V, a, g], dim=-2)


class LeakyReadout(cells.LeakyReadout):
    def output(self, s: Tensor) -> Tensor:
        return s[..., 0, :]

    def dynamics(self, s: Tensor, y: Tensor) -> Tensor:
        return self.decay * s + y


class LinearReadout(cells.LinearReadout):
    def output(self, s: Tensor) -> Tensor:
        return s[..., 0, :]

    def dynamics(self, s: Tensor, y: Tensor) -> Tensor:
        return 0 * s + y
