"""Hold what the adapters of JAX libraries share: the loss of a step, the surrogate spike, the memory of a function."""

# pyright: reportMissingImports=false
from typing import Any

import jax
import jax.numpy as jnp


def choose_precision(dtype: str) -> None:
    """Let JAX have float64 where a task asks for it; before any array is made.

    Not always, as some libraries make float64 of float32 arrays where they may.
    """
    jax.config.update("jax_enable_x64", dtype == "float64")


def spike_function(alpha: float, width: float) -> Any:
    """Return sigma(v) = 1 if v >= 0 else 0, with the derivative alpha max(width - |v|, 0)."""

    @jax.custom_jvp
    def spike(v: Any) -> Any:
        return (v >= 0).astype(v.dtype)

    @spike.defjvp
    def derivative(primals: Any, tangents: Any) -> Any:
        (v,), (dv,) = primals, tangents
        return spike(v), alpha * jnp.maximum(width - jnp.abs(v), 0) * dv

    return spike


def step_loss(logits: Any, targets: Any) -> Any:
    """Return the mean cross-entropy of a step in nats: [B, C], [B] -> []."""
    log_p = jax.nn.log_softmax(logits)
    return -jnp.mean(jnp.take_along_axis(log_p, targets[:, None], axis=-1))


def xla_bytes(compiled: Any) -> dict[str, Any]:
    """Return the static memory of a compiled function; working memory is all but the arguments."""
    analysis = compiled.memory_analysis()
    output = analysis.output_size_in_bytes - analysis.alias_size_in_bytes
    return {"meter": "xla_temp_bytes + xla_output_bytes", "working_bytes": analysis.temp_size_in_bytes + output}
