"""Shows that braintrace counts a path between two states within one step twice; needs braintrace alone.

A cell has two states, c' = W x + c / 2 and h' = tanh(c') + h / 2, both 0 at first, and the loss is the sum of h' after
one step. There is one path from W to the loss, through c' and h', and no history: the online gradient is the exact one.
`D_RTRL` (and every rule that keeps a trace, with `vmap` or without) returns exactly twice that: the trace of h has the
path W -> c' -> h', and the learning signal of c has the path c' -> h' -> loss, to which the trace of c is added. So in
the LSTM the gates of the cell are off by up to a factor of 2, and neurons with a current synapse (g' -> V') as well. A
signal of c that leaves out what goes through other hidden states of the same step mends it.

    python braintrace_in_step_paths.py       exits with 1 while the gradients differ
"""

import brainstate
import braintrace
import jax
import jax.numpy as jnp
import numpy as np

W, X = np.array([[0.3, -0.2], [0.5, 0.1]], np.float32), np.array([[1.0, -2.0]], np.float32)


class Cell(brainstate.nn.Module):
    """c' = W x + c / 2, h' = tanh(c') + h / 2."""

    def __init__(self):
        super().__init__()
        self.lin = braintrace.nn.Linear(2, 2, w_init=jnp.asarray(W), b_init=None)

    def init_state(self, batch_size=None, **_):
        self.c = brainstate.HiddenState(jnp.zeros((batch_size, 2)))
        self.h = brainstate.HiddenState(jnp.zeros((batch_size, 2)))

    def update(self, x):
        self.c.value = self.lin(x) + 0.5 * self.c.value
        self.h.value = jnp.tanh(self.c.value) + 0.5 * self.h.value
        return self.h.value


def main():
    """Compare the online gradient of one step with that of jax.grad."""
    learner = braintrace.compile(Cell(), "d_rtrl", jnp.asarray(X), batch_size=1)
    grads = learner.etrace_grad(jnp.asarray(X)[None], step_fn=lambda x: learner(x).sum(), reduction="sum")
    (online,) = (np.asarray(leaf) for leaf in jax.tree.leaves(grads))
    exact = np.asarray(jax.grad(lambda w: jnp.tanh(jnp.asarray(X) @ w).sum())(jnp.asarray(W)))
    print("braintrace", braintrace.__version__, "\nonline\n", online, "\nexact\n", exact, "\nratio\n", online / exact)
    raise SystemExit(int(not np.allclose(online, exact, rtol=1e-5)))


if __name__ == "__main__":
    main()
