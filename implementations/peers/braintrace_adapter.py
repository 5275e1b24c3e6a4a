"""Runs braintrace 0.2.8, the reference library of D-RTRL.

Ways: d_rtrl (its own batching), d_rtrl_vmap (`vmap=True`), d_rtrl_windows (`vjp_method="multi-step"`, windows of K
steps, which must fill the sequence), ostl_recurrent, which is SnAp-1, snap2 (`n=2`), pp_prop, eprop, uoro, and bptt,
which is `brainstate.transform.grad` over its scan. The cells are written in its modules, with `braintrace.nn.Linear`
for every product, as its users do.

A linear readout stays outside the learner: it is differentiated exactly. A leaky one is a second layer inside it.

Not matched: paths between the states of a neuron within a step, as from c to h in the LSTM, count twice in d_rtrl and
ostl_recurrent, not in windows.

The decay of pp_prop applies to both filters, as `decay` does here, and its correction is that of
`bias_correction = "corrected"`. The kappa of eprop is the leak of the readout. eprop and uoro are in their own
batching: with `vmap=True` neither gives a gradient, eprop as soon as kappa is not 0. uoro is in single steps.
"""

# pyright: reportMissingImports=false
from typing import Any

import brainstate
import braintrace
import jax
import jax.numpy as jnp
import numpy as np
from in_jax import choose_precision, spike_function, step_loss, xla_bytes
from task import Arrays, Prepared, Task, UnsupportedError, lif_decay, serve


class SignedUORO(braintrace.UORO):
    """UORO whose random signs are those of this project: a bit of a hash of layer, step and state, by MurmurHash3."""

    def _draw_projection(self, key: Any, step: Any, group_index: int, shape: tuple[int, ...], dtype: Any) -> Any:
        """Draw 1 or -1 for the states [B, N, S] of a layer, which are counted in the order [B, S, N]."""
        batch, neurons, states = shape
        count = np.arange(np.prod(shape), dtype=np.uint32).reshape(batch, states, neurons).swapaxes(1, 2)
        x = jnp.asarray(count) * jnp.uint32(0x9E3779B1) + step.astype(jnp.uint32) * jnp.uint32(0x85EBCA77)
        x = x + jnp.uint32(group_index * 0xC2B2AE3D % 2**32)
        x = (x ^ x >> 16) * jnp.uint32(0x85EBCA6B)
        x = (x ^ x >> 13) * jnp.uint32(0xC2B2AE35)
        return 1 - 2 * ((x ^ x >> 16) >> 31).astype(dtype)


WAYS: dict[str, Any] = {
    "d_rtrl": "d_rtrl",
    "d_rtrl_vmap": "d_rtrl",
    "d_rtrl_windows": "d_rtrl",
    "ostl_recurrent": "ostl_recurrent",
    "snap2": braintrace.SnAp,
    "pp_prop": "pp_prop",
    "eprop": "eprop",
    "uoro": SignedUORO,
    "bptt": None,
}
"""Each way's algorithm in `braintrace.compile`, by name or class; None differentiates the scan."""
VMAPPED = ("d_rtrl_vmap", "ostl_recurrent", "snap2")
"""Ways with `vmap=True`. Those with paths between neurons would else build the Jacobian between all samples."""


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
    """The LIF neuron whose input makes the potential jump after the decay."""

    def __init__(self, cell: dict[str, Any], w: dict[str, Any], dtype: str) -> None:
        super().__init__(w, dtype)
        self.decay, self.hard = lif_decay(cell), cell["reset"] == "hard"
        self.spike = spike_function(cell["alpha"], cell["width"])

    def update(self, x: Any) -> Any:
        V = self.h.value
        s = self.spike(V - 1)
        after = V - jax.lax.stop_gradient(V) * s if self.hard else V - s
        self.h.value = self.decay * after + self.lin(jnp.concatenate([x, s], -1))
        return self.spike(self.h.value - 1)


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


def at_rest(value: Any) -> Any:
    """Return zeros like an array, and a key for random numbers as it is."""
    return value if jnp.issubdtype(value.dtype, jax.dtypes.prng_key) else jnp.zeros_like(value)


RATE: dict[str, type[Cell]] = {"TanhRNN": Cell, "GRU": GRU, "LSTM": LSTM}
"""The class here of each cell without spikes."""


def prepare(task: Task) -> Prepared:
    """Compile the gradient of a task."""
    choose_precision(task.dtype)
    task.require_way(WAYS)
    spec = task.cell("LIF", *RATE)
    w, batch = task.params[0], task.inputs.shape[1]
    if spec["class"] == "LIF":
        cell: Cell = LIF(spec, w, task.dtype)
    else:
        cell = RATE[spec["class"]](w, task.dtype)
    network = Network(cell, flat(task.params[1]["x"]), task.leak, task.dtype)
    outside = brainstate.ParamState({kind: jnp.asarray(flat(value)) for kind, value in task.params[1].items()})
    xs, ys = jnp.asarray(task.inputs), jnp.asarray(task.targets)
    method = WAYS[task.way]
    windows = task.options["chunk"] if task.way == "d_rtrl_windows" else None
    if windows and len(xs) % windows:
        raise UnsupportedError(f"windows of {windows} steps must fill the sequence of {len(xs)}")
    if method is None:
        brainstate.nn.init_all_states(network, batch_size=batch)
        learner: Any = network
    else:
        options: dict[str, Any] = {
            "d_rtrl_windows": {"vjp_method": "multi-step"},
            "snap2": {"n": 2},
            "pp_prop": {"decay_or_rank": task.options["decay"]},
            "eprop": {"kappa_filter_decay": task.leak},
            "uoro": {"vjp_method": "single-step"},
        }.get(task.way, {})
        vmapped = task.way in VMAPPED
        learner = braintrace.compile(network, method, xs[0], batch_size=batch, vmap=vmapped, **options)
    weights = dict(network.states(brainstate.ParamState))
    if not task.leak:
        weights["outside",] = outside
    states = [state for state in learner.states().values() if not isinstance(state, brainstate.ParamState)]

    def loss(x: Any, y: Any) -> Any:
        output = learner(braintrace.MultiStepData(x) if windows else x)
        logits = output if task.leak else output @ outside.value["x"] + outside.value["b"]
        return jax.vmap(step_loss)(logits, y) if windows else step_loss(logits, y)

    def gradient(xs: Any, ys: Any) -> Any:
        for state in states:  # every call begins at rest
            state.value = jax.tree.map(at_rest, state.value)
        if method is not None:
            options = {"loss_output": "scalar", "return_value": True, "chunk_size": windows}
            return learner.etrace_grad(xs, ys, step_fn=loss, reduction="sum", weights=weights, **options)

        def whole() -> Any:
            return jnp.sum(brainstate.transform.for_loop(loss, xs, ys))

        return brainstate.transform.grad(whole, weights, return_value=True)()

    run: Any = brainstate.transform.jit(gradient)

    def unpack(result: Any) -> tuple[float, Arrays]:
        grads, value = result
        readout = {"x": grads["readout", "weight"]["weight"]} if task.leak else grads["outside",]
        return float(value), [cell.gradients(grads, ("cell",)), {k: np.asarray(g)[:, None] for k, g in readout.items()}]

    return Prepared(lambda: jax.block_until_ready(run(xs, ys)), unpack, lambda: xla_bytes(run.compile(xs, ys)))


if __name__ == "__main__":
    serve(prepare, "braintrace", "brainstate", "jax", "jaxlib", "numpy")
