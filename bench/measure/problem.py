"""Draw the problem of a case, weights, inputs and targets, and compute its float64 BPTT gradient to compare with.

NumPy draws the arrays from the case's seed, so that all implementations of a case get the same; they reach the
measuring process as one `.npz`. This module is run in a process of its own, so that neither its memory nor its time
is counted as the measured case's.
"""

import inspect
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drtrl_bench import data, lookup, plugins, provenance
from drtrl_bench.case import Case, digest
from drtrl_bench.files import cache_folder, diskcache
from drtrl_bench.measure.fidelity import Gradient


@dataclass(frozen=True)
class Problem:
    """Weights and data of a case, and its exact gradient.

    params and gradient: one dict per layer, readout last. inputs [T, B, I], targets [T, B].
    """

    params: Gradient
    inputs: NDArray[np.float32]
    targets: NDArray[np.int32]
    gradient: Gradient
    """The exact gradient in float64: BPTT over the whole sequence, by implementations/reference/algorithms.py."""
    spikes: list[NDArray[np.bool_]]
    """The spikes [T, B, N] of each spiking layer in the float64 forward pass."""


def shape(case: Case) -> tuple[int, int]:
    """Return the input lines and the classes of a case."""
    module = data.dataset(case.dataset)
    return case.features or module.FEATURES, module.CLASSES


def draw(case: Case) -> tuple[Gradient, NDArray[np.float32], NDArray[np.int32]]:
    """Draw the weights, inputs and targets of a case. Raises ValueError where the data set cannot provide them."""
    module = data.dataset(case.dataset)
    extra = {"features": case.features} if case.features and case.features != module.FEATURES else {}
    if extra and "features" not in inspect.signature(module.batch).parameters:
        raise ValueError(f"{module.LABEL} has {module.FEATURES} input lines, not {case.features}")
    inputs, targets = module.batch(case.steps, case.batch, case.seed, **extra)
    wanted, sizes = (case.steps, case.batch, case.features or module.FEATURES), (np.shape(inputs), np.shape(targets))
    if sizes != (wanted, wanted[:2]):
        shapes = f"inputs {list(sizes[0])} and targets {list(sizes[1])}, not {list(wanted)} and {list(wanted[:2])}"
        raise ValueError(f"{module.LABEL}: batch gave {shapes}")
    if not np.issubdtype(targets.dtype, np.integer) or targets.max() >= module.CLASSES:
        drawn = f"targets of {targets.dtype} up to {targets.max()}"
        raise ValueError(f"{module.LABEL}: batch gave {drawn}; they must be whole numbers below {module.CLASSES}")
    rng = np.random.default_rng([case.seed, 1])  # apart from the stream that draws the data
    params, lines = [], inputs.shape[-1]
    for cell, size in zip(network(case), [case.neurons] * case.layers + [module.CLASSES], strict=True):
        params.append(cell.initial_weights(rng, lines, size))
        lines = size
    return params, inputs, targets


def network(case: Case, framework: str | None = None) -> tuple[Any, ...]:
    """Return the cells of a case, readout last, with its options; without a framework their specifications."""
    from dataclasses import replace

    *hidden, readout = lookup.network(case.cell, case.readout, case.layers, framework)
    scales = {"scale_x": case.scale_x, "scale_r": case.scale_r, "initial": case.initial}
    changed = scales | case.cell_options
    return (*(replace(cell, **changed) for cell in hidden), replace(readout, initial=case.initial))


def solve(case: Case) -> Problem:
    """Draw the problem and compute its gradient and spikes: seconds of NumPy at the sizes of the plans."""
    from drtrl_bench.implementations.reference import algorithms as reference

    params, inputs, targets = draw(case)
    net = network(case)
    _, gradient = reference.bptt(net, params, inputs, targets)
    return Problem(params, inputs, targets, gradient, spikes(net, params, inputs))


def spikes(net: Any, params: Gradient, inputs: NDArray[Any]) -> list[NDArray[np.bool_]]:
    """Return where the neurons of each spiking layer spike, [T, B, N], in the float64 forward pass."""
    from drtrl_bench.implementations.reference import algorithms as reference
    from drtrl_bench.implementations.reference import cells as reference_cells

    layers = zip(net, reference.forward(net, params, inputs), strict=True)
    return [reference_cells.fired(cell, layer.states[1:]) for cell, layer in layers if cell.spiking]


def prepared(case: Case, folder: Path, spare: Path | None = None) -> Path:
    """Return the problem's file, and write it first if it is missing or damaged.

    It is in `folder`, or in the spare one if `folder` cannot be written; without a spare one that raises OSError.
    """
    texts = {module: provenance.code_of(path) for module, path in provenance.problem_sources(case.dataset).items()}
    of_plugins = [provenance.code_of(path) for path in plugins.sources(case)]
    sha = digest([repr(network(case)), texts, of_plugins, *data.label_and_fingerprint(case.dataset)])
    name = f"problem-{case.problem_key}-{sha}.npz"
    paths = [parent / name for parent in (folder, spare) if parent]
    for path in paths:
        if diskcache.load(path):
            return path
    problem = solve(case)
    try:
        write(paths[0], problem)
    except OSError as error:
        if len(paths) == 1:
            raise
        diskcache.note_unwritable(paths[0], error)
        write(paths[1], problem)
        return paths[1]
    return paths[0]


def main() -> None:
    """Solve the case of the job on standard input, and write the problem's path as JSON to the job's `result`."""
    job = json.load(sys.stdin)
    plugins.restore(job["plugins"])
    cache_folder.use(Path(job["cache"]))
    published, result = data.module("events.published"), Path(job["result"])
    try:
        answer = {"problem": str(prepared(Case(**job["case"]), Path(job["cache"]), Path(job["folder"])))}
    except (published.DamagedError, published.MissingError, published.ReaderError) as error:
        answer = {"status": "error", "reason": str(error)}
    result.write_text(json.dumps(answer | {"notes": cache_folder.Shared.notes}), encoding="utf-8")


def write(path: Path, problem: Problem) -> None:
    """Write a problem as one `.npz`. Raises OSError where that cannot be written."""
    arrays = {"inputs": problem.inputs, "targets": problem.targets}
    arrays |= {f"spikes/{i}": np.packbits(s) for i, s in enumerate(problem.spikes)}
    arrays |= {f"shape/{i}": np.array(s.shape) for i, s in enumerate(problem.spikes)}
    for name, layers in (("param", problem.params), ("gradient", problem.gradient)):
        arrays |= {f"{name}/{i}/{k}": v for i, layer in enumerate(layers) for k, v in layer.items()}
    diskcache.save(path, arrays)


def read(path: Path) -> Problem:
    """Read a problem that `write` wrote. Raises OSError for a file that is missing or damaged."""
    if (arrays := diskcache.load(path)) is None:
        raise OSError(f"{path}: the problem is gone, or damaged since it was made")
    layers = 1 + max(int(name.split("/")[1]) for name in arrays if name.startswith("param/"))
    weights: dict[str, Gradient] = {"param": [{} for _ in range(layers)], "gradient": [{} for _ in range(layers)]}
    spikes = []
    for name in arrays:
        kind, *rest = name.split("/")
        if kind in weights:
            weights[kind][int(rest[0])][rest[1]] = arrays[name]
        if kind == "spikes":
            size = tuple(arrays[f"shape/{rest[0]}"])
            spikes.append(np.unpackbits(arrays[name], count=int(np.prod(size))).reshape(size).astype(bool))
    return Problem(weights["param"], arrays["inputs"], arrays["targets"], weights["gradient"], spikes)


if __name__ == "__main__":
    main()
