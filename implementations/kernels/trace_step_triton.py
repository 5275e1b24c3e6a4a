"""D-RTRL's pass over the trace, as one Triton kernel: read out, decay and, at K = 1, accumulate.

    owed[j, g, n] = sum_{b,s} c[b, s, n] e[b, j, s, g, n]             by the trace as it was
    e[b, j, s, g, n] <- sum_{s'} P0[b, s, s', n] e[b, j, s', g, n] + z[b, j] p[b, s, g, n]

The plain version is `turn` in `drtrl_torch.py`, which reads the trace three times and writes it twice; this reads and
writes it once. Of a chunk of more than one step, one batched product adds what the steps brought.
A program owns a block of neurons of one presynaptic line and one drive, and walks through the samples, a few at a time.
XLA fuses the same step of `drtrl_jax.py` into one loop by itself.
TRITON_INTERPRET=1 runs it on a CPU, for tests.
"""

# pyright: reportArgumentType=false, reportGeneralTypeIssues=false

from collections.abc import Callable

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK, SAMPLES = 128, 8


@triton.jit
def step(
    e,
    c,
    P0,
    z,
    p,
    owed,
    J,
    G,
    N,
    B: tl.constexpr,
    S: tl.constexpr,
    ROWS: tl.constexpr,
    DECAY: tl.constexpr,
    ADD: tl.constexpr,
    SAMPLES: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One line j, one drive g, BLOCK neurons. Row-major: e [B, J, S, G, N], c [B, S, N], P0 [B, S, S, N], z [B, J],
    p [B, S, G, N], owed [J, G, N]. ROWS is S, made up to a power of two; SAMPLES are gone through at a time.
    """
    j, g = tl.program_id(0), tl.program_id(1)
    n = tl.program_id(2) * BLOCK + tl.arange(0, BLOCK)
    some = tl.arange(0, SAMPLES)
    s = tl.arange(0, ROWS)[None, :, None]
    own = (j * S * G + g + s * G) * N + n[None, None, :]
    total = tl.zeros((SAMPLES, ROWS, BLOCK), dtype=owed.dtype.element_ty)
    for first in range(0, B, SAMPLES):
        b = (first + some)[:, None, None]
        inside = (b < B) & (s < S) & (n < N)[None, None, :]
        trace = e + b.to(tl.int64) * (J * S * G * N) + own  # a trace may have more than 2^31 entries
        now = tl.load(trace, inside, 0.0).to(total.dtype)
        total += tl.load(c + (b * S + s) * N + n[None, None, :], inside, 0.0) * now
        if DECAY:
            moved = tl.zeros((SAMPLES, ROWS, BLOCK), dtype=total.dtype)
            if ADD:
                line = tl.load(z + b * J + j, b < B, 0.0)
                moved += line * tl.load(p + ((b * S + s) * G + g) * N + n[None, None, :], inside, 0.0)
            for r in tl.static_range(S):
                row = tl.sum(tl.where(s == r, now, 0.0), axis=1)
                moved += tl.load(P0 + ((b * S + s) * S + r) * N + n[None, None, :], inside, 0.0) * row[:, None, :]
            tl.store(trace, moved, inside)
    tl.store(owed + (j * G + g) * N + n, tl.sum(tl.sum(total, 0), 0), n < N)


def turn(
    e: Tensor, c: Tensor, P0: Tensor, z: Tensor | None = None, p: Tensor | None = None, *, move: Callable[..., None]
) -> Tensor:
    """What the loss owes to the trace, c e [J, G, N]; with z and p, the trace is then moved to the chunk's end.

    `move` moves a trace that is stored in another precision over several steps: `drtrl_torch.move`.
    e [B, J, S, G, N], float32 or bfloat16, in its own place; c [B, S, N]; P0 [B, S, S', N]; z [K, B, J];
    p [K, B, S, G, N].
    """
    B, J, S, G, N = e.shape
    owed = torch.empty(J, G, N, dtype=c.dtype, device=e.device)
    moves = (z, p) if z is not None and p is not None else None
    at_once = moves is not None and len(moves[0]) == 1
    decays = moves is not None and (at_once or e.dtype == c.dtype)
    in_step = moves if moves and at_once else (c, c)  # the latter not looked at
    c, P0, z_1, p_1 = (a.contiguous() for a in (c, P0, *in_step))
    rows = triton.next_power_of_2(S)
    step[(J, G, triton.cdiv(N, BLOCK))](e, c, P0, z_1, p_1, owed, J, G, N, B, S, rows, decays, at_once, SAMPLES, BLOCK)
    if moves and not at_once:
        z, p = moves
        if decays:
            e.flatten(2).baddbmm_(z.permute(1, 2, 0), p.flatten(2).transpose(0, 1))
        else:
            move(e, P0, z, p)
    return owed
