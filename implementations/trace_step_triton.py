"""D-RTRL's pass over the trace at K = 1, as one Triton kernel: decay, accumulate and read out.

    owed[j, g, n] = sum_{b,s} c[b, s, n] e[b, j, s, g, n]             by the trace as it was
    e[b, j, s, g, n] <- sum_{s'} P0[b, s, s', n] e[b, j, s', g, n] + z[b, j] p[b, s, g, n]

The plain version is `turn` in `drtrl_torch.py`, which reads the trace three times and writes it twice; this reads and
writes it once. A program owns a block of neurons of one presynaptic line and one drive, and walks through the samples.
XLA fuses the same step of `drtrl_jax.py` into one loop by itself.
TRITON_INTERPRET=1 runs it on a CPU, for tests.
"""

# pyright: reportArgumentType=false, reportGeneralTypeIssues=false

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 128


@triton.jit
def step(
    e, c, P0, z, p, owed, B, J, G, N, S: tl.constexpr, ROWS: tl.constexpr, MOVE: tl.constexpr, BLOCK: tl.constexpr
):
    """One line j, one drive g, BLOCK neurons. Row-major: e [B, J, S, G, N], c [B, S, N], P0 [B, S, S, N], z [B, J],
    p [B, S, G, N], owed [J, G, N]. ROWS is S, made up to a power of two.
    """
    j, g = tl.program_id(0), tl.program_id(1)
    s = tl.arange(0, ROWS)[:, None]
    n = tl.program_id(2) * BLOCK + tl.arange(0, BLOCK)
    inside, row_inside = (s < S) & (n < N)[None, :], n < N
    trace = e + (j * S * G + g) * N + s * G * N + n[None, :]
    total = tl.zeros((BLOCK,), dtype=tl.float32)
    for b in range(B):
        now = tl.load(trace, inside, 0.0).to(tl.float32)
        total += tl.sum(tl.load(c + (b * S + s) * N + n[None, :], inside, 0.0) * now, axis=0)
        if MOVE:
            moved = tl.load(z + b * J + j) * tl.load(p + ((b * S + s) * G + g) * N + n[None, :], inside, 0.0)
            for r in tl.static_range(S):
                row = tl.sum(tl.where(s == r, now, 0.0), axis=0)
                moved += tl.load(P0 + ((b * S + s) * S + r) * N + n[None, :], inside, 0.0) * row[None, :]
            tl.store(trace, moved, inside)
        trace += J * S * G * N  # a pointer, so that a trace may have more than 2^31 entries
    tl.store(owed + (j * G + g) * N + n, total, row_inside)


def turn(e: Tensor, c: Tensor, P0: Tensor, z: Tensor | None = None, p: Tensor | None = None) -> Tensor:
    """What the loss owes to the trace, c e [J, G, N]; with z and p, the trace is then moved one step on.

    e [B, J, S, G, N], float32 or bfloat16, in its own place; c [B, S, N]; P0 [B, S, S', N]; z [1, B, J];
    p [1, B, S, G, N].
    """
    B, J, S, G, N = e.shape
    owed = torch.empty(J, G, N, dtype=c.dtype, device=e.device)
    moves = z is not None and p is not None
    z, p = c if z is None else z, c if p is None else p  # not looked at
    c, P0, z, p = (a.contiguous() for a in (c, P0, z, p))
    step[(J, G, triton.cdiv(N, BLOCK))](e, c, P0, z, p, owed, B, J, G, N, S, triton.next_power_of_2(S), moves, BLOCK)
    return owed
