"""Measures what a gradient costs in JAX. Its twin is `costs_torch.py`; both protocols are explained in `costs.py`."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from drtrl_bench import lookup, registry
from drtrl_bench.case import Case
from drtrl_bench.implementations.engine import network_jax
from drtrl_bench.measure import backend_jax
from drtrl_bench.measure.problem import Problem, network
from drtrl_bench.paper.metering import costs


def corrected(case: Case, seeds: list[int], budget_s: float) -> list[costs.Row]:
    """Measure a case for each seed, by the harness's meters."""
    return costs.corrected(case, seeds, budget_s, backend_jax, refill)


def refill(backend: Any, case: Case, problem: Problem) -> Any:
    """Give the compiled gradient the weights and data of another problem of the same shapes."""
    fresh = (problem.params, problem.inputs, problem.targets)
    backend.arguments = jax.tree.map(
        lambda old, new: jax.device_put(np.asarray(new, old.dtype)), backend.arguments, fresh
    )
    return backend


def published(case: Case, lengths: list[int], seed: int, batches: int) -> list[costs.Row]:
    """Run batches of each length as published."""
    return costs.published(case, lengths, seed, batches, loop, backend_jax.OUT_OF_MEMORY)


def loop(case: Case, problem: Problem) -> Iterator[costs.Batch]:
    """Yield batches: BPTT as one program over the sequence, another rule as a loop of one program a step."""
    algorithm, net = lookup.algorithm(case.algorithm, "jax", lookup.options(case, case.dtype)), network(case, "jax")
    params = jax.tree.map(lambda w: jnp.asarray(w, case.dtype), problem.params)
    adam = optax.chain(optax.clip_by_global_norm(costs.CLIP), optax.adam(costs.RATE))
    state: Any = adam.init(params)

    def update(params: Any, state: Any, grads: Any) -> Any:
        change, state = adam.update(grads, state, params)
        return optax.apply_updates(params, change), state

    @jax.jit
    def of_sequence(params: Any, state: Any, inputs: Any, targets: Any) -> Any:
        _, grads = network_jax.gradient(algorithm, net, params, inputs, targets, chunk=case.steps)
        return update(params, state, jax.tree.map(lambda g: g / case.steps, grads))

    @jax.jit
    def of_step(params: Any, carry: Any, sums: Any, x: Any, target: Any) -> Any:
        carry, _, grads = algorithm.advance(net, params, carry, x[None], target[None])
        return carry, jax.tree.map(jnp.add, sums, grads)

    @partial(jax.jit, static_argnames="batch")
    def begin(params: Any, batch: int) -> Any:
        return algorithm.init(net, params, batch), jax.tree.map(jnp.zeros_like, params)

    last_update = jax.jit(update)

    def whole(inputs: Any, targets: Any) -> Any:
        return of_sequence(params, state, inputs, targets), None

    def stepwise() -> Any:
        carry, sums = begin(params, case.batch)
        for x, target in zip(problem.inputs, problem.targets, strict=True):
            carry, sums = of_step(params, carry, sums, jax.device_put(x), jax.device_put(target))
        return last_update(params, state, sums), (carry, sums)

    run: Any = stepwise
    if case.algorithm in registry.BPTT:
        run = partial(whole, jax.device_put(problem.inputs), jax.device_put(problem.targets))
    kept: list[Any] = []

    def batch() -> Any:
        nonlocal params, state
        (params, state), rest = run()
        kept[:] = [rest]  # the state of a published rule lives on after the batch
        return params, state, rest

    while True:
        yield costs.timed(batch, jax.block_until_ready, in_use)  # type: ignore[arg-type]


def in_use() -> int:
    """Return the bytes of all arrays on the device."""
    if statistics := jax.devices()[0].memory_stats():
        return statistics["bytes_in_use"]
    return sum(array.nbytes for array in jax.live_arrays())


def carried_bytes(case: Case) -> int:
    """Return the bytes that a rule carries from step to step."""
    algorithm, net = lookup.algorithm(case.algorithm, "jax", lookup.options(case, case.dtype)), network(case, "jax")
    params = [{k: jax.ShapeDtypeStruct(v, case.dtype) for k, v in w.items()} for w in costs.weight_shapes(case)]
    carry = jax.eval_shape(lambda weights: algorithm.init(net, weights, case.batch), params)
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(carry))
