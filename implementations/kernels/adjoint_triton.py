"""The adjoint of a layer over a block of steps, as Triton kernels.

    q^t = row^t F^t,  row^{t-1} = row^t D^t + (q^t W_r^T) R^t         row^t gains l^t on the way, if it is the loss's

With paths through weights cut, as D-RTRL does, nothing couples the neurons: a program owns a block of neurons of one
row and walks back through the steps by itself, and a block of steps is one launch. With them, as in BPTT and RTRL,
a step is a matrix product and one launch for all that is element-wise.
The plain version is `pull_back` in `adjoint_torch.py`. TRITON_INTERPRET=1 runs the kernels on a CPU, for tests.
"""

# pyright: reportArgumentType=false, reportGeneralTypeIssues=false

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 64


@triton.jit
def recursion(
    rows,
    l,
    D,
    F,
    q,
    entry,
    by_r,
    R,
    B,
    M,
    m,
    N,
    K: tl.constexpr,
    S: tl.constexpr,
    G: tl.constexpr,
    ROWS: tl.constexpr,
    DRIVES: tl.constexpr,
    THROUGH: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One sample, one row, BLOCK neurons. Row-major: rows and entry [B, M, S, N], l [K, B, m, S, N],
    D [K, B, S, S', N], F [K, B, S, G, N], q [K, B, M, G, N]. ROWS and DRIVES are S and G, made up to powers of two.
    THROUGH adds by_r [B, M, N] times R [B, S, N], what came through weights, to the rows first.
    """
    b, i = tl.program_id(0), tl.program_id(1)
    n = tl.program_id(2) * BLOCK + tl.arange(0, BLOCK)
    s = tl.arange(0, ROWS)
    g = tl.arange(0, DRIVES)
    at = s[:, None] * N + n[None, :]
    inside = (s < S)[:, None] & (n < N)[None, :]
    at_q = g[:, None] * N + n[None, :]
    inside_q = (g < G)[:, None] & (n < N)[None, :]
    at_F = (s[:, None, None] * G + g[None, :, None]) * N + n[None, None, :]
    inside_F = inside[:, None, :] & inside_q[None, :, :]
    at_D = (s[:, None, None] * S + s[None, :, None]) * N + n[None, None, :]
    inside_D = inside[:, None, :] & inside[None, :, :]
    row = tl.load(rows + (b * M + i) * S * N + at, inside, 0.0)
    if THROUGH:
        by_line = tl.load(by_r + (b * M + i) * N + n, n < N, 0.0)
        row += by_line[None, :] * tl.load(R + b * S * N + at, inside, 0.0)
    last = tl.full([], K - 1, tl.int64)  # a sequence may have more than 2^31 entries
    l += ((last * B + b) * m + i) * S * N
    D += (last * B + b) * S * S * N
    F += (last * B + b) * S * G * N
    q += ((last * B + b) * M + i) * G * N
    for _ in range(K):
        by_drive = tl.load(F + at_F, inside_F, 0.0)
        by_state = tl.load(D + at_D, inside_D, 0.0)
        if i < m:
            row += tl.load(l + at, inside, 0.0)
        tl.store(q + at_q, tl.sum(row[:, None, :] * by_drive, 0), inside_q)
        row = tl.sum(row[:, None, :] * by_state, 0)
        l -= B * m * S * N
        D -= B * S * S * N
        F -= B * S * G * N
        q -= B * M * G * N
    tl.store(entry + (b * M + i) * S * N + at, row, inside)


def pull_back(
    rows: Tensor, l: Tensor, D: Tensor, F: Tensor, recurrent: tuple[Tensor, Tensor, slice] | None = None
) -> tuple[Tensor, Tensor]:
    """Rows [B, M, S, N] of s^K, pulled back to the block's start; the first m meet l^t of l [K, B, m, S, N] on the way.

    Arguments and results as of `adjoint_torch.pull_back`.
    """
    K, B, m, S, N = l.shape
    M, G = rows.shape[1], F.shape[3]
    rows, l, D, F = (a.contiguous() for a in (rows, l, D, F))
    q, entry = rows.new_empty(K, B, M, G, N), torch.empty_like(rows)
    grid = (B, M, triton.cdiv(N, BLOCK))
    sizes = {"S": S, "G": G, "ROWS": triton.next_power_of_2(S), "DRIVES": triton.next_power_of_2(G), "BLOCK": BLOCK}
    sizes["num_warps"] = max(1, BLOCK // 32)
    if recurrent is None:
        recursion[grid](rows, l, D, F, q, entry, rows, rows, B, M, m, N, K, THROUGH=False, **sizes)
        return q, entry
    W, R, reads = recurrent
    W, R = W.flatten(1).T, R.contiguous()  # [G N, J]
    by_r = rows.new_zeros(B * M, N)
    for t in range(K - 1, -1, -1):
        after = min(t + 1, K - 1)
        recursion[grid](rows, l[t], D[t], F[t], q[t], entry, by_r, R[after], B, M, m, N, 1, THROUGH=True, **sizes)
        rows = entry
        torch.mm(q[t, :, :, reads].flatten(2).flatten(0, 1), W, out=by_r)
    return q, entry.addcmul_(by_r.view(B, M, 1, N), R[0][:, None])
