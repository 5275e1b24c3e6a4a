"""Take from a case the sizes on which the cost of its gradient depends: all that the formulas of this folder read."""

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
    """Presynaptic lines of each kind of weight: the inputs for "x", the neurons for "r", one for a bias."""
    weights: dict[str, int]
    """How many numbers each kind of weight has."""

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
    """Steps, batch and layers of a case, the lengths of its chunks and blocks, and the facts of its algorithm."""

    algorithm: Algorithm
    steps: int
    """T, of the sequence."""
    chunk: int
    """K, the steps of a chunk."""
    batch: int
    layers: tuple[Layer, ...]
    """The readout last."""
    itemsize: int
    """Bytes of a number."""
    trace_itemsize: int
    """Bytes of a number of a stored trace or influence."""
    longest_block: int
    """Steps of a block at most, if the algorithm works in blocks."""
    segments: int
    """Segments of a chunk that are recomputed; 0 for the square root of its steps."""

    @property
    def classes(self) -> int:
        """Outputs of the readout."""
        return self.layers[-1].neurons

    @property
    def block(self) -> int:
        """Steps whose arrays exist at the same time: those of a block, of some segments, or of the whole chunk."""
        if self.segmented and not self.algorithm.native:
            return self.side_by_side(self.chunk)
        return min(self.chunk, self.longest_block) if self.in_blocks else self.chunk

    @property
    def segmented(self) -> bool:
        """Whether segments are recomputed; where the framework differentiates, only if their number is given."""
        return self.algorithm.segmented and (self.segments > 0 or not self.algorithm.native)

    @property
    def in_blocks(self) -> bool:
        """Whether the algorithm works through a chunk in blocks, and not in segments that are recomputed.

        Where the framework differentiates, a block is what torch.compile unrolls.
        """
        return self.algorithm.blockwise and (self.algorithm.native or not self.segmented)

    @property
    def updates_carry(self) -> bool:
        """Whether some chunk updates the carry: at K = T none does, if the algorithm works in blocks."""
        return self.chunk < self.steps or not self.in_blocks

    @cached_property
    def states_above(self) -> tuple[int, ...]:
        """For each layer the states of all layers above it, for one sample."""
        states = [layer.states * layer.neurons for layer in self.layers]
        return tuple(sum(states[index + 1 :]) for index in range(len(states)))

    def segment(self, steps: int) -> int:
        """Return the steps of a segment, at whose start the states are kept, in a chunk of `steps`."""
        return math.ceil(steps / (self.segments or round(math.sqrt(steps))))

    def side_by_side(self, steps: int) -> int:
        """Return the steps of the segments that run at once: as many segments as are not longer than sqrt(steps)."""
        segment = self.segment(steps)
        return max(math.ceil(steps / round(math.sqrt(steps))) // segment, 1) * segment

    def recomputed(self, steps: int) -> int:
        """Count the steps that run twice in a chunk of `steps` that has segments.

        The last segments run once, unless the framework differentiates, which does not know that they are the last.
        """
        if not self.segmented:
            return 0
        if self.algorithm.native:
            return steps
        length = self.side_by_side(steps)
        return (steps - 1) // length * length


def sizes(case: Case, inputs: int, classes: int) -> Sizes:
    """Take the sizes of a case, whose data set gives the input lines and the classes."""
    net: tuple[Cell, ...] = lookup.network(case.cell, case.readout, case.layers)
    neurons = [case.neurons] * case.layers + [classes]
    layers = []
    for cell, I, N in zip(net, [inputs, *neurons[:-1]], neurons, strict=True):
        fan_in = {kind: cell.fan_in(kind, I, N) for kind in cell.reads}
        weights = {kind: fan_in[kind] * (reads.stop - reads.start) * N for kind, reads in cell.reads.items()}
        filtered = registry.ALGORITHMS[case.algorithm].filtered and len(layers) < case.layers
        layers.append(Layer(I, N, cell.S + filtered, cell.G, fan_in, weights))
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
    """Count the steps of a chunk that an implementation works on at a time; layers and data do not matter."""
    return sizes(case, 1, 1).block


def at_once(case: Case) -> int:
    """Count the steps that `advance` is given at a time: K, or a block of filters, which need no chunk.

    Given longer chunks, ES-D-RTRL adds up the gradients of their blocks, and the fold over the chunks adds up those of
    the chunks: two sums, and the blocks' own, for one gradient.
    """
    filters = registry.ALGORITHMS[case.algorithm].filters
    return block(case) if filters and sizes(case, 1, 1).in_blocks else case.chunk


def longest_block(case: Case) -> int:
    """Choose the most steps that a block may have, by how a case is run.

    With mode "compile" blocks are unrolled, which takes torch.compile a second or two for each step. On a CPU the
    arrays of a block should stay in the cache, and 512 rows, steps times samples, are enough for a GEMM over a block;
    PyTorch takes more calls with shorter blocks. Filters are little beside a block's arrays: the blocks of ES-D-RTRL
    and OTTT are as short as they can be without being much slower: in JAX 128 rows in 8 to 32 steps, in PyTorch 32
    steps.
    """
    if case.mode == "compile":
        return 16
    if case.device == "cpu" and registry.ALGORITHMS[case.algorithm].filters:
        return min(32, max(8, 128 // case.batch)) if case.framework == "jax" else 32
    if case.device == "cpu":
        return min(64, max(16 if case.framework == "jax" else 32, 512 // case.batch))
    return 256 if case.framework == "jax" or case.mode == "triton" else 64
