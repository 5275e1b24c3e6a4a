"""Compute emit, dynamics and output of each cell in JAX. Equations: `spec.py`; twin: `cells_torch.py`.

s [..., S, N] are the states and y [..., G, N] the input currents. emit(s) [..., N] is what the recurrent weights read,
dynamics(s, y) [..., S, N] the states after the step, and output(s) [..., N] what the layer above reads.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from drtrl_bench.implementations.cells import spec as cells
from drtrl_bench.implementations.cells.surrogates_jax import psi


def spike(cell: cells.Spiking, v: Array) -> Array:
    """Return sigma(v) with the derivative psi(v): the last factor below is exactly 0 and has derivative 1."""
    if cell.smooth:
        u = jnp.clip(v, -cell.width, cell.width)
        return cell.alpha * (cell.width * u - 0.5 * u * jnp.abs(u) + 0.5 * cell.width**2)
    return (v >= 0).astype(v.dtype) + lax.stop_gradient(psi(cell, v)) * (v - lax.stop_gradient(v))


def lost(cell: cells.LIF, V: Array, spikes: Array) -> Array:
    """Return V - reset(V, s), what a spike takes from V; `spec.py` says through which factors gradients flow."""
    if cell.detach_reset:
        spikes = lax.stop_gradient(spikes)
    match cell.reset:
        case "soft":
            return spikes
        case "hard":
            return lax.stop_gradient(V) * spikes
        case _:
            return V * spikes


def constant(cell: cells.Cell, y: Array, name: str) -> Any:
    """Return a constant of the cell: a number or, if it is trainable, exp of the input current that stands for it."""
    if name not in cell.trainable:
        return getattr(cell, name)
    return jnp.exp(y[..., len(cell.currents) + cell.trainable.index(name), :])


def decay(cell: cells.Cell, y: Array, name: str) -> Any:
    """Return exp(-1/tau) of the time constant `name`."""
    if name not in cell.trainable:
        return math.exp(-1 / getattr(cell, name))
    return jnp.exp(-1 / constant(cell, y, name))


def standardised(u: Array) -> Array:
    """Return values [..., N] with mean 0 and standard deviation 1 over the neurons."""
    u = u - u.mean(axis=-1, keepdims=True)
    return u / jnp.sqrt((u**2).mean(axis=-1, keepdims=True) + 1e-5)


class TanhRNN(cells.TanhRNN):
    def emit(self, s: Array) -> Array:
        return s[..., 0, :]

    output = emit

    def dynamics(self, s: Array, y: Array) -> Array:
        return 0 * s + jnp.tanh(y)


class LeakyRNN(cells.LeakyRNN):
    def emit(self, s: Array) -> Array:
        return s[..., 0, :]

    output = emit

    def dynamics(self, s: Array, y: Array) -> Array:
        a = decay(self, y, "tau")
        return jnp.stack([a * s[..., 0, :] + (1 - a) * jnp.tanh(y[..., 0, :])], axis=-2)


class GRU(cells.GRU):
    def emit(self, s: Array) -> Array:
        return s[..., 0, :]

    output = emit

    def dynamics(self, s: Array, y: Array) -> Array:
        (h,) = jnp.unstack(s, axis=-2)
        I_nx, I_r, I_z, I_nr = jnp.unstack(y, axis=-2)
        r, z = jax.nn.sigmoid(I_r), jax.nn.sigmoid(I_z)
        n = jnp.tanh(I_nx + r * I_nr)
        return jnp.stack([(1 - z) * n + z * h], axis=-2)


class LSTM(cells.LSTM):
    def emit(self, s: Array) -> Array:
        return s[..., 0, :]

    output = emit

    def dynamics(self, s: Array, y: Array) -> Array:
        _, c = jnp.unstack(s, axis=-2)
        I_i, I_g, I_f, I_o = jnp.unstack(y, axis=-2)
        c = jax.nn.sigmoid(I_f + 1) * c + jax.nn.sigmoid(I_i) * jnp.tanh(I_g)
        return jnp.stack([jax.nn.sigmoid(I_o) * jnp.tanh(c), c], axis=-2)


class MGU(cells.MGU):
    def emit(self, s: Array) -> Array:
        return s[..., 0, :]

    output = emit

    def dynamics(self, s: Array, y: Array) -> Array:
        (h,) = jnp.unstack(s, axis=-2)
        I_nx, I_f, I_nr = jnp.unstack(y, axis=-2)
        f = jax.nn.sigmoid(I_f)
        return jnp.stack([(1 - f) * h + f * jnp.tanh(I_nx + f * I_nr)], axis=-2)


class LRU(cells.LRU):
    def output(self, s: Array) -> Array:
        return s[..., 0, :]

    def dynamics(self, s: Array, y: Array) -> Array:
        re, im = jnp.unstack(s, axis=-2)
        rate, frequency = (jnp.asarray(constant(self, y, name)) for name in ("rate", "frequency"))
        by_re, by_im = jnp.exp(-rate) * jnp.cos(frequency), jnp.exp(-rate) * jnp.sin(frequency)
        gain = jnp.sqrt(-jnp.expm1(-2 * rate))
        next_re = by_re * re - by_im * im + gain * y[..., 0, :]
        next_im = by_im * re + by_re * im + gain * y[..., 1, :]
        return jnp.stack([next_re, next_im], axis=-2)


class LIF(cells.LIF):
    def named(self, s: Array) -> dict[str, Array]:
        """Return each state [..., N] by its name in `states`."""
        return dict(zip(self.states, jnp.unstack(s, axis=-2), strict=True))

    def spikes(self, s: dict[str, Array]) -> Array:
        """Return sigma(V - 1 - a) [..., N], without a if the cell does not adapt."""
        return spike(self, s["V"] - s["a"] - 1 if "a" in s else s["V"] - 1)

    def plasticity(self, s: dict[str, Array], spikes: Array) -> tuple[dict[str, Array], Array]:
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

    def emit(self, s: Array) -> Array:
        named = self.named(s)
        return self.plasticity(named, self.spikes(named))[1]

    def output(self, s: Array) -> Array:
        return self.spikes(self.named(s))

    def dynamics(self, s: Array, y: Array) -> Array:
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
        return jnp.stack([after[name] for name in self.states], axis=-2)


class GIF(cells.GIF):
    def emit(self, s: Array) -> Array:
        return spike(self, s[..., 0, :] - 1)

    def output(self, s: Array) -> Array:
        return standardised(s[..., 0, :])

    def dynamics(self, s: Array, y: Array) -> Array:
        V, J, g = jnp.unstack(s, axis=-2)
        a, spikes = decay(self, y, "tau"), lax.stop_gradient(self.emit(s))
        g = decay(self, y, "tau_syn") * g + y[..., 0, :]
        J = decay(self, y, "tau_slow") * (J - self.A * spikes)
        return jnp.stack([a * (V - spikes) + (1 - a) * (g + J), J, g], axis=-2)


class EIGIF(cells.EIGIF):
    def excess(self, s: Array) -> Array:
        """Return (V - h) / h [..., N], without a gradient through h."""
        V, h = s[..., 0, :], lax.stop_gradient(s[..., 3, :])
        return (V - h) / h

    def emit(self, s: Array) -> Array:
        return spike(self, self.excess(s))

    def output(self, s: Array) -> Array:
        return standardised(self.excess(s))

    def dynamics(self, s: Array, y: Array) -> Array:
        V, J1, J2, h, gE, gI = jnp.unstack(s, axis=-2)
        I_x, I_E, I_I = jnp.unstack(y * jnp.sign(y), axis=-2)[:3]  # |I|; the derivative of jnp.abs at 0 is 1, not 0
        spikes, kept = lax.stop_gradient(self.emit(s)), decay(self, y, "tau_syn")
        V = V - h * spikes
        J1 = math.exp(-1 / self.tau_fast) * (J1 + self.A_fast * spikes)
        J2 = decay(self, y, "tau_slow") * (J2 - self.A_slow * spikes)
        h = h + self.A_h * spikes
        h = h - (h - 1) / self.tau_h
        gE, gI = kept * gE + I_x + I_E, kept * gI + I_I
        leak = 1 + gE + gI
        k = jnp.exp(-leak / constant(self, y, "tau"))
        V = k * V + (1 - k) * (gE * self.E_E + gI * self.E_I + J1 + J2) / leak
        return jnp.stack([V, J1, J2, h, gE, gI], axis=-2)


class EGRU(cells.EGRU):
    def emit(self, s: Array) -> Array:
        return s[..., 0, :]

    def output(self, s: Array) -> Array:
        return s[..., 2 if self.traced else 1, :]

    def dynamics(self, s: Array, y: Array) -> Array:
        h, _, o = jnp.unstack(s, axis=-2)
        I_nx, I_r, I_z, I_nr = jnp.unstack(y, axis=-2)[:4]
        r, z, threshold = jax.nn.sigmoid(I_r), jax.nn.sigmoid(I_z), constant(self, y, "threshold")
        c = z * h + (1 - z) * jnp.tanh(I_nx + r * I_nr)
        e = spike(self, c - threshold)
        return jnp.stack([c - e * threshold, e * c, 0.9 * o + 0.1 * e * c], axis=-2)


class LeakyReadout(cells.LeakyReadout):
    def output(self, s: Array) -> Array:
        return s[..., 0, :]

    def dynamics(self, s: Array, y: Array) -> Array:
        return jnp.stack([decay(self, y, "tau") * s[..., 0, :] + y[..., 0, :]], axis=-2)


class LinearReadout(cells.LinearReadout):
    def output(self, s: Array) -> Array:
        return s[..., 0, :]

    def dynamics(self, s: Array, y: Array) -> Array:
        return 0 * s + y
