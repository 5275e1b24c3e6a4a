"""Compute with the weights of a convolution in PyTorch: synapses that share the numbers of a kernel.

    effective    W_ji = kernel[n_ji]                          n_ji: the kernel's number that synapse j -> i reads
    to_stored    dL/dkernel[n] = sum_{ji: n_ji = n} dL/dW_ji

All else is that of synapses: a neuron of an output map reads a window of the input maps. It reads a number from one
presynaptic neuron at most, so that D-RTRL's trace ds_i/dkernel[n] is that of a synapse: a kernel of few numbers has a
trace for every synapse and state all the same. ES-D-RTRL carries nothing for a synapse.
Kernel, maps and padding: `pattern.windows`. The twin is `convolution_jax.py`. Symbols: `implementations/README.md`.
"""

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor
from torch.nn import functional

from drtrl_bench.implementations.sparse.pattern import windows
from drtrl_bench.implementations.sparse.synapses_torch import Synapses, synapses


@dataclass(frozen=True, eq=False)
class Convolution(Synapses):
    """Hold the synapses of a convolution, and which number of the kernel each reads."""

    index: Tensor
    """n of each slot [R, width]; after the last number where there is no synapse."""
    shape: tuple[int, ...]
    """Of the kernel: [C_out, C_in, rows, columns]."""

    def effective(self, w: Tensor) -> Tensor:
        """Return the weight of each slot [R, width] from the kernel."""
        return functional.pad(w.flatten(), (0, 1)).index_select(0, self.index.flatten()).view(self.index.shape)

    def to_stored(self, gradient: Tensor) -> Tensor:
        """Return the gradient of the kernel from that of each slot [R, width]."""
        sums = gradient.new_zeros(prod(self.shape) + 1).index_add_(0, self.index.flatten(), gradient.flatten())
        return sums[:-1].view(self.shape)


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
    return Convolution(**vars(synapses(pattern)), index=torch.from_numpy(index), shape=tuple(kernel))
