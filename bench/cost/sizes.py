"""The sizes of a case on which what its gradient costs depends: all that the formulas of this folder read."""

import math
from dataclasses import dataclass
from functools import cached_property

from drtrl_bench import lookup, registry
from drtrl_bench.case import Case
from drtrl_bench.protocols import Cell
from drtrl_bench.registry import Algorithm


@dataclass(frozen=True)
class Layer:
    """One layer, the readout among them: a neuron has `states` and, in each step, `currents` (its input currents)."""

    inputs: int
    neurons: int
    states: int
    currents: int
    fan_in: dict[str, int]
    """Presynaptic lines of each kind of weight: of "x" the inputs, of "r" the neurons, of a bias one."""
    weights: dict[str, int]
    """Numbers of each kind of weight."""

    @property
    def recurrent(self) -> bool:
        """Whether the layer has recurrent weights."""
        return "r" in self.weights

    @property
    def presynaptic(self) -> int:
        """Presynaptic values of the layer that a filter or a trace reads: its inputs and its own outputs."""
        return sum(lines for kind, lines in self.fan_in.items() if kind in ("x", "r"))


@dataclass(frozen=True)
class Sizes:
    """Steps, batch and layers of a case, how long its chunks and blocks are, and the facts of its algorithm."""

    algorithm: Algorithm
    steps: int
    """T of the sequence."""
    chunk: int
    """K of a chunk."""
    batch: int
    layers: tuple[Layer, ...]
    """The readout last."""
    itemsize: int
    """Bytes of a number."""
    trace_itemsize: int
    """Bytes of a number of a stored trace or influence."""
    longest_block: int
    """Steps of a block at most, of an algorithm that goes in blocks."""
    segments: int
    """Segments of a chunk that are recomputed; 0: the square root of its steps."""

    @property
    def classes(self) -> int:
        """Outputs of the readout."""
        return self.layers[-1].neurons

    @property
    def block(self) -> int:
        """Steps of a chunk that are at work at a time: a block of them, a segment, or all."""
        if self.algorithm.segmented:
            return self.segment(self.chunk)
        return min(self.chunk, self.longest_block) if self.in_blocks else self.chunk

    @property
    def in_blocks(self) -> bool:
        """Whether the algorithm goes through a chunk in blocks that are no recomputed segments."""
        return self.algorithm.blockwise and not self.algorithm.segmented

    @property
    def carried_on(self) -> bool:
        """Whether some chunk updates the carry: at K = T none needs to, if the algorithm goes in blocks."""
        return self.chunk < self.steps or not self.in_blocks

    @cached_property
    def states_above(self) -> tuple[int, ...]:
        """The states of all layers above each, of one sample."""
        own = [layer.states * layer.neurons for layer in self.layers]
        return tuple(sum(own[index + 1 :]) for index in range(len(own)))

    def segment(self, steps: int) -> int:
        """Steps between two states that are kept in a chunk of `steps` whose segments are recomputed."""
        return math.ceil(steps / (self.segments or round(math.sqrt(steps))))

    def recomputed(self, steps: int) -> int:
        """Steps of a chunk of `steps` that run twice: all but the last segment's, if segments are recomputed."""
        if not self.algorithm.segmented:
            return 0
        length = self.segment(steps)
        return (steps - 1) // length * length


def sizes(case: Case, inputs: int, classes: int) -> Sizes:
    """Take the sizes of a case, whose data set gives the input lines and the classes."""
    net: tuple[Cell, ...] = lookup.network(case.cell, case.readout, case.layers)
    neurons = [case.neurons] * case.layers + [classes]
    layers = []
    for cell, I, N in zip(net, [inputs, *neurons[:-1]], neurons, strict=True):
        fan_in = {kind: cell.fan_in(kind, I, N) for kind in cell.reads}
        weights = {kind: fan_in[kind] * (reads.stop - reads.start) * N for kind, reads in cell.reads.items()}
        layers.append(Layer(I, N, cell.S, cell.G, fan_in, weights))
    itemsize = 8 if case.dtype == "float64" else 4
    return Sizes(
        algorithm=registry.ALGORITHMS[case.algorithm],
        steps=case.steps,
        chunk=case.chunk,
        batch=case.batch,
        layers=tuple(layers),
        itemsize=itemsize,
        trace_itemsize=2 if case.trace_dtype == "bfloat16" else itemsize,
        longest_block=longest_block(case),
        segments=case.segments,
    )


def block(case: Case) -> int:
    """Count the steps of a chunk that an implementation works on at a time; of sizes, no layer matters."""
    return sizes(case, 1, 1).block


def longest_block(case: Case) -> int:
    """Choose the steps of a block at most, by how a case is run.

    Compiled, blocks are unrolled, which takes torch.compile a second or two for each step.
    """
    if case.mode == "compile":
        return 16
    return 256 if case.device == "gpu" and (case.framework == "jax" or case.mode == "triton") else 64
