"""Networks of the paper's studies of Jacobians and gradients: scales and time constants by model and data set.

The tables are those of the published code (rsnn_hidden_jacobian_cosine.py, rsnn_models_and_data.py). Every network is
one recurrent layer with threshold 1, a soft reset and the surrogate relu; its weights are drawn as the libraries of the
preprint drew them: truncated normal of variance ff / I for the inputs and rec / N for the recurrence.
"""

from typing import Any, NamedTuple

MODELS = {
    "lif_delta": "LIF-Delta",
    "lif_expcu": "LIF-ExpCu",
    "lif_std": "LIF-STD",
    "lif_stp": "LIF-STP",
    "alif_delta": "ALIF-Delta",
    "alif_expcu": "ALIF-ExpCu",
    "alif_std": "ALIF-STD",
    "alif_stp": "ALIF-STP",
}
"""The cells of a layer, and the paper's names."""
SIMPLE = ("lif_delta", "lif_expcu", "alif_delta", "alif_expcu")
"""The models of the sweeps over size and strength."""
DATASETS = {"nmnist": "N-MNIST", "dvs_gesture": "DVS-Gesture", "shd": "SHD"}
READING: dict[str, dict[str, Any]] = {"nmnist": {"first_saccade": True}, "dvs_gesture": {}, "shd": {}}
"""Options of each data set: the first saccade of N-MNIST, all of a gesture, 1.4 s of SHD; counts on all lines."""


class Setting(NamedTuple):
    """The strengths of the recurrent and the input weights, and the time constants in steps."""

    rec: float
    ff: float
    constants: dict[str, float]


EXPON = {"tau_syn": 10.0}
PLASTIC = {"tau_f": 10.0, "tau_d": 100.0}
FIXED: dict[str, dict[str, float]] = {
    "lif_delta": {},
    "lif_expcu": EXPON,
    "lif_std": EXPON,
    "lif_stp": EXPON | PLASTIC,
    "alif_delta": {"tau_a": 100.0},
    "alif_expcu": EXPON | {"tau_a": 100.0},
    "alif_std": EXPON | {"tau_a": 100.0},
    "alif_stp": {"tau_syn": 5.0, "tau_a": 100.0} | PLASTIC,
}
"""Time constants that are the same for all data sets."""
Table = dict[str, dict[str, tuple[float, ...]]]
JACOBIAN: Table = {
    "lif_delta": {"nmnist": (2, 15, 10), "dvs_gesture": (0.1, 0.1, 10), "shd": (10, 100, 10)},
    "lif_expcu": {"nmnist": (10, 30, 10), "dvs_gesture": (0.2, 1, 10), "shd": (0.1, 100, 10)},
    "lif_std": {"nmnist": (10, 20, 10, 200), "dvs_gesture": (0.2, 1, 10, 200), "shd": (0.2, 1, 10, 200)},
    "lif_stp": {"nmnist": (5, 100, 10), "dvs_gesture": (1, 4, 10), "shd": (5, 20, 10)},
    "alif_delta": {"nmnist": (1, 1, 10), "dvs_gesture": (0.5, 0.5, 10), "shd": (0.5, 0.5, 10)},
    "alif_expcu": {"nmnist": (10, 20, 10), "dvs_gesture": (1, 5, 10), "shd": (10, 20, 10)},
    "alif_std": {"nmnist": (5, 20, 10, 100), "dvs_gesture": (1, 4, 10, 200), "shd": (10, 30, 10, 200)},
    "alif_stp": {"nmnist": (3, 20, 5), "dvs_gesture": (1, 4, 5), "shd": (6, 40, 5)},
}
"""rec, ff, tau, and tau_std: those of the study of Jacobians."""
SETTING_1: Table = {
    "lif_delta": {"nmnist": (0.2, 1.5, 10), "": (0.1, 0.1, 10)},
    "lif_expcu": {"nmnist": (10, 100, 10), "": (4, 20, 10)},
    "lif_std": {"nmnist": (40, 100, 10, 200), "": (8, 20, 10, 200)},
    "lif_stp": {"nmnist": (5, 100, 10), "": (5, 20, 10)},
    "alif_delta": {"nmnist": (1, 1, 10), "": (0.5, 0.5, 10)},
    "alif_expcu": {"nmnist": (20, 100, 10), "": (10, 20, 10)},
    "alif_std": {"nmnist": (10, 100, 10, 100), "": (10, 30, 10, 200)},
    "alif_stp": {"nmnist": (6, 100, 5), "": (6, 40, 5)},
}
"""The same of `model_setting_1`: the sweeps, the traces over time and the gradients; "" is for all other data sets."""


def setting(table: Table, cell: str, dataset: str) -> Setting:
    """Return the setting of a cell on a data set."""
    rec, ff, tau, *more = table[cell].get(dataset) or table[cell][""]
    return Setting(rec, ff, FIXED[cell] | {"tau": float(tau)} | ({"tau_std": float(more[0])} if more else {}))
