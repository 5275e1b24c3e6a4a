"""Store and update RTRL's influence of a weight in PyTorch: M = ds/dW [B, n, G, N, J].

s are the n states of the weight's layer and of all layers above.

    contract    lam M                                     the gradient by the paths from earlier chunks
    update      P M + sum_t z^t (x) ds^K/dy^t             the influence after K more steps, in place

M is updated in place, a few neurons at a time, so that no second one is allocated. The twin is `influence_jax.py`.
"""

from torch import Tensor

Influence = Tensor
"""[B, n, G, N, J]."""
NEURONS = 16
"""Neurons whose influence is updated at a time."""


def zeros(batch: int, n: int, w: Tensor) -> Influence:
    """Return the zero influence of one kind of weight w [J, Gk, N] on n states."""
    return w.new_zeros(batch, n, *w.shape[1:], w.shape[0])


def contract(lam: Tensor, M: Influence) -> Tensor:
    """Multiply the loss's adjoint with the influence: sum_{b,m} lam[b, m] M[b, m, g, n, j], as [J, G, N]."""
    return (lam.flatten() @ M.flatten(0, 1).flatten(1)).view(M.shape[2:]).movedim(-1, 0)


def update(M: Influence, P: Tensor, z: Tensor, dy: Tensor) -> None:
    """Update the influence in place: P [B, n, n'], z [K, B, J], dy = ds^K/dy [K, B, n, G, N]."""
    z = z.transpose(0, 1)
    for M_n, dy_n in zip(M.split(NEURONS, dim=3), dy.split(NEURONS, dim=-1), strict=True):
        updated = (P @ M_n.flatten(2)).view(M_n.shape)
        updated.flatten(1, 3).baddbmm_(dy_n.permute(1, 2, 3, 4, 0).flatten(1, 3), z)
        M_n.copy_(updated)


def step(M: Influence, lam: Tensor, P: Tensor, factors: tuple[Tensor, Tensor] | None) -> Tensor:
    """Return lam M [J, G, N], and then, with factors z and dy, update the influence in place."""
    contracted = contract(lam, M)
    if factors is not None:
        update(M, P, *factors)
    return contracted
