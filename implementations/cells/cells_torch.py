"""Compute emit, dynamics and output of each cell in PyTorch. Equations: `spec.py`; twin: `cells_jax.py`.

s [..., S, N] are the states and y [..., G, N] the input currents. emit(s) [..., N] is what the recurrent weights read,
dynamics(s, y) [..., S, N] the states after the step, and output(s) [..., N] what the layer above reads.
"""

import math
from typing import Any

import torch
from torch import Tensor

from drtrl_bench.implementations.cells import spec as cells
from drtrl_bench.implementations.cells.surrogates_torch import psi


def spike(cell: cells.Spiking, v: Tensor) -> Tensor:
    """Return sigma(v) with the derivative psi(v): the last factor below is exactly 0 and has derivative 1."""
    if cell.smooth:
        u = v.clamp(-cell.width, cell.width)
        return cell.alpha * (cell.width * u - 0.5 * u * u.abs() + 0.5 * cell.width**2)
    sigma = v.detach().clone().ge_(0)  # heaviside takes 30 times as long on a CPU
    if not v.requires_grad:
        return sigma
    return sigma + psi(cell, v).detach() * (v - v.detach())


def lost(cell: cells.LIF, V: Tensor, spikes: Tensor) -> Tensor:
    """Return V - reset(V, s), what a spike takes from V; `spec.py` says through which factors gradients flow."""
    if cell.detach_reset:
        spikes = spikes.detach()
    match cell.reset:
        case "soft":
            return spikes
        case "hard":
            return V.detach() * spikes
        case _:
            return V * spikes


def constant(cell: cells.Cell, y: Tensor, name: str) -> Any:
    """Return a constant of the cell: a number or, if it is trainable, exp of the input current that stands for it."""
    if name not in cell.trainable:
        return getattr(cell, name)
    return torch.exp(y[..., len(cell.currents) + cell.trainable.index(name), :])


def decay(cell: cells.Cell, y: Tensor, name: str) -> Any:
    """Return exp(-1/tau) of the time constant `name`."""
    if name not in cell.trainable:
        return math.exp(-1 / getattr(cell, name))
    return torch.exp(-1 / constant(cell, y, name))


def standardised(u: Tensor) -> Tensor:
    """Return values [..., N] with mean 0 and standard deviation 1 over the neurons."""
    u = u - u.mean(dim=-1, keepdim=True)
    return u / torch.sqrt((u**2).mean(dim=-1, keepdim=True) + 1e-5)


class TanhRNN(cells.TanhRNN):
    def emit(self, s: Tensor) -> Tensor:
        return s[..., 0, :]

    output = emit

    def dynamics(self, s: Tensor, y: Tensor) -> Tensor:
        return torch.tanh(y)


class LeakyRNN(cells.LeakyRNN):
    def emit(self, s: Tensor) -> Tensor:
        return s[..., 0, :]

    output = emit

    def dynamics(self, s: Tensor, y: Tensor) -> Tensor:
        a = decay(self, y, "tau")
        return torch.stack([a * s[..., 0, :] + (1 - a) * torch.tanh(y[..., 0, :])], dim=-2)


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


class LSTM(cells.LSTM):
    def emit(self, s: Tensor) -> Tensor:
        return s[..., 0, :]

    output = emit

    def dynamics(self, s: Tensor, y: Tensor) -> Tensor:
        _, c = s.unbind(-2)
        I_i, I_g, I_f, I_o = y.unbind(-2)
        c = torch.sigmoid(I_f + 1) * c + torch.sigmoid(I_i) * torch.tanh(I_g)
        return torch.stack([torch.sigmoid(I_o) * torch.tanh(c), c], dim=-2)


class MGU(cells.MGU):
    def emit(self, s: Tensor) -> Tensor:
        return s[..., 0, :]

    output = emit

    def dynamics(self, s: Tensor, y: Tensor) -> Tensor:
        (h,) = s.unbind(-2)
        I_nx, I_f, I_nr = y.unbind(-2)
        f = torch.sigmoid(I_f)
        return torch.stack([(1 - f) * h + f * torch.tanh(I_nx + f * I_nr)], dim=-2)


class LRU(cells.LRU):
    def output(self, s: Tensor) -> Tensor:
        return s[..., 0, :]

    def dynamics(self, s: Tensor, y: Tensor) -> Tensor:
        re, im = s.unbind(-2)
        rate, frequency = (torch.as_tensor(constant(self, y, name)).to(y) for name in ("rate", "frequency"))
        by_re, by_im = torch.exp(-rate) * torch.cos(frequency), torch.exp(-rate) * torch.sin(frequency)
        gain = torch.sqrt(-torch.expm1(-2 * rate))
        next_re = by_re * re - by_im * im + gain * y[..., 0, :]
        next_im = by_im * re + by_re * im + gain * y[..., 1, :]
        return torch.stack([next_re, next_im], dim=-2)


