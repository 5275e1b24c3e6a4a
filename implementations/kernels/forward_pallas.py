"""Compute a layer's forward pass over a block of steps in one Pallas kernel: the twin of `forward_triton.py`.

    y^t = u^t + sum of the rows of W_r of the neurons that spiked        u: the external currents, one GEMM before
    s^t = dynamics(s^{t-1}, y^t)

A program owns a sample and keeps the states of all its neurons in registers. Few neurons spike in a step, so it makes a
list of those that do and adds their rows of W_r, ROWS at a time. It computes what `layer` in
`network_jax.py` does, in another order of summation, for the layers of `fits`; others are left to that version.
With `interpret`, it runs on a CPU, for tests.
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
"""Rows of W_r that are asked for at once, and warps of a program."""


def fits(cell: Any) -> bool:
    """Tells whether the kernel knows the layer: leaky integrate-and-fire without plasticity, or a readout."""
    if type(cell) is cells_jax.LIF:
        return set(cell.states) <= {"V", "a", "g"} and not cell.trainable and not cell.smooth
    return type(cell) in (cells_jax.LeakyReadout, cells_jax.LinearReadout) and not cell.trainable


def step(cell: Any, s: tuple[Array, ...], y: Array, spikes: Array) -> tuple[Array, ...]:
    """Compute the states after a step from the states before, the currents and who spiked."""
    if not isinstance(cell, cells.LIF):
        keep = math.exp(-1 / cell.tau) if isinstance(cell, cells.LeakyReadout) else 0.0
        return (keep * s[0] + y,)
    now, keep = dict(zip(cell.states, s, strict=True)), math.exp(-1 / cell.tau)
    if "g" in now:
        now["g"] = math.exp(-1 / cell.tau_syn) * now["g"] + y
        y = (1 - keep) * now["g"]
    if "a" in now:
        now["a"] = math.exp(-1 / cell.tau_a) * (now["a"] + cell.beta / cell.threshold * spikes)
    drop = spikes if cell.reset == "soft" else now["V"] * spikes
    now["V"] = keep * (now["V"] - drop) + y / cell.threshold
    return tuple(now[name] for name in cell.states)


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

    lists [B, 2, 2, width] holds who spiked and how many, for two steps in turn, so that one barrier a step is enough.
    """
    b, zero, one = pl.program_id(0), jnp.int32(0), jnp.int32(1)
    width = lists.shape[-1]
    n = jnp.arange(width, dtype=jnp.int32)
    inside = n < N

    def load(ref: Any) -> Array:
        return plgpu.load(ref, mask=inside, other=0)

    def rows(now: Array, count: Array, y: Array) -> Array:
        """Add to y the rows of w of the `count` neurons in a list; which come next is loaded ahead."""
        row = jnp.arange(ROWS, dtype=jnp.int32)

        def listed(first: Array) -> Array:
            return plgpu.load(lists.at[b, now, zero, first + row], mask=first + row < count, other=0)

        def added(first: Array, j: Array) -> Array:
            there = (first + row < count)[:, None] & inside[None, :]
            return plgpu.load(w.at[j[:, None], n[None, :]], mask=there, other=0)

        def some(carry: tuple[Array, ...]) -> tuple[Array, ...]:
            first, j, some, total = carry
            after, j = added(first + ROWS, j), listed(first + 2 * ROWS)
            return first + ROWS, j, after, total + some.sum(axis=0)

        start = (zero, listed(zero + ROWS), added(zero, listed(zero)), y)
        return lax.while_loop(lambda carry: carry[0] < count, some, start)[3]

    def advance(t: Array, s: tuple[Array, ...]) -> tuple[Array, ...]:
        y = load(u.at[t, b, n])
        spikes = jnp.zeros_like(y)
        if isinstance(cell, cells.LIF):
            now = dict(zip(cell.states, s, strict=True))
            fired = inside & (now["V"] - now.get("a", 0) - 1 >= 0)
            spikes = fired.astype(y.dtype)
            if recurrent:
                flags = fired.astype(jnp.int32)
                upto = jnp.cumsum(flags)
                now = t % 2
                plgpu.store(lists.at[b, now, zero, upto - flags], n, mask=fired)
                plgpu.store(lists.at[b, now, one, 0 * n], upto, mask=n == width - 1)
                if barrier:
                    plgpu.debug_barrier()
                y = rows(now, plgpu.load(lists.at[b, now, one, zero]), y)
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
    W_r = u[0, :, 0] if recurrent is None else recurrent[:, 0]  # not looked at without recurrence
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
