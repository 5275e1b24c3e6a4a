"""Run braintrace 0.2.8, the reference library of D-RTRL.

Ways: d_rtrl (its own batching), d_rtrl_vmap (`vmap=True`), d_rtrl_windows (`vjp_method="multi-step"`, windows of K
steps, which must fill the sequence), ostl_recurrent, which is SnAp-1, snap2 (`n=2`), pp_prop, eprop, uoro, and bptt,
which is `brainstate.transform.grad` over its scan. The cells are those of `braintrace_cells.py`.

A linear readout stays outside the learner: it is differentiated exactly. A leaky one is a second layer inside it.

Not matched: paths between the states of a neuron within a step, as from c to h in the LSTM or from g to V with a
current synapse, count twice in d_rtrl, ostl_recurrent and pp_prop, not in windows.

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
from braintrace_cells import LIF, RATE, Cell, Network, flat
from in_jax import choose_precision, step_loss, xla_bytes
from task import Arrays, Prepared, Task, UnsupportedError, serve


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


def at_rest(value: Any) -> Any:
    """Return zeros like an array, and a key for random numbers as it is."""
    return value if jnp.issubdtype(value.dtype, jax.dtypes.prng_key) else jnp.zeros_like(value)


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