class LIF(cells.LIF):
    def named(self, s: Tensor) -> dict[str, Tensor]:
        """Return each state [..., N] by its name in `states`."""
        return dict(zip(self.states, s.unbind(-2), strict=True))

    def spikes(self, s: dict[str, Tensor]) -> Tensor:
        """Return sigma(V - 1 - a) [..., N], without a if the cell does not adapt."""
        return spike(self, s["V"] - s["a"] - 1 if "a" in s else s["V"] - 1)

    def plasticity(self, s: dict[str, Tensor], spikes: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Return u' and x' of the synapses after the spikes, and what the neurons emit."""
        if "x" not in s:
            return {}, spikes
        recovered = 1 + (s["x"] - 1) * math.exp(-1 / (self.tau_d if "u" in s else self.tau_std))
        u = s["u"] * math.exp(-1 / self.tau_f) + self.U * spikes * (1 - s["u"]) if "u" in s else None
        used = self.U if u is None else u
        x = recovered - used * spikes * s["x"]
        available = x if self.release == "after" else spikes * recovered
        emitted = spikes * available if u is None else spikes * u * available
        return {"x": x} | ({} if u is None else {"u": u}), emitted

    def emit(self, s: Tensor) -> Tensor:
        named = self.named(s)
        return self.plasticity(named, self.spikes(named))[1]

    def output(self, s: Tensor) -> Tensor:
        return self.spikes(self.named(s))

    def dynamics(self, s: Tensor, y: Tensor) -> Tensor:
        named, I = self.named(s), y[..., 0, :]
        spikes, a, threshold = self.spikes(named), decay(self, y, "tau"), constant(self, y, "threshold")
        after, _ = self.plasticity(named, spikes)
        if "g" in named:
            after["g"] = decay(self, y, "tau_syn") * named["g"] + I
            I = (1 - a) * after["g"]
        if "a" in named:
            jump = constant(self, y, "beta") / threshold * spikes
            after["a"] = decay(self, y, "tau_a") * (named["a"] + jump)
        after["V"] = a * (named["V"] - lost(self, named["V"], spikes)) + I / threshold
        return torch.stack([after[name] for name in self.states], dim=-2)


class GIF(cells.GIF):
    def emit(self, s: Tensor) -> Tensor:
        return spike(self, s[..., 0, :] - 1)

    def output(self, s: Tensor) -> Tensor:
        return standardised(s[..., 0, :])

    def dynamics(self, s: Tensor, y: Tensor) -> Tensor:
        V, J, g = s.unbind(-2)
        a, spikes = decay(self, y, "tau"), self.emit(s).detach()
        g = decay(self, y, "tau_syn") * g + y[..., 0, :]
        J = decay(self, y, "tau_slow") * (J - self.A * spikes)
        return torch.stack([a * (V - spikes) + (1 - a) * (g + J), J, g], dim=-2)


class EIGIF(cells.EIGIF):
    def excess(self, s: Tensor) -> Tensor:
        """Return (V - h) / h [..., N], without a gradient through h."""
        V, h = s[..., 0, :], s[..., 3, :].detach()
        return (V - h) / h

    def emit(self, s: Tensor) -> Tensor:
        return spike(self, self.excess(s))

    def output(self, s: Tensor) -> Tensor:
        return standardised(self.excess(s))

    def dynamics(self, s: Tensor, y: Tensor) -> Tensor:
        V, J1, J2, h, gE, gI = s.unbind(-2)
        I_x, I_E, I_I = y.unbind(-2)[:3]
        spikes, kept = self.emit(s).detach(), decay(self, y, "tau_syn")
        V = V - h * spikes
        J1 = math.exp(-1 / self.tau_fast) * (J1 + self.A_fast * spikes)
        J2 = decay(self, y, "tau_slow") * (J2 - self.A_slow * spikes)
        h = h + self.A_h * spikes
        h = h - (h - 1) / self.tau_h
        gE, gI = kept * gE + torch.abs(I_x) + torch.abs(I_E), kept * gI + torch.abs(I_I)
        leak = 1 + gE + gI
        k = torch.exp(-leak / constant(self, y, "tau"))
        V = k * V + (1 - k) * (gE * self.E_E + gI * self.E_I + J1 + J2) / leak
        return torch.stack([V, J1, J2, h, gE, gI], dim=-2)


class EGRU(cells.EGRU):
    def emit(self, s: Tensor) -> Tensor:
        return s[..., 0, :]

    def output(self, s: Tensor) -> Tensor:
        return s[..., 2 if self.traced else 1, :]

    def dynamics(self, s: Tensor, y: Tensor) -> Tensor:
        h, _, o = s.unbind(-2)
        I_nx, I_r, I_z, I_nr = y.unbind(-2)[:4]
        r, z, threshold = torch.sigmoid(I_r), torch.sigmoid(I_z), constant(self, y, "threshold")
        c = z * h + (1 - z) * torch.tanh(I_nx + r * I_nr)
        e = spike(self, c - threshold)
        return torch.stack([c - e * threshold, e * c, 0.9 * o + 0.1 * e * c], dim=-2)


class LeakyReadout(cells.LeakyReadout):
    def output(self, s: Tensor) -> Tensor:
        return s[..., 0, :]

    def dynamics(self, s: Tensor, y: Tensor) -> Tensor:
        return torch.stack([decay(self, y, "tau") * s[..., 0, :] + y[..., 0, :]], dim=-2)


class LinearReadout(cells.LinearReadout):
    def output(self, s: Tensor) -> Tensor:
        return s[..., 0, :]

    def dynamics(self, s: Tensor, y: Tensor) -> Tensor:
        return y
