"""Compute a layer's forward pass over a block of steps in one Pallas kernel: the twin of `forward_triton.py`.

    y^t = u^t + sum of the rows of W_r of the neurons that spiked        u: the external currents, one GEMM before
    s^t = dynamics(s^{t-1}, y^t)

A program computes one sample and keeps the states of all its neurons in registers. Few neurons spike in a step, so the
program makes a list of those that do and adds their rows of W_r, ROWS at a time. The kernel computes what `layer` in
`network_jax.py` does, in another order of summation, for the layers that `fits` accepts; `layer` there computes the
others. With `interpret` the kernel runs on a CPU, for tests.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plgpu

from drtrl_bench.implementations.cells import cells_jax
from drtrl_bench.implementations.cells import spec as cells
from drtrl_bench.implementations.engine.network_jax import PerWeight, external_currents
from drtrl_bench.implementations.engine.network_jax import layer as plain_layer

ROWS, WARPS = 16, 4
"""Rows of W_r that are loaded at once, and warps of a program."""


def fits(cell: Any) -> bool:
    """Tell whether the kernel computes this layer: leaky integrate-and-fire without plasticity, or a readout."""
    if type(cell) is cells_jax.LIF:
        return set(cell.states) <= {"V", "a", "g"} and not cell.trainable and not cell.smooth
    return type(cell) in (cells_jax.LeakyReadout, cells_jax.LinearReadout) and not cell.trainable


def step(cell: Any, s: tuple[Array, ...], y: Array, spikes: Array) -> tuple[Array, ...]:
    """Compute the states after a step from those before, the currents, and 1 where a neuron spiked, each [width]."""
    if not isinstance(cell, cells.LIF):
        keep = math.exp(-1 / cell.tau) if isinstance(cell, cells.LeakyReadout) else 0.0
        return (keep * s[0] + y,)
    named, keep = dict(zip(cell.states, s, strict=True)), math.exp(-1 / cell.tau)
    if "g" in named:
        named["g"] = math.exp(-1 / cell.tau_syn) * named["g"] + y
        y = (1 - keep) * named["g"]
    if "a" in named:
        named["a"] = math.exp(-1 / cell.tau_a) * (named["a"] + cell.beta / cell.threshold * spikes)
    drop = spikes if cell.reset == "soft" else named["V"] * spikes
    named["V"] = keep * (named["V"] - drop) + y / cell.threshold
    return tuple(named[name] for name in cell.states)


def steps(
    cell: Any,
    K: int,
    N: int,
    recurrent: bool,
    barrier: bool,
    u: Any,
    s0: Any,
    w: Any,
    states: Any,
    currents: Any,
    lists: Any,
):
    """Run all steps of one sample: u [K, B, N], s0 [B, S, N], w [N, N] -> states [K, B, S, N], currents [K, B, N].

    lists [B, 2, 2, width] has the numbers of the neurons that spiked, and how many did, for two steps in turn, so that
    one barrier a step is enough.
    """
    b, zero, one = pl.program_id(0), jnp.int32(0), jnp.int32(1)
    width = lists.shape[-1]
    n = jnp.arange(width, dtype=jnp.int32)
    inside = n < N

    def load(ref: Any) -> Array:
        return plgpu.load(ref, mask=inside, other=0)

    def add_rows(turn: Array, count: Array, y: Array) -> Array:
        """Add to y the rows of w of the `count` neurons of list `turn`, loading the next rows while these are added."""
        row = jnp.arange(ROWS, dtype=jnp.int32)

        def neurons(first: Array) -> Array:
            return plgpu.load(lists.at[b, turn, zero, first + row], mask=first + row < count, other=0)

        def load_rows(first: Array, j: Array) -> Array:
            in_list = (first + row < count)[:, None] & inside[None, :]
            return plgpu.load(w.at[j[:, None], n[None, :]], mask=in_list, other=0)

        def add_loaded(carry: tuple[Array, ...]) -> tuple[Array, ...]:
            first, j, rows, total = carry
            next_rows, j = load_rows(first + ROWS, j), neurons(first + 2 * ROWS)
            return first + ROWS, j, next_rows, total + rows.sum(axis=0)

        start = (zero, neurons(zero + ROWS), load_rows(zero, neurons(zero)), y)
        return lax.while_loop(lambda carry: carry[0] < count, add_loaded, start)[3]

    def advance(t: Array, s: tuple[Array, ...]) -> tuple[Array, ...]:
        y = load(u.at[t, b, n])
        spikes = jnp.zeros_like(y)
        if isinstance(cell, cells.LIF):
            named = dict(zip(cell.states, s, strict=True))
            spiked = inside & (named["V"] - named.get("a", 0) - 1 >= 0)
            spikes = spiked.astype(y.dtype)
            if recurrent:
                flags = spiked.astype(jnp.int32)
                upto = jnp.cumsum(flags)
                turn = t % 2
                plgpu.store(lists.at[b, turn, zero, upto - flags], n, mask=spiked)
                plgpu.store(lists.at[b, turn, one, 0 * n], upto, mask=n == width - 1)
                if barrier:
                    plgpu.debug_barrier()
                y = add_rows(turn, plgpu.load(lists.at[b, turn, one, zero]), y)
        plgpu.store(currents.at[t, b, n], y, mask=inside)
        s = step(cell, s, y, spikes)
        for i, new in enumerate(s):
            plgpu.store(states.at[t, b, jnp.int32(i), n], new, mask=inside)
        return s

    lax.fori_loop(zero, jnp.int32(K), advance, tuple(load(s0.at[b, jnp.int32(i), n]) for i in range(cell.S)))


def layer(cell: Any, w: PerWeight, s: Array, x: Array, unroll: int = 1, interpret: bool = False) -> tuple[Array, Array]:
    """Run one layer from state s over inputs x [K, B, I]: its states [K, B, S, N] and input currents [K, B, G, N]."""
    if not fits(cell):
        return plain_layer(cell, w, s, x, unroll)
    u, recurrent = external_currents(cell, w, x), w.get("r")
    K, B, _, N = u.shape
    width = pl.next_power_of_2(N)
    W_r = u[0, :, 0] if recurrent is None else recurrent[:, 0]  # without recurrence the kernel does not read it
    shapes = ((K, B, cell.S, N), u.dtype), ((K, B, N), u.dtype), ((B, 2, 2, width), jnp.int32)
    call = pl.pallas_call(
        lambda *refs: steps(cell, K, N, recurrent is not None, not interpret, *refs),
        grid=(B,),
        out_shape=[jax.ShapeDtypeStruct(*shape) for shape in shapes],
        compiler_params=plgpu.CompilerParams(num_warps=min(WARPS, max(1, width // 32))),
        interpret=interpret,
        name="steps",
    )
    states, currents, _ = call(u[:, :, 0], s, W_r)
    return states, currents[:, :, None]
