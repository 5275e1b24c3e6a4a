"""Compute by formula the bytes that a gradient must hold beyond its arguments.

The batch has B samples; a layer has N neurons with S states and G input currents each; a weight has J presynaptic
lines; n counts the states of a weight's layer and of all layers above. The terms count numbers:

    term       numbers                                           when
    carry      B S N                                             always: the states
               B J G N S of every weight                         a trace is carried
               B n J G N of every weight                         an influence is carried
               B J of every layer's lines, B G N S               filters are carried; of lines alone, without B G N S
               B S N of every segment                            segments are recomputed
    gradient   2 J G N of every weight                           always: this chunk's, and the sum so far
    kept       B (S + G) N: states and input currents            for each step of a chunk; of a block, if segments are
                                                                 recomputed or filters are carried
               B (Q - 1) G N, presynaptic values but the inputs  and the carry is updated by several blocks
    in use     B N: recurrent outputs, outputs to the next layer for each step of a block
               B S N: the states before                          and the algorithm works in blocks
               B (Q - 1) G N: the adjoints that the carry needs  and the carry is updated
               B N (S + G + S S + S G + ...)                     for each step of a block: Jacobians and adjoint of
                                                                 the widest layer; for RTRL also of layers above

Q counts the adjoints: the loss's, and those of the states at the chunk's end that the carry needs, S for a trace and n
for an influence. XLA does not keep the input currents if no derivative depends on them. At K = T no carry is updated.
Where the framework differentiates, the states and input currents are the least; what else is kept or in use is its
choice.
"""

import math
from dataclasses import dataclass

from drtrl_bench.cost.sizes import Sizes


@dataclass(frozen=True)
class Footprint:
    """Bytes that an algorithm must hold."""

    carry: int
    gradient: int
    chunk: int
    """Bytes of the arrays of a chunk: those kept for all its steps, and those in use for the steps of a block."""

    @property
    def total(self) -> int:
        """Bytes of carry, gradient and chunk."""
        return self.carry + self.gradient + self.chunk


def footprint(sizes: Sizes) -> Footprint:
    """Add up the bytes that the algorithm must hold; a carry that no formula knows counts as its states alone."""
    weights = sum(sum(layer.weights.values()) for layer in sizes.layers)
    kept = sum(layer.neurons * (layer.states + layer.currents) for layer in sizes.layers)
    if sizes.algorithm.native:
        steps = sizes.segment(sizes.chunk) if sizes.segmented else sizes.chunk
        return Footprint(carry(sizes), 2 * sizes.itemsize * weights, sizes.itemsize * sizes.batch * steps * kept)
    forward_only = sizes.algorithm.segmented or sizes.algorithm.filters  # keeps one block only
    steps = sizes.block if forward_only else sizes.chunk
    if sizes.updates_carry and sizes.block < steps:
        kept += sum(factors_kept(sizes, index) for index in range(len(sizes.layers)))
    in_use = sum(derivatives(sizes, index) for index in range(len(sizes.layers)))
    widest = max(jacobians(sizes, index) for index in range(len(sizes.layers)))
    chunk = sizes.itemsize * sizes.batch * (steps * kept + sizes.block * (in_use + widest))
    return Footprint(carry(sizes), 2 * sizes.itemsize * weights, chunk)


def carry(sizes: Sizes) -> int:
    """Add up the bytes of the carry: states, trace, influence or filters, and the states before recomputed segments."""
    carried, total = sizes.algorithm.carry, 0
    for index, layer in enumerate(sizes.layers):
        states = layer.states * layer.neurons
        total += sizes.itemsize * states
        if sizes.algorithm.filters:
            total += sizes.itemsize * layer.presynaptic
        if carried == "filters":
            total += sizes.itemsize * layer.currents * states
        total += sizes.trace_itemsize * sum(layer.weights.values()) * adjoints(sizes, index)
        if sizes.segmented:
            total += sizes.itemsize * states * math.ceil(sizes.chunk / sizes.segment(sizes.chunk))
    return sizes.batch * total


def adjoints(sizes: Sizes, index: int) -> int:
    """Count the adjoints per weight's input current that the carry of a layer needs: Q - 1 above."""
    states = sizes.layers[index].states
    of_carry = {"trace": states, "influence": states * sizes.layers[index].neurons + sizes.states_above[index]}
    return of_carry.get(sizes.algorithm.carry, 0)


def factors_kept(sizes: Sizes, index: int) -> int:
    """Count the factors of the carry's update that a step of a layer leaves until the chunk's end."""
    layer = sizes.layers[index]
    if sizes.algorithm.carry == "states":
        return 0
    presynaptic = layer.neurons * layer.recurrent + layer.inputs * (index > 0)
    return adjoints(sizes, index) * layer.currents * layer.neurons + presynaptic


def derivatives(sizes: Sizes, index: int) -> int:
    """Count the numbers of a layer that are in use for each step of a block."""
    layer, N = sizes.layers[index], sizes.layers[index].neurons
    outputs = N * layer.recurrent + N * (index < len(sizes.layers) - 1)
    before = N * layer.states if sizes.in_blocks else 0
    carried = adjoints(sizes, index) * layer.currents * N if sizes.updates_carry else 0
    return outputs + before + carried


def jacobians(sizes: Sizes, index: int) -> int:
    """Count the numbers of a layer's Jacobians and adjoints, which one layer at a time holds."""
    layer, algorithm = sizes.layers[index], sizes.algorithm
    S, G = layer.states, layer.currents
    through_weights = S if layer.recurrent and not algorithm.keeps("none") else 0
    above = sizes.states_above[index] if algorithm.carry == "influence" and sizes.updates_carry else 0
    per_neuron = S + G + S * S + S * G + through_weights + (1 + above) * S + G
    filters = layer.presynaptic if algorithm.filters else 0
    filters += S * G * layer.neurons if algorithm.carry == "filters" else 0
    return layer.neurons * per_neuron + filters


def analytic_bytes(sizes: Sizes) -> int | None:
    """Return the total of `footprint`; None for an algorithm whose carry no formula knows."""
    return None if sizes.algorithm.carry == "other" else footprint(sizes).total


def reference_bytes(sizes: Sizes) -> int:
    """Add up the bytes that the float64 reference must hold: by formula, and a little less than it takes.

    They are the weights in float32 and float64, and their gradient; over all steps the inputs in both dtypes, and of
    every layer the states, the input currents, the recurrent lines, the lines of ones and the outputs; and in the
    backward pass twice the adjoint of one layer's input currents (implementations/reference/algorithms.py).
    """
    weights = sum(sum(layer.weights.values()) for layer in sizes.layers)
    kept = sum((layer.states + layer.currents + 1 + layer.recurrent) * layer.neurons for layer in sizes.layers)
    ones = sum(kind not in ("x", "r") for layer in sizes.layers for kind in layer.weights)
    backward = max(2 * layer.currents * layer.neurons for layer in sizes.layers)
    inputs = sizes.layers[0].inputs
    return 20 * weights + sizes.steps * sizes.batch * (4 * inputs + 8 * (inputs + kept + ones + backward))
