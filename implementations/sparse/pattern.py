"""Store which synapses exist: those of a presynaptic neuron lie together, in rows of a fixed width.

This is CSR whose rows are cut and padded to `width` slots, so that a spike reads whole rows, and both frameworks handle
rows where they would handle single synapses. A slot without a synapse names the neuron N, which does not exist: a
postsynaptic factor is 0 there, and so are the weight, the gradient and the eligibility trace of the slot.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

WIDTHS = (1, 2, 4, 8, 16)
ROW = 4
"""What it costs to find a row, in slots."""
WHOLE = 65_536
"""Synapses up to which a product reads all of them: to look for those of the neurons that spiked would take
about as long, as estimated from the times of single products."""


@dataclass(frozen=True, eq=False)
class Pattern:
    """Hold the synapses from J presynaptic to N postsynaptic neurons, sorted by pre, then post."""

    J: int
    N: int
    first: NDArray[np.int64]
    """The first row of each presynaptic neuron, and the number of rows R: [J + 1]."""
    post: NDArray[np.int32]
    """The postsynaptic neuron of each slot, N where there is no synapse: [R, width]."""
    whole: bool = False
    """Whether a product reads every synapse; else it reads the rows of the neurons that emit something."""

    @property
    def rows(self) -> int:
        """Return the number of rows R."""
        return len(self.post)

    @property
    def pre(self) -> NDArray[np.int32]:
        """Return the presynaptic neuron of each row: [R]."""
        return np.repeat(np.arange(self.J, dtype=np.int32), np.diff(self.first))

    @property
    def exists(self) -> NDArray[np.bool_]:
        """Tell which slots hold a synapse: [R, width]."""
        return self.post < self.N

    def synapses(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the pre- and the postsynaptic neuron of each of the E synapses, in the pattern's order: [E], [E]."""
        exists = self.exists
        return np.repeat(self.pre, exists.sum(1)), self.post[exists]

    def incoming(self, width: int | None = None) -> tuple["Pattern", NDArray[np.int32]]:
        """Return the synapses by postsynaptic neuron, and where each slot of that pattern is in this one [R width].

        A slot without a synapse is in R width, which does not exist.
        """
        pre, post = self.synapses()
        pattern = pattern_of(post, pre, self.N, self.J, width, whole=False)
        slots = np.full(pattern.post.shape, self.post.size, np.int32)
        slots[pattern.exists] = np.flatnonzero(self.exists)[np.lexsort((pre, post))]
        return pattern, slots

    def pack(self, values: ArrayLike) -> NDArray[Any]:
        """Put one value of each synapse [E], in the pattern's order, into the slots: [R, width], 0 elsewhere."""
        values = np.asarray(values)
        packed = np.zeros(self.post.shape, values.dtype)
        packed[self.exists] = values
        return packed

    def take(self, dense: ArrayLike) -> NDArray[Any]:
        """Take the weights of the synapses out of a dense weight [J, 1, N]: [R, width]."""
        pre, post = self.synapses()
        return self.pack(np.asarray(dense)[pre, 0, post])

    def unpack(self, packed: ArrayLike) -> NDArray[Any]:
        """Take the value of each synapse [E] out of the slots [R, width]."""
        return np.asarray(packed)[self.exists]

    def dense(self, packed: ArrayLike) -> NDArray[Any]:
        """Return the dense weight [J, 1, N] of slots [R, width], 0 where no synapse is."""
        values = self.unpack(packed)
        weight = np.zeros((self.J, 1, self.N), values.dtype)
        pre, post = self.synapses()
        weight[pre, 0, post] = values
        return weight


def pattern_of(
    pre: ArrayLike, post: ArrayLike, J: int, N: int, width: int | None = None, whole: bool | None = None
) -> Pattern:
    """Build the pattern of synapses pre[e] -> post[e], in any order.

    width, whole: by default what costs least; rows of which all are read need no padding, and have one slot.

    Raises ValueError if a neuron does not exist, or a synapse exists twice.
    """
    pre, post = np.asarray(pre, np.int64), np.asarray(post, np.int64)
    for name, neurons, size in (("pre", pre, J), ("post", post, N)):
        if len(neurons) and not 0 <= neurons.min() <= neurons.max() < size:
            raise ValueError(f"{name} has neurons {neurons.min()} to {neurons.max()} of {size}: count them from 0 on")
    key = np.sort(pre * N + post)
    if (key[1:] == key[:-1]).any():
        raise ValueError("a synapse exists twice: add the weights of equal pairs before the pattern is built")
    pre, post = np.divmod(key, N)
    degree = np.bincount(pre, minlength=J)
    if whole is None:
        whole = len(pre) <= WHOLE
    if width is None and whole:
        width = 1
    elif width is None:
        width = min(WIDTHS, key=lambda w: int((-(-degree // w)).sum()) * (w + ROW))
    first = np.concatenate([[0], np.cumsum(-(-degree // width))]).astype(np.int64)
    rank = np.arange(len(pre)) - np.repeat(np.cumsum(degree) - degree, degree)
    slots = np.full(int(first[-1]) * width, N, np.int32)
    slots[first[pre] * width + rank] = post
    return Pattern(J, N, first, slots.reshape(-1, width), whole)


def windows(
    kernel: tuple[int, int, int, int],
    height: int,
    width: int,
    stride: int = 1,
    padding: int = 0,
    whole: bool | None = None,
) -> tuple[Pattern, NDArray[np.int32]]:
    """Build the pattern of a convolution of maps height x width, and the kernel's number that each slot reads.

    kernel: its shape [C_out, C_in, rows, columns], the order of torch.nn.functional.conv2d and, as OIHW, of
    jax.lax.conv_general_dilated; the numbers are counted in it. Neurons are counted as maps [C, height, width] are
    flattened. padding: rows and columns of zeros around a map; they have no neurons, and no synapses. A slot without a
    synapse reads the number after the last, which does not exist.

    Raises ValueError for a kernel that is larger than the padded map.
    """
    C_out, C_in, *size = kernel
    rows, columns = ((m + 2 * padding - k) // stride + 1 for m, k in zip((height, width), size, strict=True))
    if min(rows, columns) < 1:
        raise ValueError(
            f"a kernel of {size[0]} x {size[1]} is larger than a map of {height} x {width} with {padding} zeros on "
            "each side: take more padding, or a smaller kernel"
        )
    o, c, u, v, y, x = np.indices((C_out, C_in, *size, rows, columns), sparse=True)
    row, column = y * stride + u - padding, x * stride + v - padding
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    pre, post = (c * height + row) * width + column, (o * rows + y) * columns + x
    number = ((o * C_in + c) * size[0] + u) * size[1] + v
    *synapses, inside = np.broadcast_arrays(pre, post, number, inside)
    pre, post, number = (each[inside] for each in synapses)
    pattern = pattern_of(pre, post, C_in * height * width, C_out * rows * columns, whole=whole)
    index = np.full(pattern.post.shape, np.prod(kernel), np.int32)
    index[pattern.exists] = number[np.lexsort((post, pre))]
    return pattern, index
