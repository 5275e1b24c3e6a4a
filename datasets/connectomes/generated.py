"""Draw a synthetic connectome of the size of a fly's brain, with assumed log-normal degrees.

The whole brain of a fruit fly has some 130,000 neurons and, without a threshold on the number of synapses, some
15,000,000 connected pairs (FlyWire: Dorkenwald et al. 2024, Nature 634:124; as a model: Shiu et al. 2024, Nature
634:210). All else is assumed, and fitted to no data: in- and out-degrees are log-normal, independent of each other, and
so is the number of synapses of a pair; 70 % of the neurons excite. There is no space, no cell type and no motif.
"""

import numpy as np

from drtrl_bench.datasets.connectomes.connectome import Connectome

NEURONS, PAIRS = 130_000, 15_000_000
"""Size of the whole brain."""
SPREAD = 1.0
"""Standard deviation over neurons of the logarithm of in- and of out-degrees; assumed."""
EXCITATORY = 0.7
"""Share of neurons that excite; assumed."""


def generated(neurons: int, pairs: int, seed: int = 0) -> Connectome:
    """Draw `pairs` pairs of `neurons` neurons by `seed`; no neuron synapses onto itself.

    Raises ValueError if more than half of all possible pairs are asked for: the degrees could not be log-normal.
    """
    if not 0 < pairs <= neurons * (neurons - 1) // 2:
        raise ValueError(f"{neurons} neurons cannot have {pairs} pairs: ask for 1 to {neurons * (neurons - 1) // 2}")
    rng = np.random.default_rng(seed)
    share = [np.cumsum(draw) / draw.sum() for draw in rng.lognormal(0, SPREAD, (2, neurons))]
    keys = np.empty(0, np.int64)
    while (missing := pairs - len(keys)) > 0:
        draws = (np.searchsorted(each[:-1], rng.random(missing + missing // 10 + 1)) for each in share)
        pre, post = draws
        keys = np.union1d(keys, (pre * neurons + post)[pre != post])
    keys = np.sort(rng.choice(keys, pairs, replace=False)) if missing else keys
    pre, post = (each.astype(np.int32) for each in np.divmod(keys, neurons))
    sign = np.where(rng.random(neurons) < EXCITATORY, 1, -1)
    synapses = np.ceil(rng.lognormal(0.5, 1.0, pairs)).astype(np.float32)
    return Connectome(f"generated connectome (synthetic, {neurons} neurons)", neurons, pre, post, synapses * sign[pre])
