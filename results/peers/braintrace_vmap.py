"""Shows that UORO, and EProp with a kappa, give no gradient with `vmap=True`; needs braintrace alone.

One layer h' = tanh(x U + h W), whose loss is the sum of h' in every step. In their own batching both rules return a
gradient. With `vmap=True`, and the same options, they end in an error instead; EProp with a kappa of 0 does not.

    python braintrace_vmap.py                exits with 1 while one of them gives no gradient
"""

import brainstate
import braintrace
import jax
import jax.numpy as jnp
import numpy as np

I, N, B, T = 3, 4, 2, 5
RNG = np.random.default_rng(0)
WEIGHTS, XS = RNG.normal(size=(I + N, N)) / 2, jnp.asarray(RNG.normal(size=(T, B, I)), jnp.float32)
RULES = {
    "UORO": ("uoro", {"vjp_method": "single-step"}),
    "EProp, kappa 0": ("eprop", {"kappa_filter_decay": 0.0}),
    "EProp, kappa 0.5": ("eprop", {"kappa_filter_decay": 0.5}),
}


class Network(brainstate.nn.Module):
    """A tanh layer."""

    def __init__(self):
        super().__init__()
        self.lin = braintrace.nn.Linear(I + N, N, w_init=jnp.asarray(WEIGHTS, jnp.float32), b_init=None)

    def init_state(self, batch_size=None, **_):
        self.h = brainstate.HiddenState(jnp.zeros((N,) if batch_size is None else (batch_size, N)))

    def update(self, x):
        self.h.value = jnp.tanh(self.lin(jnp.concatenate([x, self.h.value], -1)))
        return self.h.value


def outcome(method, options, vmap):
    """Return what a rule gives, the norm of the gradient or an error, and whether it is a gradient."""
    try:
        learner = braintrace.compile(Network(), method, XS[0], batch_size=B, vmap=vmap, **options)
        run = brainstate.transform.jit(
            lambda xs: learner.etrace_grad(xs, step_fn=lambda x: learner(x).sum(), reduction="sum")
        )
        (gradient,) = jax.tree.leaves(run(XS))
        return f"gradient of norm {float(jnp.linalg.norm(gradient)):.4g}", True
    except Exception as error:  # whatever it is: the two rules end in different ones
        return f"{type(error).__name__}: {str(error).splitlines()[0][:150]}", False


def main():
    """Ask each rule for a gradient, in its own batching and with `vmap=True`."""
    print("braintrace", braintrace.__version__, "jax", jax.__version__)
    failed = False
    for name, (method, options) in RULES.items():
        for vmap in (False, True):
            said, given = outcome(method, options, vmap)
            failed |= vmap and not given
            print(f"{name}, vmap={vmap}: {said}")
    raise SystemExit(int(failed))


if __name__ == "__main__":
    main()
