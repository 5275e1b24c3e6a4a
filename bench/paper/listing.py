"""Lists the paper's experiments by name, and imports the module of one.

No module of an experiment imports this file: it would import itself by way of the list.
"""

import importlib
from typing import Any

EXPERIMENTS = {
    "jacobian": "drtrl_bench.paper.studies.jacobian",
    "artificial": "drtrl_bench.paper.studies.artificial",
    "rank1_time": "drtrl_bench.paper.studies.rank1_time",
    "rank1_theory": "drtrl_bench.paper.studies.rank1_theory",
    "weight_gradient": "drtrl_bench.paper.studies.weight_gradient",
    "in_step": "drtrl_bench.paper.studies.in_step",
    "memory_speed": "drtrl_bench.paper.studies.memory_speed",
    "dms": "drtrl_bench.paper.tasks.dms",
    "shd": "drtrl_bench.paper.tasks.shd",
    "gesture": "drtrl_bench.paper.tasks.gesture",
    "connectome": "drtrl_bench.paper.studies.connectome",
    "evidence": "drtrl_bench.paper.tasks.evidence",
    "copying": "drtrl_bench.paper.tasks.copying",
    "integrator": "drtrl_bench.paper.tasks.integrator",
    "length": "drtrl_bench.paper.tasks.length",
    "lag": "drtrl_bench.paper.studies.lag",
    "along": "drtrl_bench.paper.studies.along",
}
"""The experiments by name, in the paper's order, and then those beyond it."""


def module(name: str) -> Any:
    """Import the module of an experiment, which offers what `experiment.py` lists."""
    return importlib.import_module(EXPERIMENTS[name])
