"""Compute the adjoint recursion of a layer over a block of steps, in Triton kernels.

    dX/dy^t = lam^t D_f^t,  lam^{t-1} = lam^t D^t + (dX/dy^t W_r^T) R^t         the loss's lam^t also gains l^t

Without paths through the recurrent weights, as in D-RTRL, nothing couples the neurons: a program computes all steps of
one adjoint for a block of neurons, and a block of steps takes one launch. With these paths, as in BPTT and RTRL, each
step takes a matrix product and one launch for all that is element-wise.
The plain version is `recursion` in `adjoint_torch.py`. TRITON_INTERPRET=1 runs the kernels on a CPU, for tests.
"""

# pyright: reportArgumentType=false, reportGeneralTypeIssues=false

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 64


@triton.jit
def steps(
    adjoints,
    l,
    D,
    D_f,
    dy,
    start,
    dr,
    R,
    B,
    Q,
    m,
    N,
    K: tl.constexpr,
    S: tl.constexpr,
    G: tl.constexpr,
    STATES: tl.constexpr,
    CURRENTS: tl.constexpr,
    THROUGH: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Run the adjoint recursion over K steps for one sample, one adjoint and BLOCK neurons.

    Row-major: adjoints and start [B, Q, S, N], l [K, B, m, S, N], D [K, B, S, S', N], D_f [K, B, S, G, N],
    dy [K, B, Q, G, N]. STATES and CURRENTS are S and G, rounded up to powers of two; the first m adjoints gain l. With
    THROUGH, dr [B, Q, N] times R [B, S, N], the path through the recurrent weights, is added to the adjoints first.
    """
    b, i = tl.program_id(0), tl.program_id(1)
    n = tl.program_id(2) * BLOCK + tl.arange(0, BLOCK)
    s = tl.arange(0, STATES)
    g = tl.arange(0, CURRENTS)
    at = s[:, None] * N + n[None, :]
    inside = (s < S)[:, None] & (n < N)[None, :]
    at_dy = g[:, None] * N + n[None, :]
    inside_dy = (g < G)[:, None] & (n < N)[None, :]
    at_Df = (s[:, None, None] * G + g[None, :, None]) * N + n[None, None, :]
    inside_Df = inside[:, None, :] & inside_dy[None, :, :]
    at_D = (s[:, None, None] * S + s[None, :, None]) * N + n[None, None, :]
    inside_D = inside[:, None, :] & inside[None, :, :]
    lam = tl.load(adjoints + (b * Q + i) * S * N + at, inside, 0.0)
    if THROUGH:
        dr_n = tl.load(dr + (b * Q + i) * N + n, n < N, 0.0)
        lam += dr_n[None, :] * tl.load(R + b * S * N + at, inside, 0.0)
    last = tl.full([], K - 1, tl.int64)  # a sequence may have more than 2^31 entries
    l += ((last * B + b) * m + i) * S * N
    D += (last * B + b) * S * S * N
    D_f += (last * B + b) * S * G * N
    dy += ((last * B + b) * Q + i) * G * N
    for _ in range(K):
        D_f_t = tl.load(D_f + at_Df, inside_Df, 0.0)
        D_t = tl.load(D + at_D, inside_D, 0.0)
        if i < m:
            lam += tl.load(l + at, inside, 0.0)
        tl.store(dy + at_dy, tl.sum(lam[:, None, :] * D_f_t, 0), inside_dy)
        lam = tl.sum(lam[:, None, :] * D_t, 0)
        l -= B * m * S * N
        D -= B * S * S * N
        D_f -= B * S * G * N
        dy -= B * Q * G * N
    tl.store(start + (b * Q + i) * S * N + at, lam, inside)


def recursion(
    lam: Tensor, l: Tensor, D: Tensor, D_f: Tensor, recurrent: tuple[Tensor, Tensor, slice] | None = None
) -> tuple[Tensor, Tensor]:
    """Run the adjoint recursion over a block, with the arguments and results of `adjoint_torch.recursion`."""
    K, B, m, S, N = l.shape
    Q, G = lam.shape[1], D_f.shape[3]
    lam, l, D, D_f = (a.contiguous() for a in (lam, l, D, D_f))
    dy, start = lam.new_empty(K, B, Q, G, N), torch.empty_like(lam)
    grid = (B, Q, triton.cdiv(N, BLOCK))
    sizes = {"S": S, "G": G, "STATES": triton.next_power_of_2(S), "CURRENTS": triton.next_power_of_2(G)}
    sizes |= {"BLOCK": BLOCK, "num_warps": max(1, BLOCK // 32)}
    if recurrent is None:
        steps[grid](lam, l, D, D_f, dy, start, lam, lam, B, Q, m, N, K, THROUGH=False, **sizes)
        return dy, start
    W, R, reads = recurrent
    W, R = W.flatten(1).T, R.contiguous()  # [G N, J]
    dr = lam.new_zeros(B * Q, N)
    for t in range(K - 1, -1, -1):
        after = min(t + 1, K - 1)
        steps[grid](lam, l[t], D[t], D_f[t], dy[t], start, dr, R[after], B, Q, m, N, 1, THROUGH=True, **sizes)
        lam = start
        torch.mm(dy[t, :, :, reads].flatten(2).flatten(0, 1), W, out=dr)
    return dy, start.addcmul_(dr.view(B, Q, 1, N), R[0][:, None])
