"""Write the cells in the modules of braintrace, with `braintrace.nn.Linear` for every product, as its users do."""

# pyright: reportMissingImports=false
import math
from typing import Any

import brainstate
import braintrace
import jax
import jax.numpy as jnp
import numpy as np
from in_jax import spike_function
from task import lif_decay


def linear(weight: Any, bias: Any = None) -> Any:
    """Return a linear layer of braintrace with these weights."""
    start = None if bias is None else jnp.asarray(bias)
    return braintrace.nn.Linear(*weight.shape, w_init=jnp.asarray(weight), b_init=start)


def flat(weight: Any) -> Any:
    """Bring a weight [J, Gk, N] into the shape of a matrix [J, Gk N]."""
    return weight.reshape(weight.shape[0], -1)


class Cell(brainstate.nn.Module):
    """One state per neuron, one product of input and recurrent output together: the tanh RNN, and a base of others."""

    def __init__(self, w: dict[str, Any], dtype: str) -> None:
        super().__init__()
        self.size, self.dtype, self.inputs = w["r"].shape[-1], dtype, len(w["x"])
        self.lin = linear(np.concatenate([flat(w["x"]), flat(w["r"])]), w["b"].ravel())

    def init_state(self, batch_size: int | None = None, **_: Any) -> None:
        shape = (self.size,) if batch_size is None else (batch_size, self.size)
        self.h = brainstate.HiddenState(jnp.zeros(shape, self.dtype))

    def update(self, x: Any) -> Any:
        self.h.value = jnp.tanh(self.lin(jnp.concatenate([x, self.h.value], -1)))
        return self.h.value

    def gradients(self, grads: dict[Any, Any], path: tuple[str, ...]) -> dict[str, Any]:
        """Return the gradients of the weights, in their shapes, from those of the learner."""
        g = grads[(*path, "lin", "weight")]
        weight, bias = np.asarray(g["weight"]), np.asarray(g["bias"])
        return {"x": weight[: self.inputs, None], "r": weight[self.inputs :, None], "b": bias[None, None]}


class LIF(Cell):
    """The LIF neuron, with an adaptive threshold 1 + a or a current synapse g where the cell has these states.

    Without a synapse the input makes the potential jump after the decay.
    """

    def __init__(self, cell: dict[str, Any], w: dict[str, Any], dtype: str) -> None:
        super().__init__(w, dtype)
        self.decay, self.hard = lif_decay(cell, states=("a", "g")), cell["reset"] == "hard"
        self.adaptive, self.synaptic = ("a" in cell["states"], "g" in cell["states"])
        self.of_a, self.of_g, self.beta = math.exp(-1 / cell["tau_a"]), math.exp(-1 / cell["tau_syn"]), cell["beta"]
        self.spike = spike_function(cell["alpha"], cell["width"])

    def init_state(self, batch_size: int | None = None, **_: Any) -> None:
        super().init_state(batch_size)
        if self.adaptive:
            self.a = brainstate.HiddenState(jnp.zeros_like(self.h.value))
        if self.synaptic:
            self.g = brainstate.HiddenState(jnp.zeros_like(self.h.value))

    def spikes(self) -> Any:
        """Return the spikes at the states of now. Two states in one operation, as in V - a, braintrace refuses."""
        return self.spike(self.h.value - 1 - self.a.value if self.adaptive else self.h.value - 1)

    def update(self, x: Any) -> Any:
        V, s = self.h.value, self.spikes()
        after = V - jax.lax.stop_gradient(V) * s if self.hard else V - s
        current = self.lin(jnp.concatenate([x, s], -1))
        if self.synaptic:
            self.g.value = self.of_g * self.g.value + current
            current = (1 - self.decay) * self.g.value
        if self.adaptive:
            self.a.value = self.of_a * (self.a.value + self.beta * s)
        self.h.value = self.decay * after + current
        return self.spikes()


