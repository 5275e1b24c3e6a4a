"""Tell XLA what it does not see by itself: the order of updates, the layout of a slice, the tiles of a carry."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.experimental.layout import Layout, with_layout_constraint

TILES, TILE_BYTES, GPU_TILE_BYTES = 16, 1 << 18, 1 << 26
"""The most tiles that a trace or an influence is stored in, and the least bytes of a tile, on a CPU and on a GPU."""


def on_cpu() -> bool:
    """Tell whether the function that JAX traces will run on a CPU."""
    return jax.default_backend() == "cpu"


def tiles(size: int, nbytes: int) -> list[int]:
    """Cut an axis of `size` entries of `nbytes` each into tiles, and return the entries of each tile.

    XLA writes the result of an update beside its operand. Tiles that are updated one after another need memory for one
    more tile, and not for a second copy of the array.
    """
    least = TILE_BYTES if on_cpu() else GPU_TILE_BYTES
    number = min(TILES, size, max(1, size * nbytes // least))
    return [size // number + (i < size % number) for i in range(number)]


def later_than(tile: Array) -> Array:
    """Return a 0 that XLA cannot compute before the tile.

    A slice whose index contains the 0 waits for the tile; otherwise XLA would update all tiles at once.
    """
    return (tile.flatten()[0] > jnp.inf).astype(jnp.int32)


def keep_layout(inputs: Array) -> Array:
    """Give a slice of a sequence's inputs the layout of the sequence.

    Otherwise XLA, on a GPU, transposes the inputs of the sequence and stores the copy beside them.
    """
    if on_cpu():
        return inputs
    return with_layout_constraint(inputs, Layout(tuple(range(inputs.ndim))))
