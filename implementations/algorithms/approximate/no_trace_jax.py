"""Compute a control's gradient in JAX: that of the current step only, as if no state remembered anything.

    dL/dW = sum_t z^t (x) l^t D_f^t

As `bptt_jax.py`, but the loss's adjoint keeps no path through time: lam^t = l^t. Carried across a chunk boundary: the
states. What another algorithm gains over this control, it gains by assigning credit through time.
"""

from functools import partial

from drtrl_bench.implementations.algorithms.exact import bptt_jax as bptt
from drtrl_bench.implementations.engine.adjoint_jax import NONE, Rule

RULE = Rule(loss=NONE)
Carry, init = bptt.Carry, bptt.init
advance = partial(bptt.advance, rule=RULE)
