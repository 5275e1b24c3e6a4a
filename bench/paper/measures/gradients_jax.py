"""Computes the gradients of BPTT and of the rules, of each sample by itself, in JAX. Twin: `gradients_torch.py`."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from drtrl_bench.implementations.algorithms.approximate import drtrl_jax, no_trace_jax
from drtrl_bench.implementations.algorithms.approximate import es_drtrl_jax as es_drtrl
from drtrl_bench.implementations.algorithms.approximate.filtering import smoothing
from drtrl_bench.implementations.algorithms.exact import bptt_jax
from drtrl_bench.implementations.cells import cells_jax
from drtrl_bench.implementations.engine import network_jax
from drtrl_bench.implementations.engine.execution_jax import Execution
from drtrl_bench.paper.measures import gradients
from drtrl_bench.paper.measures.gradients import Gradients, Problem, Variant

UNFILTERED: dict[str, Any] = {"bptt": bptt_jax, "drtrl": drtrl_jax, "no_trace": no_trace_jax}
"""Imported by name, so that they are among the sources of a job's rows."""


def measures(job: dict[str, Any], problem: Problem, variants: list[Variant]) -> list[Gradients]:
    """Return the gradients [samples, ...] of BPTT and of the job's rules, for each variant, in float64."""
    net, samples = gradients.network(job, cells_jax), job["computed"]
    with jax.enable_x64(True):
        params = jax.tree.map(jnp.asarray, problem.params)
        currents = jnp.asarray(problem.currents[:, :samples]).swapaxes(0, 1)
        targets = jnp.asarray(problem.targets[:, :samples]).T
        states = every_state(net, params, currents)[0]
        data = [variant_data(states, currents, targets, variant) for variant in variants]
        stacked = jax.tree.map(lambda *each: jnp.concatenate(each), *data)
        computed = by_rule(job, all_rules(net, *filters(job), params, *stacked))
    by_variant = []
    for i, variant in enumerate(variants):
        own = jax.tree.map(lambda a, i=i: a[i * samples : (i + 1) * samples], computed)
        shift = 0 if variant.traces else variant.start
        by_variant.append({rule: shifted(gradient, shift) for rule, gradient in own.items()})
    return by_variant


def by_loss_step(job: dict[str, Any], problem: Problem, sample: int) -> tuple[Gradients, np.ndarray]:
    """Return the gradients [T, ...] of a sample by BPTT and by the rules, each of the loss of one step alone.

    And what the recurrent weights read [T, N].
    """
    net, T = gradients.network(job, cells_jax), job["steps"]
    with jax.enable_x64(True):
        params = jax.tree.map(jnp.asarray, problem.params)
        currents, targets = jnp.asarray(problem.currents[:, sample]), jnp.asarray(problem.targets[:, sample])
        states = every_state(net, params, currents[None])[0]
        each = jnp.where(jnp.eye(T, dtype=bool), targets, -1)
        first = [jnp.broadcast_to(s[:, 0], (T, *s.shape[2:])) for s in states]
        by_step = all_rules(net, *filters(job), params, first, jnp.broadcast_to(currents, (T, *currents.shape)), each)
        return by_rule(job, by_step), np.asarray(net[0].emit(states[0][0, :-1, 0]))


def filters(job: dict[str, Any]) -> tuple[Array, Array]:
    """Return the decays [R] and the bias corrections [R, T] of those rules of a job that are ES-D-RTRL."""
    steps = jnp.arange(job["steps"], dtype=float)
    options = [(smoothing(k, kind), kind) for k, kind in gradients.filtered(job["rules"]).values()]
    corrections = [es_drtrl.correction(kind, a, steps) for a, kind in options]
    return jnp.array([a for a, _ in options]), jnp.stack(corrections)


def by_rule(job: dict[str, Any], computed: dict[str, Any]) -> Gradients:
    """Return what `all_rules` computed, as arrays of NumPy and by the names of the job's rules."""
    own = jax.tree.map(np.asarray, computed)
    names = list(gradients.filtered(job["rules"]))
    own |= {rule: jax.tree.map(lambda a, i=i: a[:, i], own["filtered"]) for i, rule in enumerate(names)}
    return {rule: own[rule] for rule in ("bptt", *job["rules"])}


