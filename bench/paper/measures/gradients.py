"""Draws the networks of the study of weight gradients, and compares the gradient of each rule with that of BPTT.

A network is some equal layers and the leaky readout, as `networks.py` draws the first layer. The inputs X [T, I] of a
camera are too many for a gradient [I, N] of each rule. All rules are linear in what a weight reads, so that their
gradient of the input weights is X^T G. G [T, N] is the gradient of a network that has an input line for each step, 1 in
that step and else 0, whose weights are the currents X W. Products of such gradients are those of F G, where
F^T F = X X^T [T, T]: no weight of an input is ever laid out.

A rule is a name: no_trace, drtrl, and es_drtrl with its rank k and its bias correction, "es_drtrl 10 corrected".
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drtrl_bench import data, registry
from drtrl_bench.implementations.cells import spec
from drtrl_bench.measure import fidelity
from drtrl_bench.paper.measures import networks

Array = NDArray[np.float64]
Gradients = dict[str, list[dict[str, Any]]]
"""By rule, and of "bptt": a dict for each layer, readout last, of an array [samples, ...] for each kind of weight."""
CORRECTIONS = ("corrected", "as_published")


class Problem(NamedTuple):
    """The weights and data of a job: B samples, each of which is a gradient of its own."""

    params: list[dict[str, Array]]
    """Of each layer, readout last. The first layer's lack x: these are the currents of a sample."""
    currents: Array
    """Inputs times input weights [T, B, N]."""
    targets: NDArray[np.int32]
    """The class of each sample, at every step: [T, B]."""
    factors: Array
    """F [T, T] of each sample: F^T F has the products of its inputs."""
    density: float
    """Share of the inputs that are not 0."""


class Part(NamedTuple):
    """What is compared: some of a gradient's vectors as one, by the names that `fidelity.named` gives them."""

    name: str
    vectors: tuple[str, ...]


class Variant(NamedTuple):
    """From which step on there is a loss, and what the rules do before."""

    start: int
    traces: bool
    """Whether traces and filters run during the warm-up, or start at zero after it, as published."""


def network(job: dict[str, Any], module: Any) -> tuple[Any, ...]:
    """Make the cells of a job, readout last, of a framework's module of cells or of the specifications."""
    readout = getattr(module, registry.READOUTS[job.get("readout", "leaky")])
    return (*[networks.layer_cell(job, module)] * job["layers"], readout())


def draw(job: dict[str, Any]) -> Problem:
    """Draw the weights and the recordings of a job, in float64."""
    first, N, dataset = networks.draw(job, products=True), job["neurons"], data.dataset(job["dataset"])
    *cells, readout = (replace(cell, initial="truncated") for cell in network(job, spec))
    rng = np.random.default_rng([job["seed"], 2])  # apart from the streams of the recordings and the first layer
    params = [{kind: first.weights[kind] for kind in ("r", "b")}]
    params += [replace(cell, scale_x=job["ff"], scale_r=job["rec"]).initial_weights(rng, N, N) for cell in cells[1:]]
    params.append(readout.initial_weights(rng, N, dataset.CLASSES))
    batch = dataset.sparse(job["steps"], job["samples"], job["seed"], **job["reading"])
    assert first.products is not None
    factors = np.stack([factor(each) for each in first.products])
    return Problem(params, first.currents, batch.targets(0, job["steps"]), factors, first.density)


def factor(products: Array) -> Array:
    """Return F with F^T F = products, a matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh(products)
    return np.sqrt(np.maximum(values, 0))[:, None] * vectors.T


def parts(layers: int, kinds: bool) -> list[Part]:
    """List what is compared: each layer, whose weights the published code holds as one object, and the readout.

    kinds: also each kind of the first layer's weights, and all weights together.
    """
    of_layer = [tuple(f"layer{i}.{kind}" for kind in "xrb") for i in range(layers)]
    listed = [Part(f"layer{i}", names) for i, names in enumerate(of_layer)] + [Part("readout", ("readout.x",))]
    if kinds:
        listed += [Part(name, (name,)) for name in of_layer[0]]
        listed.append(Part("all", tuple(name for part in listed[: layers + 1] for name in part.vectors)))
    return listed


def rules(ranks: list[int]) -> list[str]:
    """List the rules, ES-D-RTRL with each rank and with both bias corrections."""
    return ["no_trace", *(f"es_drtrl {k} {kind}" for kind in CORRECTIONS for k in ranks), "drtrl"]


def filtered(names: list[str]) -> dict[str, tuple[int, str]]:
    """Return the rank and the bias correction of those rules that are ES-D-RTRL."""
    return {rule: (k, kind) for rule in names for _, k, kind in [split(rule)] if k and kind}


def split(rule: str) -> tuple[str, int | None, str | None]:
    """Return the algorithm of a rule, its rank and its bias correction."""
    name, *options = rule.split()
    return (name, int(options[0]), options[1]) if options else (name, None, None)


def vectors(gradient: list[dict[str, Any]], F: Array, sample: int) -> dict[str, Array]:
    """Return the vectors of a sample's gradient by name, that of the input weights as F G."""
    own = [{kind: np.asarray(values[sample]) for kind, values in layer.items()} for layer in gradient]
    own[0]["x"] = F @ own[0]["x"][:, 0]
    return fidelity.named(own)


def compare(
    gradients: Mapping[str, list[dict[str, Any]]], true: list[dict[str, Any]], problem: Problem, listed: list[Part]
) -> Iterator[tuple[int, str, dict[str, dict[str, float | None]]]]:
    """Yield of every sample and part how each rule's gradient agrees with the true one, by rule."""
    for sample in range(len(true[-1]["x"])):
        F = problem.factors[sample]
        exact = vectors(true, F, sample)
        own = {rule: vectors(gradient, F, sample) for rule, gradient in gradients.items()}
        for part in listed:
            whole = np.concatenate([exact[name] for name in part.vectors])
            yield (
                sample,
                part.name,
                {
                    rule: fidelity.agreement(np.concatenate([each[name] for name in part.vectors]), whole)
                    for rule, each in own.items()
                },
            )
