"""Compute a layer's forward pass over a block of steps in one Triton kernel: no launch a step, no product with zeros.

    y^t = u^t + sum of the rows of W_r of the neurons that spiked        u: the external currents, one GEMM before
    s^t = dynamics(s^{t-1}, y^t)

A program computes one sample and keeps the states of all its neurons in registers. Few neurons spike in a step, so the
program makes a list of those that do and adds their rows of W_r, ROWS at a time. The kernel computes what `layer` in
`network_torch.py` does, in another order of summation, for the layers that `fits` accepts; `layer` there computes the
others. TRITON_INTERPRET=1 runs the kernel on a CPU, for tests.
"""

# pyright: reportArgumentType=false, reportGeneralTypeIssues=false

import math
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from drtrl_bench.implementations.cells import cells_torch
from drtrl_bench.implementations.cells import spec as cells
from drtrl_bench.implementations.engine.network_torch import PerWeight, external_currents
from drtrl_bench.implementations.engine.network_torch import layer as plain_layer

ROWS, NEURONS = 16, 128
"""Rows of W_r that are added at once, while as many are being loaded; neurons of a warp."""


@triton.jit
def steps(
    currents,
    states,
    w,
    lists,
    B,
    K: tl.constexpr,
    N: tl.constexpr,
    S: tl.constexpr,
    A: tl.constexpr,
    SYNAPSE: tl.constexpr,
    SPIKES: tl.constexpr,
    RECURRENT: tl.constexpr,
    HARD: tl.constexpr,
    keep: tl.constexpr,
    keep_a: tl.constexpr,
    jump: tl.constexpr,
    keep_g: tl.constexpr,
    gain: tl.constexpr,
    threshold: tl.constexpr,
    WIDTH: tl.constexpr,
    ROWS: tl.constexpr,
):
    """Run all steps of one sample.

    Row-major: currents [K, B, 1, N], updated in place from the external ones; states [K + 1, B, S, N], of which the
    first are given and the others written; w [N, 1, N]; lists [B, 2, 2, WIDTH], the numbers of the neurons that spiked
    and how many did, for two steps in turn, so that one barrier is enough. V is the first state; A and SYNAPSE are the
    indices of the states a and g, 0 where there is none. WIDTH is N, rounded up to a power of two.
    """
    b = tl.program_id(0)
    n = tl.arange(0, WIDTH)
    row = tl.arange(0, ROWS)
    inside = n < N
    currents += b * N + n
    states += b * S * N + n
    lists += b * 4 * WIDTH
    V = tl.load(states, inside, 0.0)
    a = tl.load(states + A * N, inside, 0.0)
    g = tl.load(states + SYNAPSE * N, inside, 0.0)
    for t in range(K):
        states += B * S * N
        y = tl.load(currents, inside, 0.0)
        drop = tl.zeros((WIDTH,), dtype=y.dtype)
        if SPIKES:
            spikes = inside & ((V - a - 1 if A else V - 1) >= 0)
            flags = spikes.to(tl.int32)
            drop = flags.to(y.dtype)
            if RECURRENT:
                upto = tl.cumsum(flags, 0)
                now = lists + (t % 2) * 2 * WIDTH
                tl.store(now + upto - flags, n, spikes)
                tl.store(now + WIDTH + n * 0, upto, n == WIDTH - 1)  # how many; a sum would cost two more barriers
                tl.debug_barrier()
                count = tl.load(now + WIDTH)
                first = tl.full([], 0, tl.int32)  # Triton 3.6 does not carry a Python 0 around a loop in a loop
                j = tl.load(now + row, row < count, 0)
                some = tl.load(w + j[:, None] * N + n[None, :], (row < count)[:, None] & inside[None, :], 0.0)
                j = tl.load(now + ROWS + row, ROWS + row < count, 0)
                while first < count:
                    more = first + ROWS + row < count
                    after = tl.load(w + j[:, None] * N + n[None, :], more[:, None] & inside[None, :], 0.0)
                    j = tl.load(now + first + 2 * ROWS + row, first + 2 * ROWS + row < count, 0)
                    y += tl.sum(some, 0)
                    some = after
                    first += ROWS
                tl.store(currents, y, inside)
        currents += B * N
        if SYNAPSE:
            g = keep_g * g + y
            tl.store(states + SYNAPSE * N, g, inside)
            y = gain * g
        if A:
            a = keep_a * (a + jump * drop)
            tl.store(states + A * N, a, inside)
        V = keep * (V - (V * drop if HARD else drop)) + y / threshold
        tl.store(states, V, inside)


def fits(cell: Any) -> bool:
    """Tell whether the kernel computes this layer: leaky integrate-and-fire without plasticity, or a readout."""
    if type(cell) is cells_torch.LIF:
        return set(cell.states) <= {"V", "a", "g"} and not cell.trainable and not cell.smooth
    return type(cell) in (cells_torch.LeakyReadout, cells_torch.LinearReadout) and not cell.trainable


def constants(cell: Any) -> dict[str, Any]:
    """Return the kernel's compile-time arguments of a layer: the indices of its states, and its constants."""
    if not isinstance(cell, cells.LIF):
        keep = math.exp(-1 / cell.tau) if isinstance(cell, cells.LeakyReadout) else 0.0
        kinds = {"A": 0, "SYNAPSE": 0, "SPIKES": False, "HARD": False}
        return kinds | {"keep": keep, "keep_a": 0.0, "jump": 0.0, "keep_g": 0.0, "gain": 0.0, "threshold": 1.0}
    index = {name: i for i, name in enumerate(cell.states)}
    keep = math.exp(-1 / cell.tau)
    return {
        "A": index.get("a", 0),
        "SYNAPSE": index.get("g", 0),
        "SPIKES": True,
        "HARD": cell.reset != "soft",  # multiply differs from hard by its gradient alone
        "keep": keep,
        "keep_a": math.exp(-1 / cell.tau_a),
        "jump": cell.beta / cell.threshold,
        "keep_g": math.exp(-1 / cell.tau_syn),
        "gain": 1 - keep,
        "threshold": cell.threshold,
    }


def layer(cell: Any, w: PerWeight, s: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Run one layer from state s over x [K, B, I]: its states [K + 1, B, S, N], s first, and currents [K, B, G, N]."""
    if not fits(cell):
        return plain_layer(cell, w, s, x)
    currents = external_currents(cell, w, x)
    K, B, _, N = currents.shape
    width = triton.next_power_of_2(N)
    states = s.new_empty(K + 1, *s.shape)
    states[0] = s
    lists = torch.empty(B, 2, 2, width, dtype=torch.int32, device=s.device)
    recurrent = w.get("r", w["x"])  # without recurrence the kernel does not read it
    sizes = {"K": K, "N": N, "S": cell.S, "RECURRENT": "r" in w, "WIDTH": width, "ROWS": ROWS}
    sizes["num_warps"] = min(16, max(1, width // NEURONS))
    steps[(B,)](currents, states, recurrent.contiguous(), lists, B, **sizes, **constants(cell))
    return states, currents