def activity(job: dict[str, Any], problem: Problem) -> list[np.ndarray]:
    """Return the spikes per step of every neuron of each hidden layer [samples, N]."""
    net = gradients.network(job, cells_jax)
    with jax.enable_x64(True):
        currents = jnp.asarray(problem.currents[:, : job["computed"]]).swapaxes(0, 1)
        return [np.asarray(each) for each in every_state(net, jax.tree.map(jnp.asarray, problem.params), currents)[1]]


@partial(jax.jit, static_argnames="net")
def every_state(net: Any, params: Any, currents: Array) -> tuple[list[Array], list[Array]]:
    """Compute the states [samples, 1 + T, 1, S, N] of each layer, the first at rest, and how often neurons spike."""

    def one(currents: Array) -> tuple[list[Array], list[Array]]:
        own, inputs = with_currents(params, currents)
        s0 = network_jax.initial_states(net, own, 1)
        residuals = network_jax.run(net, own, s0, inputs)[0]
        rates = [cell.output(r.states)[:, 0].mean(axis=0) for cell, r in zip(net[:-1], residuals[:-1], strict=True)]
        return [jnp.concatenate([s[None], r.states]) for s, r in zip(s0, residuals, strict=True)], rates

    return jax.vmap(one)(currents)


def with_currents(params: Any, currents: Array) -> tuple[Any, Array]:
    """Return weights and inputs [T, 1, T] of a network that has an input line for each step."""
    return [params[0] | {"x": currents[:, None]}, *params[1:]], jnp.eye(len(currents))[:, None]


def variant_data(states: list[Array], currents: Array, targets: Array, variant: Variant) -> tuple[Any, Array, Array]:
    """Return the first states, currents and targets of a variant; a target of -1 is no loss.

    Without traces during the warm-up, the steps after it come first: so all variants are as long, and are compiled
    once. The steps of the warm-up then come last, and have no loss.
    """
    T, start = targets.shape[1], variant.start
    if variant.traces:
        return [s[:, 0] for s in states], currents, jnp.where(jnp.arange(T) >= start, targets, -1)
    late = jnp.where(jnp.arange(T) < T - start, jnp.roll(targets, -start, axis=1), -1)
    return [s[:, start] for s in states], jnp.roll(currents, -start, axis=1), late


def shifted(gradient: Any, start: int) -> Any:
    """Return a gradient whose input lines, which are steps, are in the order of time."""
    first, *rest = gradient
    return [first | {"x": np.roll(first["x"], start, axis=1)}, *rest]


@partial(jax.jit, static_argnames="net")
def all_rules(
    net: Any, decays: Array, corrections: Array, params: Any, states: Any, currents: Array, targets: Array
) -> dict[str, Any]:
    """Compute the gradients [samples, ...] of BPTT and of the rules; "filtered" are ES-D-RTRL's [samples, R, ...].

    decays [R], corrections [R, T]: of ES-D-RTRL. states [samples, 1, S, N] of each layer, currents [samples, T, N].
    """

    def one(states: Any, currents: Array, targets: Array) -> dict[str, Any]:
        own, inputs = with_currents(params, currents)
        execution, data = Execution(block=len(currents)), (inputs, targets[:, None])

        def gradient(algorithm: Any) -> Any:
            carry = algorithm.init(net, own, 1)
            carry = carry._replace(states=states) if hasattr(carry, "_replace") else states
            return algorithm.advance(net, own, carry, *data, last=True, execution=execution)[2]

        carry = es_drtrl.init(net, own, 1)._replace(states=states)
        _, _, residuals, error = network_jax.forward(net, own, states, *data)

        def filtered(a: Any, c: Array) -> Any:
            return es_drtrl.backward(net, own, residuals, error, carry, c, a, a, 1)[0]

        unfiltered = {name: gradient(algorithm) for name, algorithm in UNFILTERED.items()}
        return unfiltered | {"filtered": jax.vmap(filtered)(decays, corrections)}

    return jax.vmap(one)(states, currents, targets)
