"""The product that moves D-RTRL's trace in JAX: what it is, and how many calls it takes. Many calls of little work each
made short chunks up to three times as slow; one call for all samples makes long ones slower.
"""

import numpy as np
import pytest
from conftest import prepare
from support.problems import needs

pytestmark = needs("jax")

J, S, G, N = 3, 2, 2, 4
SAMPLES = 5


def of_sums(z: np.ndarray, p: np.ndarray) -> np.ndarray:
    """sum_t z^t (x) p^t, entry by entry."""
    found = np.zeros((z.shape[1], J, S, G, N))
    for t, b, j in np.ndindex(*z.shape):
        found[b, j] += z[t, b, j] * p[t, b]
    return found


@pytest.mark.parametrize(
    ("steps", "on_cpu", "calls"),
    [(1, True, 1), (32, True, 1), (33, True, SAMPLES), (128, True, SAMPLES), (128, False, 1)],
)
def test_one_call_for_a_short_chunk(steps: int, on_cpu: bool, calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import jax
    import jax.numpy as jnp

    from drtrl_bench.implementations.engine import trace_jax, xla_jax

    prepare("jax")
    monkeypatch.setattr(xla_jax, "on_cpu", lambda: on_cpu)
    rng = np.random.default_rng(steps)
    z, p = (jnp.asarray(rng.standard_normal((steps, SAMPLES, *of))) for of in ((J,), (S, G, N)))
    assert str(jax.make_jaxpr(lambda z, p: trace_jax.outer(z, p))(z, p)).count("dot_general[") == calls
    np.testing.assert_allclose(trace_jax.outer(z, p), of_sums(np.asarray(z), np.asarray(p)), 1e-12, 1e-12)
