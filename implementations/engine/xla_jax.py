"""Tells XLA what it does not see by itself: the order of updates, the layout of a slice, how finely to cut a carry."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.experimental.layout import Layout, with_layout_constraint

TILES, TILE_BYTES, GPU_TILE_BYTES = 16, 1 << 18, 1 << 26
"""A carry as large as the weights is stored in at most so many tiles, none smaller than that."""


def on_cpu() -> bool:
    """Return whether the function in tracing will run on a CPU."""
    return jax.default_backend() == "cpu"


def tiles(size: int, nbytes: int) -> list[int]:
    """Cuts an axis of `size` entries of `nbytes` each into tiles; returns their sizes.

    XLA writes the result of an update beside its operand. Updated one after another, tiles need room for one more tile
    and not for a second copy of the whole.
    """
    least = TILE_BYTES if on_cpu() else GPU_TILE_BYTES
    number = min(TILES, size, max(1, size * nbytes // least))
    return [size // number + (i < size % number) for i in range(number)]


def later_than(tile: Array) -> Array:
    """Return 0 once the tile is computed.

    Added to the index of a slice, the 0 makes what follows wait: XLA would otherwise update all tiles at once.
    """
    return (tile.flatten()[0] > jnp.inf).astype(jnp.int32)


def keep_layout(part: Array) -> Array:
    """Give a slice of the inputs the layout of the whole.

    Otherwise XLA, on a GPU, transposes the whole and stores the copy beside it.
    """
    if on_cpu():
        return part
    return with_layout_constraint(part, Layout(tuple(range(part.ndim))))
