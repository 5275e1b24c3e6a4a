"""Test whether a data set can be learned: train a network by BPTT, and then test it once.

`python -m drtrl_bench.experiments.learning nmnist --out results/learning.csv` appends a row. The settings were chosen
on training and validation parts; the test part is used once, with the last weights.
"""

import csv
import os
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.progress import Progress

from drtrl_bench import data, lookup
from drtrl_bench.case import Case
from drtrl_bench.files import regular
from drtrl_bench.measure import environment, problem
from drtrl_bench.process import signals
from drtrl_bench.view import display

console = display.Console()


@dataclass(frozen=True)
class Setting:
    """The network that is trained on a data set, and how."""

    steps: int
    features: int = 0
    neurons: int = 64
    batch: int = 32
    updates: int = 300
    rate: float = 3e-3
    scale_x: float = 1.0
    cell: str = "gru"
    options: dict[str, Any] = field(default_factory=dict)
    """Options of the data set's `batch`, for every part; `augment` for training only."""
    test: int = 2000
    """Recordings or trials of the test at most."""
    per_step: bool = False
    """Whether each step has a target of its own."""
    chance: float = 0.0
    """Accuracy of the best constant answer; 0 for one over the number of classes."""


SETTINGS = {
    "nmnist": Setting(steps=60, features=578, updates=400),
    "dvs_gesture": Setting(steps=60, features=512, updates=400, options={"binary": True}),
    "shd": Setting(steps=100, features=140, neurons=128, updates=400),
    "ssc": Setting(steps=100, features=140, neurons=128, updates=400),
    "dms": Setting(steps=67, batch=64, updates=600),
    "evidence": Setting(steps=88, batch=64, updates=600),
    "copying": Setting(steps=30, batch=64, updates=1500, per_step=True, chance=1 / 8),
    "integrator": Setting(steps=25, batch=64, updates=600, per_step=True, chance=0.338),
}
SEEDS = {"test": 0, "valid": 1, "train": 2}
"""Seeds that draw the recordings or trials of each part for its accuracy; those of training updates begin at 2**20."""
COLUMNS: tuple[str, ...] = (
    "dataset", "data", "fingerprint", "cell", "algorithm", "framework", "neurons", "features", "steps", "batch",
    "updates", "rate", "scale_x", "options", "seed", "seconds", "first_loss", "last_loss", "train_accuracy",
    "valid_accuracy", "test_accuracy", "low", "high", "tested", "chance", "started",
    "commit", "dirty", "cpu", "versions",
)  # fmt: skip


def train(name: str, setting: Setting, seed: int) -> dict[str, Any]:
    """Train in JAX, with an update per batch, measure the accuracy on each part, and return a row of the table."""
    import jax

    from drtrl_bench.implementations.algorithms.exact import bptt_jax
    from drtrl_bench.implementations.training import fit_jax

    case = Case(
        dataset=name,
        cell=setting.cell,
        features=setting.features,
        neurons=setting.neurons,
        batch=setting.batch,
        steps=setting.steps,
        scale_x=setting.scale_x,
        seed=seed,
    )
    net = problem.network(case, "jax")
    params: Any = jax.tree.map(lambda w: jax.numpy.asarray(w, case.dtype), problem.draw(case)[0])
    progress = Progress(console=console, disable=not console.is_terminal)
    task = progress.add_task(f"{name} {setting.cell}", total=setting.updates)

    def drawn(number: int) -> tuple[Any, Any]:
        progress.update(task, completed=number)
        return batch(name, setting, "train", 2**20 * (seed + 1) + number, setting.batch)

    described, checkout = environment.describe(), environment.checkout()
    started, clock = datetime.now(UTC), time.perf_counter()
    with progress:
        params, losses = fit_jax.fit(bptt_jax, net, params, drawn, setting.updates, setting.steps, rate=setting.rate)
    seconds = time.perf_counter() - clock
    right = {split: correct(name, setting, split, net, params) for split in ("train", "valid", "test")}
    low, high = wilson(float(right["test"].sum()), len(right["test"]))
    return {
        **asdict(setting),
        "dataset": name,
        "data": data.dataset(name).LABEL,
        "fingerprint": data.fingerprint(name),
        "features": data.shape(case.dataset, case.features)[0],
        "algorithm": "bptt",
        "framework": "jax",
        "seed": seed,
        "seconds": round(seconds, 1),
        "first_loss": round(float(losses[:10].mean()), 3),
        "last_loss": round(float(losses[-10:].mean()), 3),
        **{f"{split}_accuracy": round(float(hits.mean()), 4) for split, hits in right.items()},
        "low": round(low, 4),
        "high": round(high, 4),
        "tested": len(right["test"]),
        "chance": round(setting.chance or 1 / data.shape(case.dataset, case.features)[1], 4),
        "started": started.isoformat(timespec="seconds"),
        **{key: checkout.get(key) for key in ("commit", "dirty")},
        "cpu": described.get("cpu"),
        "versions": " ".join(f"{k} {v}" for k, v in described["versions"].items() if v),
    }


