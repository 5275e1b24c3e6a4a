"""Yield sequences of any length in chunks; memory holds one piece of the sequence, and one dense chunk.

A piece of a set of events (`shd`, `ssc`, `nmnist`, `dvs_gesture`) is its events in bins, a piece of `bernoulli` its
bits, and their chunks are bytes. The recordings that were read last stay in memory, too: for all streams and batches
together as many as fit in `events.recordings.BUDGET` (1 GiB). A piece of any other set is a dense array of float32.

A stream is a succession of pieces of `period` steps, each a batch of its own: recordings or trials one after the other
in every lane. Its first piece is `batch(period, size, seed)` of the data set, so a stream of that length is that batch.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drtrl_bench import data

Chunk = tuple[NDArray[Any], NDArray[np.int32]]
"""Inputs [K, B, I] as they lie on the host, counts in one byte each if the data set is sparse; targets [K, B]."""


def chunks(name: str, steps: int, size: int, seed: int, chunk: int, period: int, **options: Any) -> Iterator[Chunk]:
    """Yield `steps` steps of a data set in chunks of `chunk` steps and `size` lanes, drawn by `seed`.

    period: steps of a recording or trial. options: those of the data set's `batch`. A chunk may end one piece and begin
    the next; only the last chunk may be shorter. Memory holds the piece, the chunk, and the recordings read last, which
    grow with `steps` until they fill their budget. Raises ValueError if steps, chunk or period is below 1.
    """
    if min(steps, chunk, period) < 1:
        raise ValueError(f"steps, chunk and period must be at least 1, not {steps}, {chunk} and {period}")
    dataset, seeds = data.dataset(name), np.random.default_rng([seed, 2])
    current, begun = dataset.sparse(period, size, seed, **options), 0  # begun: the step at which the piece began
    for start in range(0, steps, chunk):
        stop = min(start + chunk, steps)
        inputs, targets, at = [], [], start
        while at < stop:
            if at == begun + period:
                current, begun = dataset.sparse(period, size, int(seeds.integers(2**31)), **options), at
            end = min(stop, begun + period)
            inputs.append(current.dense(at - begun, end - begun, np.uint8))
            targets.append(current.targets(at - begun, end - begun))
            at = end
        uncut = len(inputs) == 1
        yield (inputs[0], targets[0]) if uncut else (np.concatenate(inputs), np.concatenate(targets))
