"""Run spyx 1.0: BPTT of its recurrent layer `RLIF` by `nnx.grad` over its `run`.

Way: bptt.

Not matched: the layer returns the spikes of the potential before the step, one step late, so that the readout sees
every spike a step later; and its reset subtracts the whole threshold after the decay: V' = beta V - s + I, where the
LIF neuron here has V' = a (V - s) + I. It has no hard reset. A potential exactly at the threshold spikes here and not
with its `heaviside`; the triangular surrogate and a step at 0 are handed to it by its `axn.custom`.
"""

# pyright: reportMissingImports=false
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import spyx
from flax import nnx
from in_jax import choose_precision, step_loss, xla_bytes
from task import Arrays, Prepared, Task, lif_decay, serve


class Network(nnx.Module):
    """Input weights, the recurrent layer, and a readout that keeps `leak` of its state from step to step."""

    def __init__(self, task: Task) -> None:
        cell = task.cell("LIF")
        decay, (hidden, readout) = lif_decay(cell, resets=("soft",)), task.params
        self.leak = task.leak
        alpha, width = cell["alpha"], cell["width"]

        def psi(v: Any) -> Any:
            return alpha * jnp.maximum(width - jnp.abs(v), 0)

        spike = spyx.axn.custom(psi, lambda v: (v >= 0).astype(v.dtype))
        self.x, self.b = nnx.Param(jnp.asarray(hidden["x"][:, 0])), nnx.Param(jnp.asarray(hidden["b"][0, 0]))
        self.neurons = spyx.nn.RLIF(hidden["r"].shape[-1:], decay, activation=spike, rngs=nnx.Rngs(0))
        self.neurons.recurrent_w = nnx.Param(jnp.asarray(hidden["r"][:, 0]))
        self.neurons.beta = nnx.Param(jnp.asarray(decay, task.dtype))
        self.readout = nnx.Dict({k: nnx.Param(jnp.asarray(v[:, 0])) for k, v in readout.items()})

    def __call__(self, xs: Any) -> Any:
        currents = xs @ self.x[...] + self.b[...]
        spikes, _ = spyx.nn.run(self.neurons, currents, state=jnp.zeros_like(currents[0]))
        logits = spikes @ self.readout["x"][...] + (self.readout["b"][...] if "b" in self.readout else 0)
        if not self.leak:
            return logits

        def integrate(rho: Any, current: Any) -> Any:
            rho = self.leak * rho + current
            return rho, rho

        return jax.lax.scan(integrate, jnp.zeros_like(logits[0]), logits)[1]


def prepare(task: Task) -> Prepared:
    """Compile the gradient of a task."""
    choose_precision(task.dtype)
    task.require_way(("bptt",))
    definition, weights, rest = nnx.split(Network(task), nnx.Param, ...)
    xs, ys = jnp.asarray(task.inputs), jnp.asarray(task.targets)

    def loss(weights: Any, xs: Any, ys: Any) -> Any:
        return jax.vmap(step_loss)(nnx.merge(definition, weights, rest)(xs), ys).sum()

    compiled = jax.jit(jax.value_and_grad(loss)).lower(weights, xs, ys).compile()

    def unpack(result: Any) -> tuple[float, Arrays]:
        value, grads = result
        pure = nnx.to_pure_dict(grads)
        hidden = {"x": pure["x"][:, None], "r": pure["neurons"]["recurrent_w"][:, None], "b": pure["b"][None, None]}
        readout = {kind: np.asarray(g)[:, None] for kind, g in pure["readout"].items()}
        return float(value), [{kind: np.asarray(g) for kind, g in hidden.items()}, readout]

    return Prepared(lambda: jax.block_until_ready(compiled(weights, xs, ys)), unpack, lambda: xla_bytes(compiled))


if __name__ == "__main__":
    serve(prepare, "spyx", "flax", "jax", "jaxlib", "numpy")