class GRU(Cell):
    """The GRU with the reset gate after the product, and a product of its own for each gate.

    Together in one product, whose result is three times as wide as the state, braintrace would take the weights from
    the trace: it warns, and their gradient is 0 with a leaky readout.
    """

    def __init__(self, w: dict[str, Any], dtype: str) -> None:
        brainstate.nn.Module.__init__(self)
        self.size, self.dtype = w["r"].shape[-1], dtype
        b = w["b"][0]
        self.x_n, self.x_r, self.x_z = (linear(w["x"][:, i], b[i]) for i in range(3))
        self.r_r, self.r_z, self.r_n = linear(w["r"][:, 0]), linear(w["r"][:, 1]), linear(w["r"][:, 2], b[3])

    def update(self, x: Any) -> Any:
        h = self.h.value
        r, z = jax.nn.sigmoid(self.x_r(x) + self.r_r(h)), jax.nn.sigmoid(self.x_z(x) + self.r_z(h))
        self.h.value = (1 - z) * jnp.tanh(self.x_n(x) + r * self.r_n(h)) + z * h
        return self.h.value

    def gradients(self, grads: dict[Any, Any], path: tuple[str, ...]) -> dict[str, Any]:
        by_kind = {"x": ("x_n", "x_r", "x_z"), "r": ("r_r", "r_z", "r_n")}
        weights = {kind: self.stacked(grads, path, "weight", names) for kind, names in by_kind.items()}
        return {**weights, "b": self.stacked(grads, path, "bias", (*by_kind["x"], "r_n"))[None]}

    @staticmethod
    def stacked(grads: dict[Any, Any], path: tuple[str, ...], part: str, names: tuple[str, ...]) -> Any:
        """Return the gradients of a part of some linear layers, a gate each."""
        return np.stack([np.asarray(grads[(*path, name, "weight")][part]) for name in names], axis=-2)


class LSTM(GRU):
    """The LSTM with 1 added to the forget gate, and a product of its own for each gate."""

    gates = ("i", "g", "f", "o")

    def __init__(self, w: dict[str, Any], dtype: str) -> None:
        brainstate.nn.Module.__init__(self)
        self.size, self.dtype = w["r"].shape[-1], dtype
        joined = np.concatenate([w["x"], w["r"]])
        self.i, self.g, self.f, self.o = (linear(joined[:, gate], w["b"][0, gate]) for gate in range(4))
        self.inputs = len(w["x"])

    def init_state(self, batch_size: int | None = None, **_: Any) -> None:
        super().init_state(batch_size)
        self.c = brainstate.HiddenState(jnp.zeros_like(self.h.value))

    def update(self, x: Any) -> Any:
        z = jnp.concatenate([x, self.h.value], -1)
        kept = jax.nn.sigmoid(self.f(z) + 1) * self.c.value
        self.c.value = kept + jax.nn.sigmoid(self.i(z)) * jnp.tanh(self.g(z))
        self.h.value = jax.nn.sigmoid(self.o(z)) * jnp.tanh(self.c.value)
        return self.h.value

    def gradients(self, grads: dict[Any, Any], path: tuple[str, ...]) -> dict[str, Any]:
        weight = self.stacked(grads, path, "weight", self.gates)
        bias = self.stacked(grads, path, "bias", self.gates)
        return {"x": weight[: self.inputs], "r": weight[self.inputs :], "b": bias[None]}


class Network(brainstate.nn.Module):
    """A cell, and a leaky readout as a second layer if it keeps anything from step to step."""

    def __init__(self, cell: Cell, readout: Any, leak: float, dtype: str) -> None:
        super().__init__()
        self.cell, self.leak, self.dtype, self.classes = cell, leak, dtype, readout.shape[-1]
        if leak:
            self.readout = linear(readout)

    def init_state(self, batch_size: int | None = None, **_: Any) -> None:
        if self.leak:
            shape = (self.classes,) if batch_size is None else (batch_size, self.classes)
            self.rho = brainstate.HiddenState(jnp.zeros(shape, self.dtype))

    def update(self, x: Any) -> Any:
        output = self.cell(x)
        if not self.leak:
            return output
        self.rho.value = self.leak * self.rho.value + self.readout(output)
        return self.rho.value


RATE: dict[str, type[Cell]] = {"TanhRNN": Cell, "GRU": GRU, "LSTM": LSTM}
"""The class here of each cell without spikes."""
