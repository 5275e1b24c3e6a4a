"""Load FlyWire's connectome of a fruit fly's brain, as the whole-brain model of Shiu et al. 2024 publishes it.

    Connectivity_783.parquet     one row for each connected pair: indices of its neurons, synapses with their sign
    Completeness_783.csv         one row for each neuron

Sources: Dorkenwald et al. 2024 (Nature 634:124), Shiu et al. 2024 (Nature 634:210). The files lie in
$DRTRL_BENCH_DATA/flywire, else in ~/.cache/drtrl-bench/data/flywire.
"""

from importlib.util import find_spec

import numpy as np

from drtrl_bench.datasets.connectomes.connectome import Connectome
from drtrl_bench.datasets.events.folders import data_folder

FOLDER, PAIRS, NEURONS = "flywire", "Connectivity_783.parquet", "Completeness_783.csv"
COLUMNS = ("Presynaptic_Index", "Postsynaptic_Index", "Excitatory x Connectivity")


def unavailable() -> str | None:
    """Tell in one line what is missing, and what to do about it; or None."""
    folder = data_folder() / FOLDER
    if missing := [name for name in (PAIRS, NEURONS) if not (folder / name).is_file()]:
        return (
            f"no {' and no '.join(missing)} in {folder}: put the files of FlyWire's release 783 there, which the "
            "whole-brain model of Shiu et al. 2024 publishes with its code; or take the generated connectome"
        )
    if find_spec("pyarrow") is None:
        return "FlyWire's pairs are a parquet file, and nothing that reads it is installed: pip install pyarrow"
    return None


def flywire() -> Connectome:
    """Load the whole brain. Raises FileNotFoundError for missing files, ValueError for files that disagree."""
    import pandas as pd

    if reason := unavailable():
        raise FileNotFoundError(reason)
    folder = data_folder() / FOLDER
    neurons = len(pd.read_csv(folder / NEURONS, usecols=[0]))
    pairs = pd.read_parquet(folder / PAIRS, columns=list(COLUMNS))
    pre, post, weight = (pairs[name].to_numpy() for name in COLUMNS)
    if len(pairs) and (last := int(max(pre.max(), post.max()))) >= neurons:
        raise ValueError(
            f"{PAIRS} has neuron {last} and {NEURONS} ends at {neurons - 1}: take both files of one release"
        )
    return Connectome("FlyWire 783", neurons, pre.astype(np.int32), post.astype(np.int32), weight.astype(np.float32))
