"""Emit, dynamics and output of every cell, in JAX. The equations are in `cells.py`; the twin is `cells_torch.py`."""

import jax
import jax.numpy as jnp
from jax import Array, lax

from implementations import cells


def spike(cell: cells.Spiking, v: Array) -> Array:
    """sigma(v) whose derivative is psi(v): the last factor below is exactly 0 and has derivative 1."""
    if cell.smooth:
        u = jnp.clip(v, -cell.width, cell.width)
        return cell.alpha * (cell.width * u - 0.5 * u * jnp.abs(u) + 0.5 * cell.width**2)
    psi = cell.alpha * jnp.maximum(cell.width - jnp.abs(v), 0)
    return (v >= 0).astype(v.dtype) + lax.stop_gradient(psi) * (v - lax.stop_gradient(v))


def reset(cell: cells.Spiking, V: Array, s: Array) -> Array:
    """The potential after the spike s of the step before; it rests at 0."""
    drop = cell.threshold if cell.reset == "soft" else lax.stop_gradient(V)
    return V - drop * s


class LeakyRNN(cells.LeakyRNN):
    def emit(self, s: Array) -> Array:
        return s[..., 0, :]

    output = emit

    def dynamics(self, s: Array, y: Array) -> Array:
        return self.decay * s + (1 - self.decay) * jnp.tanh(y)


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


class LIFDelta(cells.LIFDelta):
    def emit(self, s: Array) -> Array:
        return spike(self, s[..., 0, :] / self.threshold - 1)

    output = emit

    def dynamics(self, s: Array, y: Array) -> Array:
        return self.decay * reset(self, s, spike(self, s / self.threshold - 1)) + y


class ALIFExpCu(cells.ALIFExpCu):
    def emit(self, s: Array) -> Array:
        V, a, _ = jnp.unstack(s, axis=-2)
        return spike(self, (V - self.beta * a) / self.threshold - 1)

    output = emit

    def dynamics(self, s: Array, y: Array) -> Array:
        V, a, g = jnp.unstack(s, axis=-2)
        (I,) = jnp.unstack(y, axis=-2)
        spikes = self.emit(s)
        g = self.decay_g * g + I
        a = self.decay_a * (a + spikes)
        V = self.decay * reset(self, V, spikes) + (1 - self.decay) * g
        return jnp.stack([V, a, g], axis=-2)


class LeakyReadout(cells.LeakyReadout):
    def output(self, s: Array) -> Array:
        return s[..., 0, :]

    def dynamics(self, s: Array, y: Array) -> Array:
        return self.decay * s + y


class LinearReadout(cells.LinearReadout):
    def output(self, s: Array) -> Array:
        return s[..., 0, :]

    def dynamics(self, s: Array, y: Array) -> Array:
        return 0 * s + y
