"""Train a network in PyTorch: Adam with gradient clipping, one update of the weights per sequence or per chunk.

The twin is `fit_jax.py`: on the same batches both give the same weights. Adam: Kingma & Ba 2015
(arXiv 1412.6980), with torch.optim; a gradient whose L2 norm exceeds `clip` is scaled down to it.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from drtrl_bench.implementations.engine.network_torch import Params, effective_weights, gradient, to_stored

Batch = Callable[[int], tuple[Any, Any]]
"""A function from the number of an update to inputs [T, B, I] and targets [T, B], the same on every call."""
Frozen = frozenset[tuple[int, str]]
"""Layers and kinds of weights that keep their values: their gradient counts as 0, before it is clipped."""
Observe = Callable[[int, Any], bool]
"""A function of the number of batches so far and the weights; True ends the training."""


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
    frozen: Frozen = frozenset(),
    observe: Observe | None = None,
    of_sequence: Callable[..., tuple[Any, Params]] | None = None,
) -> tuple[Params, NDArray[np.float64]]:
    """Train on batch(0) ... batch(updates - 1), and return the weights and the losses [updates] of the batches.

    algorithm: a module with `init` and `advance`. rate: Adam's learning rate. clip: largest L2 norm of a gradient.
    per_chunk: update the weights after each chunk of `chunk` steps, in the middle of the sequence, as online algorithms
    can; otherwise after each sequence. checkpoint: an `.npz` file, written after every `every` batches and at the end;
    if the file exists, training continues from it. Raises ValueError if the file belongs to other weights. frozen: what
    is not trained. observe: called after every batch; training ends where it returns True. of_sequence: the gradient
    (params, inputs, targets) -> loss, gradient, compiled before, so that several trainings share it.
    """
    of_sequence = of_sequence or partial(gradient, algorithm, net, chunk=chunk)
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
        flat = [
            torch.zeros_like(g) if (layer, k) in frozen else g for layer, w in enumerate(grads) for k, g in w.items()
        ]
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
            loss, grads = of_sequence(params, inputs, targets)
            update(grads)
        losses.append(float(loss))
        if checkpoint and (len(losses) % every == 0 or len(losses) == updates):
            save(checkpoint, tree, losses)
        if observe and observe(len(losses), params):
            break
    return params, np.asarray(losses)


def save(path: Path, tree: list[torch.Tensor], losses: list[float]) -> None:
    """Write weights, Adam's state and losses to an .npz file; a crash while writing leaves the file as it was."""
    leaves = {f"leaf{i}": leaf.cpu().numpy() for i, leaf in enumerate(tree)}
    new = path.with_suffix(".new.npz")
    np.savez(new, losses=np.asarray(losses), **leaves)  # pyright: ignore[reportArgumentType]
    new.replace(path)


def restore(path: Path, tree: list[torch.Tensor]) -> list[float]:
    """Copy the weights and Adam's state that `save` wrote into the tensors of `tree`, and return the losses.

    Raises ValueError if the file's arrays have other shapes.
    """
    with np.load(path, allow_pickle=False) as arrays:
        saved = [arrays[name] for i in range(len(tree)) if (name := f"leaf{i}") in arrays]
        if [a.shape for a in saved] != [tuple(leaf.shape) for leaf in tree] or len(arrays) != len(tree) + 1:
            raise ValueError(f"{path} belongs to another network; remove it or choose another checkpoint")
        for leaf, array in zip(tree, saved, strict=True):
            leaf.copy_(torch.from_numpy(array))
        return arrays["losses"].tolist()
