"""Training on top of `advance`, in PyTorch: Adam with gradient clipping, an update per sequence or per chunk.

The twin is `fit_jax.py`: on the same batches both walk through the same weights. Adam: Kingma & Ba 2015
(arXiv 1412.6980), with torch.optim; a gradient whose L2 norm exceeds `clip` is scaled down to it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from drtrl_bench.implementations.engine.network_torch import Params, effective_weights, gradient, to_stored

Batch = Callable[[int], tuple[Any, Any]]
"""Number of an update -> inputs [T, B, I], targets [T, B]; the same on every call with the same number."""


def fit(
    algorithm: Any,
    net: Any,
    params: Params,
    batch: Batch,
    updates: int,
    chunk: int,
    *,
    rate: float = 1e-3,
    clip: float = 1.0,
    per_chunk: bool = False,
    checkpoint: Path | None = None,
    every: int = 100,
) -> tuple[Params, NDArray[np.float64]]:
    """Train on batch(0) ... batch(updates - 1). Returns the weights and each batch's loss.

    per_chunk: one update after each chunk of `chunk` steps, in the middle of the sequence, as online rules can;
    otherwise one after each sequence. checkpoint: an `.npz`, written after every `every` batches and at the end; if it
    is there, training goes on from it. Raises ValueError if it belongs to other weights.
    """
    params = [{k: v.detach().clone() for k, v in w.items()} for w in params]
    leaves = [v for w in params for v in w.values()]
    adam, losses = torch.optim.Adam(leaves, lr=rate), []
    for leaf in leaves:
        adam.state[leaf] = {
            "step": torch.zeros(()),
            "exp_avg": torch.zeros_like(leaf),
            "exp_avg_sq": torch.zeros_like(leaf),
        }
    tree = [*leaves, *(a for leaf in leaves for a in adam.state[leaf].values())]
    if checkpoint and checkpoint.exists():
        losses = restore(checkpoint, tree)

    def update(grads: Params) -> None:
        flat = [g for w in grads for g in w.values()]
        norm = torch.stack([g.norm() for g in flat]).norm()
        for leaf, g in zip(leaves, flat, strict=True):
            leaf.grad = g if norm < clip else g / norm * clip
        adam.step()

    for number in range(len(losses), updates):
        inputs, targets = (torch.as_tensor(a) for a in batch(number))
        inputs, targets = inputs.to(leaves[0]), targets.to(leaves[0].device, torch.int64)
        if per_chunk:
            carry, loss = algorithm.init(net, params, targets.shape[1]), 0.0
            for x, t in zip(inputs.split(chunk), targets.split(chunk), strict=True):
                effective, derivatives = effective_weights(net, params)
                carry, more, grads = algorithm.advance(net, effective, carry, x, t)
                update(to_stored(grads, derivatives))
                loss += float(more)
        else:
            loss, grads = gradient(algorithm, net, params, inputs, targets, chunk)
            update(grads)
        losses.append(float(loss))
        if checkpoint and (len(losses) % every == 0 or len(losses) == updates):
            save(checkpoint, tree, losses)
    return params, np.asarray(losses)


def save(path: Path, tree: list[torch.Tensor], losses: list[float]) -> None:
    """Write weights, Adam's moments and losses; a crash while writing leaves the file as it was."""
    leaves = {f"leaf{i}": leaf.cpu().numpy() for i, leaf in enumerate(tree)}
    new = path.with_suffix(".new.npz")
    np.savez(new, losses=np.asarray(losses), **leaves)  # pyright: ignore[reportArgumentType]
    new.replace(path)


def restore(path: Path, tree: list[torch.Tensor]) -> list[float]:
    """Put what `save` wrote into the tensors of `tree`; returns the losses."""
    with np.load(path, allow_pickle=False) as arrays:
        saved = [arrays[name] for i in range(len(tree)) if (name := f"leaf{i}") in arrays]
        if [a.shape for a in saved] != [tuple(leaf.shape) for leaf in tree] or len(arrays) != len(tree) + 1:
            raise ValueError(f"{path} belongs to another network; remove it or choose another checkpoint")
        for leaf, array in zip(tree, saved, strict=True):
            leaf.copy_(torch.from_numpy(array))
        return arrays["losses"].tolist()