def batch(name: str, setting: Setting, split: str, seed: int, size: int) -> tuple[Any, Any]:
    """Draw a batch of a part of a data set; generated data are new in every part."""
    dataset, options = data.dataset(name), dict(setting.options)
    if dataset.events:
        options |= {"split": split, "features": setting.features or dataset.FEATURES}
        if split != "train":
            options.pop("augment", None)
    return dataset.batch(setting.steps, size, seed, **options)


def unavailable(name: str) -> str | None:
    """Say what to do about the first part of a data set that is missing, or None."""
    events, availability = data.dataset(name).events, data.module("events.availability")
    if events is None:
        return None
    try:
        for split in events.published.archives:
            availability.part_path(events.published, split)
    except (availability.MissingError, NotADirectoryError) as error:
        return str(error)
    return None


def correct(name: str, setting: Setting, split: str, net: Any, params: Any) -> NDArray[np.float64]:
    """Return for each recording of a part 1 if the target's mean output over the labelled steps is the largest, else 0.

    If each step has a target of its own (copying, integrator), return the share of each trial's targets whose output is
    the largest.
    """
    import jax
    import jax.numpy as jnp

    from drtrl_bench.implementations.engine import network_jax

    number = setting.test
    if events := data.dataset(name).events:
        number = min(number, len(events.recordings(split)[1]))
    inputs, targets = batch(name, setting, split, SEEDS[split], number)

    @jax.jit
    def logits(inputs: Any) -> Any:
        effective, _ = network_jax.effective_weights(net, params)
        x = inputs
        for cell, w, s0 in zip(
            net, effective, network_jax.initial_states(net, effective, inputs.shape[1]), strict=True
        ):
            x = cell.output(network_jax.layer(cell, w, s0, x)[0])
        return x

    parts = [slice(i, i + setting.batch) for i in range(0, number, setting.batch)]
    out = np.concatenate([np.asarray(logits(jnp.asarray(inputs[:, part]))) for part in parts], axis=1)
    labelled = targets >= 0
    if not setting.per_step:
        mean = (out * labelled[..., None]).sum(axis=0)
        return (mean.argmax(axis=-1) == targets.max(axis=0)).astype(float)
    right = (out.argmax(axis=-1) == targets) & labelled
    return right.sum(axis=0) / labelled.sum(axis=0)


def wilson(right: float, number: int, z: float = 1.96) -> tuple[float, float]:
    """Return the 95 % interval of the share `right` / `number` of independent recordings or trials (Wilson 1927).

    A trial with many targets counts once, as the share of them that is right: the errors of a running sum come
    together. Such shares vary at most as much as answers that are right or wrong, so their interval is wide enough.
    """
    p = right / number
    width = z * np.sqrt(p * (1 - p) / number + z**2 / (4 * number**2))
    centre, scale = p + z**2 / (2 * number), 1 + z**2 / number
    return float((centre - width) / scale), float((centre + width) / scale)


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Data sets; all if left out.")] = None,
    out: Annotated[Path, typer.Option(help="Table to append to.")] = Path("results/local/learning.csv"),
    cell: Annotated[str | None, typer.Option(help="Another cell than the setting's.")] = None,
    scale_x: Annotated[float | None, typer.Option(help="Another scale of the input weights.")] = None,
    updates: Annotated[int | None, typer.Option(help="Another number of updates.")] = None,
    seed: int = 0,
) -> None:
    """Train a network by BPTT on data sets, test it once, and append a row for each.

    Example: python -m drtrl_bench.experiments.learning nmnist dms --out results/learning.csv
    """
    for name in names or SETTINGS:
        if name not in SETTINGS:
            raise ValueError(f"data set {name!r}: {lookup.nearest(name, SETTINGS)}")
        if reason := unavailable(name):
            raise FileNotFoundError(reason)
    out.parent.mkdir(parents=True, exist_ok=True)
    os.close(regular.descriptor(out, os.O_WRONLY | os.O_CREAT))  # or minutes of training would end in an error
    for name in names or SETTINGS:
        changed = {"cell": cell, "scale_x": scale_x, "updates": updates}
        setting = replace(SETTINGS[name], **{k: v for k, v in changed.items() if v is not None})
        row = train(name, setting, seed)
        new = not out.stat().st_size
        with out.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow(row)
        training = f"{row['data']}: {row['cell']}, {row['updates']} updates in {row['seconds']:.0f} s"
        interval = f"({row['low']:.3f} to {row['high']:.3f}, {row['tested']} tested)"
        console.print(f"{training}: {row['test_accuracy']:.3f} {interval}, chance {row['chance']:.3f}", soft_wrap=True)


def command() -> None:
    """Run the command line; bad input is one line on standard error and exit code 2."""
    display.prepare()
    try:
        typer.run(main)
    except (OSError, ValueError) as error:
        print(display.shown(f"drtrl_bench.experiments.learning: {error}"), file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    signals.run(command)
