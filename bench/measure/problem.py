"""The problem of a case: weights, inputs and targets drawn once, and the float64 BPTT gradient to compare with.

Drawn with NumPy from the case's seed, never from the implementation, so that every implementation of a case
gets the same arrays; they cross to the measuring process as one `.npz`. `drtrl_bench.measure.problem` makes it, in a
process of its own, so that neither its memory nor its time is the measured case's.
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
    """params and gradient: one dict per layer, readout last. inputs [T, B, I], targets [T, B]."""

    params: Gradient
    inputs: NDArray[np.float32]
    targets: NDArray[np.int32]
    gradient: Gradient
    """The exact gradient in float64: BPTT over the whole sequence, by implementations/reference/algorithms.py."""
    spikes: list[NDArray[np.bool_]]
    """The spikes [T, B, N] of each spiking layer in the float64 forward pass."""


def shape(case: Case) -> tuple[int, int]:
    """Input lines and classes of a case."""
    module = data.dataset(case.dataset)
    return case.features or module.FEATURES, module.CLASSES


def draw(case: Case) -> tuple[Gradient, NDArray[np.float32], NDArray[np.int32]]:
    """Weights, inputs and targets of a case. Raises ValueError where the data set cannot provide them."""
    module = data.dataset(case.dataset)
    extra = {"features": case.features} if case.features and case.features != module.FEATURES else {}
    if extra and "features" not in inspect.signature(module.batch).parameters:
        raise ValueError(f"{module.LABEL} has {module.FEATURES} input lines, not {case.features}")
    inputs, targets = module.batch(case.steps, case.batch, case.seed, **extra)
    wanted, sizes = (case.steps, case.batch, case.features or module.FEATURES), (np.shape(inputs), np.shape(targets))
    if sizes != (wanted, wanted[:2]):
        said = f"inputs {list(sizes[0])} and targets {list(sizes[1])}, not {list(wanted)} and {list(wanted[:2])}"
        raise ValueError(f"{module.LABEL}: batch gave {said}")
    if not np.issubdtype(targets.dtype, np.integer) or targets.max() >= module.CLASSES:
        said = f"targets of {targets.dtype} up to {targets.max()}"
        raise ValueError(f"{module.LABEL}: batch gave {said}; they must be whole numbers below {module.CLASSES}")
    rng = np.random.default_rng([case.seed, 1])  # apart from the stream that draws the data
    params, lines = [], inputs.shape[-1]
    for cell, size in zip(network(case), [case.neurons] * case.layers + [module.CLASSES], strict=True):
        params.append(cell.initial_weights(rng, lines, size))
        lines = size
    return params, inputs, targets


def network(case: Case, framework: str | None = None) -> tuple[Any, ...]:
    """The cells of a case with its initial scales."""
    from dataclasses import replace

    *hidden, readout = lookup.network(case.cell, case.readout, case.layers, framework)
    scales = {"scale_x": case.scale_x, "scale_r": case.scale_r, "initial": case.initial}
    return (*(replace(cell, **scales) for cell in hidden), replace(readout, initial=case.initial))


def solve(case: Case) -> Problem:
    """The whole problem; seconds of NumPy at the sizes of the plans."""
    from drtrl_bench.implementations.reference import algorithms as reference

    params, inputs, targets = draw(case)
    net = network(case)
    _, gradient = reference.bptt(net, params, inputs, targets)
    return Problem(params, inputs, targets, gradient, spikes(net, params, inputs))


def spikes(net: Any, params: Gradient, inputs: NDArray[Any]) -> list[NDArray[np.bool_]]:
    """Where the neurons [T, B, N] of each spiking layer spike, in float64."""
    from drtrl_bench.implementations.reference import algorithms as reference
    from drtrl_bench.implementations.reference import cells as reference_cells

    tapes = zip(net, reference.forward(net, params, inputs), strict=True)
    return [reference_cells.fired(cell, tape.states[1:]) for cell, tape in tapes if cell.spiking]


def prepared(case: Case, folder: Path, spare: Path | None = None) -> Path:
    """The problem's file, made if it is not there yet or damaged; in the spare folder where the other takes none."""
    texts = {module: path.read_text("utf-8") for module, path in provenance.problem_sources(case.dataset).items()}
    own = [path.read_text("utf-8") for path in plugins.sources(case)]
    sha = digest([repr(network(case)), texts, own, *data.loaded(case.dataset)])
    name = f"problem-{case.problem_key}-{sha}.npz"
    places = [place / name for place in (folder, spare) if place]
    for path in places:
        if diskcache.load(path):
            return path
    solved = solve(case)
    try:
        write(places[0], solved)
    except OSError as error:
        if len(places) == 1:
            raise
        diskcache.note_unwritable(places[0], error)
        write(places[1], solved)
        return places[1]
    return places[0]


def main() -> None:
    """Reads {"case", "cache", "result"} from standard input, and writes the problem's path as JSON to `result`."""
    job = json.load(sys.stdin)
    plugins.restore(job["plugins"])
    cache_folder.use(Path(job["cache"]))
    published, result = data.module("events.published"), Path(job["result"])
    try:
        told = {"problem": str(prepared(Case(**job["case"]), Path(job["cache"]), result.parent))}
    except (published.DamagedError, published.MissingError, published.ReaderError) as error:
        told = {"status": "error", "reason": str(error)}
    result.write_text(json.dumps(told | {"notes": cache_folder.Shared.notes}), encoding="utf-8")


def write(path: Path, problem: Problem) -> None:
    arrays = {"inputs": problem.inputs, "targets": problem.targets}
    arrays |= {f"spikes/{i}": np.packbits(s) for i, s in enumerate(problem.spikes)}
    arrays |= {f"shape/{i}": np.array(s.shape) for i, s in enumerate(problem.spikes)}
    for name, layers in (("param", problem.params), ("gradient", problem.gradient)):
        arrays |= {f"{name}/{i}/{k}": v for i, layer in enumerate(layers) for k, v in layer.items()}
    diskcache.save(path, arrays)


def read(path: Path) -> Problem:
    """A problem as it was written. OSError for a file that is not there, or damaged."""
    if (arrays := diskcache.load(path)) is None:
        raise OSError(f"{path}: the problem is gone, or damaged since it was made")
    layers = 1 + max(int(name.split("/")[1]) for name in arrays if name.startswith("param/"))
    found: dict[str, Gradient] = {"param": [{} for _ in range(layers)], "gradient": [{} for _ in range(layers)]}
    fired = []
    for name in arrays:
        kind, *rest = name.split("/")
        if kind in found:
            found[kind][int(rest[0])][rest[1]] = arrays[name]
        if kind == "spikes":
            size = tuple(arrays[f"shape/{rest[0]}"])
            fired.append(np.unpackbits(arrays[name], count=int(np.prod(size))).reshape(size).astype(bool))
    return Problem(found["param"], arrays["inputs"], arrays["targets"], found["gradient"], fired)


if __name__ == "__main__":
    main()
