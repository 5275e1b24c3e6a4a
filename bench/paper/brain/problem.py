"""Draws a spiking network on a generated connectome, and frames of the activity of its neuropils.

As in the published model, every neuron has a potential, a synaptic current and a count of its spikes. The mean count of
the neurons of a neuropil, in proportion to their synapses, is read at the last step of a frame alone. Input lines, one
for each neuropil, spike at the rates of a frame of the neuropils' activity. The target is the neuropil that is the most
active one in the next frame: in the published model it is the rate of each neuropil, by a squared error.

Each neuron has a constant current, by which alone it would spike at a rate that is log-normal around 20 Hz. In the
published model the first potentials are drawn instead, and a line's spikes differ from neuron to neuron. The activity
is synthetic, too: six slow processes of Ornstein and Uhlenbeck, which the neuropils mix.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drtrl_bench.datasets.connectomes.generated import generated
from drtrl_bench.implementations.sparse.pattern import Pattern, pattern_of

Array = NDArray[np.float64]
TAU, TAU_SYN = 20.0, 5.0
"""ms: time constants of the potential and of the synaptic current."""
SYNAPSE = 0.000825
"""What a spike adds to the synaptic current for one synapse, in thresholds."""
INPUT = 0.1
"""Standard deviation of an input weight, in thresholds."""
OWN_RATE, SPREAD, HIGHEST = 0.02, 0.3, 0.1
"""Spikes per ms: of a neuron alone, with the deviation of its logarithm over neurons; of a line, at most."""
PROCESSES, FRAMES_PER_TAU = 6, 12.0
"""Processes that the neuropils mix, and their time constant: 10 s, in frames of 1.2 Hz."""


class Problem(NamedTuple):
    """Hold a network of one layer and its readout, and B frames of T steps."""

    patterns: list[dict[str, Pattern]]
    """Which synapses exist, by kind of weight of each layer: the connectome, and the readout's."""
    params: list[dict[str, Array]]
    """Weights of each layer: x [M, 1, N], r and the readout's x in the slots of their patterns, b [1, 1, N]."""
    inputs: Array
    """Spikes of the M lines [T, B, M]."""
    targets: NDArray[np.int32]
    """The most active neuropil of the next frame [T, B], -1 before the last step."""

    def sample(self, number: int) -> "Problem":
        """Return the problem of one frame alone."""
        return self._replace(inputs=self.inputs[:, number : number + 1], targets=self.targets[:, number : number + 1])


def draw(job: dict[str, Any]) -> Problem:
    """Draw the connectome, the weights and the frames of a job, by its seed."""
    N, M, seed = job["neurons"], job["neuropils"], job["seed"]
    brain, rng = generated(N, N * job["partners"], seed), np.random.default_rng([seed, 1])
    order, each = np.lexsort((brain.post, brain.pre)), np.arange(N)
    recurrent, home = pattern_of(brain.pre, brain.post, N, N), rng.permutation(N) % M
    members = pattern_of(each, home, N, M)
    synapses = np.bincount(brain.pre, np.abs(brain.weight), N)
    share = synapses / np.bincount(home, synapses, M)[home]
    hidden = {
        "x": INPUT * rng.standard_normal((M, 1, N)),
        "r": recurrent.pack(job["strength"] * SYNAPSE * brain.weight[order].astype(float)),
        "b": own_current(rng, N, job["ms"])[None, None],
    }
    inputs, targets = frames(rng, M, job["steps"], job["samples"], job["ms"])
    return Problem([{"r": recurrent}, {"x": members}], [hidden, {"x": members.pack(share)}], inputs, targets)


def own_current(rng: np.random.Generator, N: int, ms: float) -> Array:
    """Draw the constant current of each neuron [N], which takes its potential from 0 to the threshold in its period."""
    period = np.maximum(rng.lognormal(-np.log(OWN_RATE), SPREAD, N), 2 * ms)
    return (1 - np.exp(-ms / TAU_SYN)) / (1 - np.exp(-period / TAU))


def frames(rng: np.random.Generator, M: int, steps: int, size: int, ms: float) -> tuple[Array, NDArray[np.int32]]:
    """Draw `size` frames of activity of M neuropils: the spikes of the lines, and the targets.

    Rates are half of the highest and a quarter of it for each standard deviation, within 0 and the highest.
    """
    kept, mixed = np.exp(-1 / FRAMES_PER_TAU), rng.standard_normal((PROCESSES, M)) / np.sqrt(PROCESSES)
    process = rng.standard_normal((size, PROCESSES))
    after = kept * process + np.sqrt(1 - kept**2) * rng.standard_normal((size, PROCESSES))
    rates = HIGHEST * ms * np.clip(0.5 + 0.25 * process @ mixed, 0, 1)
    targets = np.full((steps, size), -1, np.int32)
    targets[-1] = (after @ mixed).argmax(axis=1)
    return (rng.random((steps, size, M)) < rates).astype(float), targets
