"""Compute BPTT's gradient within windows of K steps, with D-RTRL's trace for earlier steps, in JAX.

As `drtrl_jax.py`, but the loss's adjoint keeps all paths inside the chunk: the chunk is the window, and K changes the
gradient. With K = T it is BPTT's. Source: the multi-step mode of braintrace, the reference library of Wang et al. 2026
(Nat. Commun. 17:1745).
"""

from functools import partial

from drtrl_bench.implementations.algorithms.approximate import drtrl_jax as drtrl
from drtrl_bench.implementations.engine.adjoint_jax import DIAGONAL, FULL, Rule

RULE = Rule(loss=FULL, carry=DIAGONAL)
Carry, init = drtrl.Carry, drtrl.init
advance = partial(drtrl.advance, rule=RULE)
