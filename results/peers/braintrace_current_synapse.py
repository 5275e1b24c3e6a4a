"""Shows that braintrace counts the path g' -> V' of a neuron with a current synapse twice; needs braintrace alone.

An adaptive neuron with an exponential synapse (ALIF-ExpCu) has three states, all 0 at first: g' = exp(-1/10) g + W x,
V' = a (V - s) + (1 - a) g' with a = exp(-1/5), and b' = exp(-1/100) (b + 0.1 s); it emits s = sigma(V - 1 - b), with a
triangular surrogate derivative. The loss is the sum of its spikes after one step. There is one path from W to the loss,
through g' and V', and no history: the online gradient is the exact one. `D_RTRL` returns exactly twice that, for the
reason that `braintrace_in_step_paths.py` gives: the trace of V has the path W -> g' -> V', and the learning signal of g
has the path g' -> V' -> loss, to which the trace of g is added.

    python braintrace_current_synapse.py     exits with 1 while the gradients differ
"""

import math

import brainstate
import braintrace
import jax
import jax.numpy as jnp
import numpy as np

W, X = np.array([[3.0, -2.0], [-1.5, -3.0]], np.float32), np.array([[1.0, -2.0]], np.float32)
A = math.exp(-1 / 5)


@jax.custom_jvp
def spike(v):
    """1 if v >= 0 else 0."""
    return (v >= 0).astype(v.dtype)


@spike.defjvp
def slope(primals, tangents):
    """Its surrogate derivative, 0.3 max(1 - |v|, 0)."""
    return spike(primals[0]), 0.3 * jnp.maximum(1 - jnp.abs(primals[0]), 0) * tangents[0]


class Neurons(brainstate.nn.Module):
    """ALIF-ExpCu, as above."""

    def __init__(self):
        super().__init__()
        self.lin = braintrace.nn.Linear(2, 2, w_init=jnp.asarray(W), b_init=None)

    def init_state(self, batch_size=None, **_):
        self.V, self.b, self.g = (brainstate.HiddenState(jnp.zeros((batch_size, 2))) for _ in range(3))

    def update(self, x):
        s = spike(self.V.value - 1 - self.b.value)
        self.g.value = math.exp(-1 / 10) * self.g.value + self.lin(x)
        self.b.value = math.exp(-1 / 100) * (self.b.value + 0.1 * s)
        self.V.value = A * (self.V.value - s) + (1 - A) * self.g.value
        return spike(self.V.value - 1 - self.b.value)


def main():
    """Compare the online gradient of one step with that of jax.grad."""
    learner = braintrace.compile(Neurons(), "d_rtrl", jnp.asarray(X), batch_size=1)
    grads = learner.etrace_grad(jnp.asarray(X)[None], step_fn=lambda x: learner(x).sum(), reduction="sum")
    (online,) = (np.asarray(leaf) for leaf in jax.tree.leaves(grads))
    exact = np.asarray(jax.grad(lambda w: spike((1 - A) * (jnp.asarray(X) @ w) - 1).sum())(jnp.asarray(W)))
    if not exact.all():
        raise RuntimeError("the exact gradient is 0: the surrogate derivative should be alive in both neurons")
    print("braintrace", braintrace.__version__, "\nonline\n", online, "\nexact\n", exact, "\nratio\n", online / exact)
    raise SystemExit(int(not np.allclose(online, exact, rtol=1e-5)))


if __name__ == "__main__":
    main()
