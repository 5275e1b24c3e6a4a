"""Shows that OSTLRecurrent couples the neurons of two layers of the same size; needs braintrace alone.

Two layers h1' = tanh(x U + h1 W1) and h2' = tanh(h1' V + h2 W2). The order of the neurons in a layer means nothing: if
those of the second are renamed (columns of V, rows and columns of W2, and the readout), every gradient must be renamed
in the same way, and no more. With layers of 5 and 4 neurons it is so. With 4 and 4, the gradient changes: both layers
become one group of hidden states, and neuron i of the first is coupled with neuron i of the second.

    python braintrace_coupled_layers.py      exits with 1 while renaming changes a gradient
"""

import brainstate
import braintrace
import jax
import jax.numpy as jnp
import numpy as np

I, T = 3, 6


class Network(brainstate.nn.Module):
    """Two tanh layers."""

    def __init__(self, weights):
        super().__init__()
        self.sizes = [w.shape[1] for w in weights]
        self.first, self.second = (braintrace.nn.Linear(*w.shape, w_init=jnp.asarray(w), b_init=None) for w in weights)

    def init_state(self, batch_size=None, **_):
        self.h1 = brainstate.HiddenState(jnp.zeros(self.sizes[0]))
        self.h2 = brainstate.HiddenState(jnp.zeros(self.sizes[1]))

    def update(self, x):
        self.h1.value = jnp.tanh(self.first(jnp.concatenate([x, self.h1.value], -1)))
        self.h2.value = jnp.tanh(self.second(jnp.concatenate([self.h1.value, self.h2.value], -1)))
        return self.h2.value


def gradient(weights, readout, xs):
    """Return the gradients of both layers' weights."""
    learner = braintrace.compile(Network(weights), "ostl_recurrent", xs[0], batch_size=1, vmap=True)
    run = brainstate.transform.jit(
        lambda xs: learner.etrace_grad(xs, step_fn=lambda x: (learner(x) @ readout).sum(), reduction="sum")
    )
    by_path = {path[-2]: np.asarray(value["weight"]) for path, value in run(xs).items()}
    return by_path["first"], by_path["second"]


def change(first, second):
    """Return how much renaming the neurons of the second layer changes its gradient, relative to its norm."""
    rng = np.random.default_rng(0)
    weights = [
        (rng.normal(size=(before + size, size)) / 2).astype(np.float32)
        for before, size in ((I, first), (first, second))
    ]
    readout, xs = rng.normal(size=second).astype(np.float32), jnp.asarray(rng.normal(size=(T, 1, I)), jnp.float32)
    order = np.roll(np.arange(second), 1)
    rows = np.concatenate([np.arange(first), first + order])
    plain = gradient(weights, jnp.asarray(readout), xs)
    renamed = gradient([weights[0], weights[1][rows][:, order]], jnp.asarray(readout[order]), xs)
    expected = (plain[0], plain[1][rows][:, order])
    return max(np.linalg.norm(g - e) / np.linalg.norm(e) for g, e in zip(renamed, expected, strict=True))


def main():
    """Compare layers of different sizes with layers of the same size."""
    print("braintrace", braintrace.__version__, "jax", jax.__version__)
    changes = {sizes: change(*sizes) for sizes in ((5, 4), (4, 4))}
    for sizes, off in changes.items():
        print(f"layers of {sizes[0]} and {sizes[1]} neurons: renaming changes a gradient by {off:.1e}")
    raise SystemExit(int(max(changes.values()) > 1e-4))


if __name__ == "__main__":
    main()
