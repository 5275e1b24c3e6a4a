"""The adjoint recursion of uncoupled neurons of one state, one call a step, against the recursion entry by entry."""

import numpy as np
import pytest
from support.problems import needs

pytestmark = [needs("torch"), pytest.mark.xdist_group("torch")]


@pytest.mark.parametrize("m", [1, 2, 3])
def test_the_loss_is_added_to_the_first_adjoints(m: int) -> None:
    """lam^{t-1} = (lam^t + l^t) D^t, where l^t is 0 but for the first m adjoints, as of the layers above in RTRL."""
    import torch

    from drtrl_bench.implementations.engine.adjoint_torch import recursion_of_one_state

    K, B, Q, N = 4, 2, 3, 5
    rng = np.random.default_rng(m)
    lam, l, D, D_f = (
        rng.standard_normal(shape) for shape in ((B, Q, 1, N), (K, B, m, 1, N), (K, B, 1, 1, N), (K, B, 1, 1, N))
    )
    right, now = np.zeros((K, B, Q, 1, N)), lam.copy()
    for t in reversed(range(K)):
        for b, q, n in np.ndindex(B, Q, N):
            total = now[b, q, 0, n] + (l[t, b, q, 0, n] if q < m else 0.0)
            right[t, b, q, 0, n] = total * D_f[t, b, 0, 0, n]
            now[b, q, 0, n] = total * D[t, b, 0, 0, n]
    dy, start = recursion_of_one_state(*(torch.from_numpy(a) for a in (lam, l, D, D_f)))
    np.testing.assert_allclose(dy, right, 1e-12)
    np.testing.assert_allclose(start, now, 1e-12)
