"""Compute with the weights of a convolution in JAX: synapses that share the numbers of a kernel.

    effective    W_ji = kernel[n_ji]                          n_ji: the kernel's number that synapse j -> i reads
    to_stored    dL/dkernel[n] = sum_{ji: n_ji = n} dL/dW_ji

All else is that of synapses: a neuron of an output map reads a window of the input maps. It reads a number from one
presynaptic neuron at most, so that D-RTRL's trace ds_i/dkernel[n] is that of a synapse: a kernel of few numbers has a
trace for every synapse and state all the same. ES-D-RTRL carries nothing for a synapse.
Kernel, maps and padding: `pattern.windows`. The twin is `convolution_torch.py`. Symbols: `implementations/README.md`.
"""

from dataclasses import dataclass
from functools import partial
from math import prod

import jax
import jax.numpy as jnp
from jax import Array

from drtrl_bench.implementations.sparse.pattern import windows
from drtrl_bench.implementations.sparse.synapses_jax import Synapses, synapses


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["first", "rows", "pre", "post", "index"],
    meta_fields=["N", "whole", "shape"],
)
@dataclass(frozen=True)
class Convolution(Synapses):
    """Hold the synapses of a convolution, and which number of the kernel each reads."""

    index: Array
    """n of each slot [R, width]; after the last number where there is no synapse."""
    shape: tuple[int, ...]
    """Of the kernel: [C_out, C_in, rows, columns]."""

    def effective(self, w: Array) -> Array:
        """Return the weight of each slot [R, width] from the kernel."""
        return jnp.pad(w.ravel(), (0, 1))[self.index]

    def to_stored(self, gradient: Array) -> Array:
        """Return the gradient of the kernel from that of each slot [R, width]."""
        sums = jax.ops.segment_sum(gradient.ravel(), self.index.ravel(), prod(self.shape) + 1)
        return sums[:-1].reshape(self.shape)


def convolution(
    kernel: tuple[int, int, int, int],
    height: int,
    width: int,
    stride: int = 1,
    padding: int = 0,
    whole: bool | None = None,
) -> Convolution:
    """Return the synapses of a convolution: see `pattern.windows`. The weight that is trained is the kernel itself."""
    pattern, index = windows(kernel, height, width, stride, padding, whole)
    return Convolution(**vars(synapses(pattern)), index=jnp.asarray(index), shape=tuple(kernel))
