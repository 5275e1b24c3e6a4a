"""Contract and update D-RTRL's eligibility trace in one pass, in a Triton kernel.

    contracted[j, g, n] = sum_{b,s} lam[b, s, n] eps[b, j, s, g, n]             of the trace before the update
    eps[b, j, s, g, n] <- sum_{s'} P[b, s, s', n] eps[b, j, s', g, n] + z[b, j] dy[b, s, g, n]

The plain version is `step` in `trace_torch.py`, which reads the trace three times and writes it twice; the kernel reads
and writes it once. The last term is the kernel's at K = 1 only; in a longer chunk one batched product adds
sum_t z^t (x) dy^t. A program updates a block of neurons for one presynaptic neuron j and one current g, a few samples
at a time. XLA fuses the same step of `trace_jax.py` into one loop by itself.
TRITON_INTERPRET=1 runs the kernel on a CPU, for tests.
"""

# pyright: reportArgumentType=false, reportGeneralTypeIssues=false

import torch
import triton
import triton.language as tl
from torch import Tensor

from drtrl_bench.implementations.engine import trace_torch

BLOCK, SAMPLES = 128, 8


@triton.jit
def pass_over(
    eps,
    lam,
    P,
    z,
    dy,
    contracted,
    J,
    G,
    N,
    B: tl.constexpr,
    S: tl.constexpr,
    STATES: tl.constexpr,
    DECAY: tl.constexpr,
    ADD: tl.constexpr,
    SAMPLES: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Contract and update eps [B, J, S, G, N] for one presynaptic neuron j, one current g and BLOCK neurons.

    Row-major: lam [B, S, N], P [B, S, S, N], z [B, J], dy [B, S, G, N], contracted [J, G, N]. STATES is S, rounded up
    to a power of two; SAMPLES are read at a time.
    """
    j, g = tl.program_id(0), tl.program_id(1)
    n = tl.program_id(2) * BLOCK + tl.arange(0, BLOCK)
    some = tl.arange(0, SAMPLES)
    s = tl.arange(0, STATES)[None, :, None]
    at = (j * S * G + g + s * G) * N + n[None, None, :]
    total = tl.zeros((SAMPLES, STATES, BLOCK), dtype=contracted.dtype.element_ty)
    for first in range(0, B, SAMPLES):
        b = (first + some)[:, None, None]
        inside = (b < B) & (s < S) & (n < N)[None, None, :]
        trace = eps + b.to(tl.int64) * (J * S * G * N) + at  # a trace may have more than 2^31 entries
        now = tl.load(trace, inside, 0.0).to(total.dtype)
        total += tl.load(lam + (b * S + s) * N + n[None, None, :], inside, 0.0) * now
        if DECAY:
            updated = tl.zeros((SAMPLES, STATES, BLOCK), dtype=total.dtype)
            if ADD:
                z_j = tl.load(z + b * J + j, b < B, 0.0)
                updated += z_j * tl.load(dy + ((b * S + s) * G + g) * N + n[None, None, :], inside, 0.0)
            for r in tl.static_range(S):
                eps_r = tl.sum(tl.where(s == r, now, 0.0), axis=1)
                updated += tl.load(P + ((b * S + s) * S + r) * N + n[None, None, :], inside, 0.0) * eps_r[:, None, :]
            tl.store(trace, updated, inside)
    tl.store(contracted + (j * G + g) * N + n, tl.sum(tl.sum(total, 0), 0), n < N)


def step(eps: Tensor, lam: Tensor, P: Tensor, factors: tuple[Tensor, Tensor] | None) -> Tensor:
    """Return lam eps [J, G, N], and then, with factors z and dy, update the trace in place, as `trace_torch.step`.

    eps [B, J, S, G, N], float32 or bfloat16; lam [B, S, N]; P [B, S, S', N]; z [K, B, J]; dy [K, B, S, G, N].
    """
    B, J, S, G, N = eps.shape
    contracted = torch.empty(J, G, N, dtype=lam.dtype, device=eps.device)
    at_once = factors is not None and len(factors[0]) == 1
    decays = factors is not None and (at_once or eps.dtype == lam.dtype)
    z, dy = factors if factors is not None and at_once else (lam, lam)  # the latter are not read
    lam, P, z, dy = (a.contiguous() for a in (lam, P, z, dy))
    states = triton.next_power_of_2(S)
    grid = (J, G, triton.cdiv(N, BLOCK))
    pass_over[grid](eps, lam, P, z, dy, contracted, J, G, N, B, S, states, decays, at_once, SAMPLES, BLOCK)
    if factors is not None and not at_once:
        if decays:
            z, dy = factors
            eps.flatten(2).baddbmm_(z.permute(1, 2, 0), dy.flatten(2).transpose(0, 1))
        else:
            trace_torch.update(eps, P, *factors)
    return contracted
