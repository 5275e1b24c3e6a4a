"""Lists the figures of an experiment by name, without drawing them."""

from drtrl_bench.view.caption import Frame

STUDIES = {
    "jacobian": {"models": ("jacobian", "jacobian_radius"), "sweeps": ("jacobian_sweeps",)},
    "weight_gradient": {
        "models": tuple(
            f"weight_gradient{part}"
            for part in (
                "", "_readout", "_activity", "_warm_up_drtrl", "_warm_up_drtrl_norms", "_warm_up_es_drtrl",
                "_warm_up_es_drtrl_norms", "_parameters", "_parameters_norms",
            )
        ),
        "depth": ("weight_gradient_depth", "weight_gradient_depth_norms"),
        "sweeps": ("weight_gradient_sweeps", "weight_gradient_sweeps_norms", "weight_gradient_sweeps_activity"),
    },
}  # fmt: skip
"""Figures of the experiments of several studies, by study."""
OTHERS = {
    "along": ("along_training", "along_accuracy"),
    "artificial": ("jacobian_artificial",),
    "integrator": ("integrator", "integrator_length"),
}
"""Figures of experiments that have others than one of their own name."""


def names(experiment: str, rows: Frame) -> list[str]:
    """Return the names of the figures that the rows of an experiment give, without endings; no rows give none."""
    if rows.empty:
        return []
    if experiment in STUDIES:
        return [name for study, own in STUDIES[experiment].items() if (rows["study"] == study).any() for name in own]
    if experiment == "rank1_time":
        pairs = rows[["dataset", "steps"]].drop_duplicates().itertuples(index=False)
        return [f"rank1_time_{dataset}_{steps}" for dataset, steps in pairs]
    if experiment == "lag":
        return [f"lag_{readout}{part}" for readout in rows["readout"].unique() for part in ("", "_norms")]
    if experiment == "length":
        return ["length", *(f"length_{dataset}" for dataset in rows["dataset"].unique())]
    if experiment == "connectome":
        return ["connectome"] * bool((rows["study"] == "fidelity").any()) + ["connectome_activity"]
    return list(OTHERS.get(experiment, (experiment,)))
