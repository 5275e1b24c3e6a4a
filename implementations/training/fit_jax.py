"""Train a network in JAX: Adam with gradient clipping, one update of the weights per sequence or per chunk.

The twin is `fit_torch.py`: on the same batches both give the same weights. Adam: Kingma & Ba 2015
(arXiv 1412.6980), with optax; a gradient whose L2 norm exceeds `clip` is scaled down to it.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from drtrl_bench.implementations.engine.network_jax import Params, effective_weights, gradient, to_stored

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
    state, losses = clipped_adam(clip).init(params), []
    if checkpoint and checkpoint.exists():
        params, state, losses = restore(checkpoint, (params, state))

    change_weights = partial(update, rate=rate, clip=clip, frozen=frozen)

    @jax.jit
    def advance(params: Params, carry: Any, inputs: Any, targets: Any) -> tuple[Any, Any, Params]:
        effective, derivatives = effective_weights(net, params)
        carry, loss, grads = algorithm.advance(net, effective, carry, inputs, targets)
        return carry, loss, to_stored(grads, derivatives)

    of_sequence = of_sequence or jax.jit(partial(gradient, algorithm, net, chunk=chunk))
    for number in range(len(losses), updates):
        inputs, targets = (jnp.asarray(a) for a in batch(number))
        inputs = inputs.astype(params[0]["x"].dtype)
        if per_chunk:
            carry, loss = algorithm.init(net, params, targets.shape[1]), 0.0
            for start in range(0, len(targets), chunk):
                steps = slice(start, start + chunk)
                carry, more, grads = advance(params, carry, inputs[steps], targets[steps])
                params, state = change_weights(params, state, grads)
                loss = loss + more
        else:
            loss, grads = of_sequence(params, inputs, targets)
            params, state = change_weights(params, state, grads)
        losses.append(float(loss))
        if checkpoint and (len(losses) % every == 0 or len(losses) == updates):
            save(checkpoint, (params, state), losses)
        if observe and observe(len(losses), params):
            break
    return params, np.asarray(losses)


def clipped_adam(clip: float) -> optax.GradientTransformation:
    """Return what makes a clipped gradient Adam's direction, which the learning rate scales."""
    return optax.chain(optax.clip_by_global_norm(clip), optax.scale_by_adam())


@partial(jax.jit, static_argnames=("clip", "frozen"))
def update(
    params: Params, state: Any, grads: Params, rate: float, *, clip: float, frozen: Frozen
) -> tuple[Params, Any]:
    """Change the weights by a gradient, which is 0 for frozen ones: the weights, and Adam's state."""
    grads = [
        {k: jnp.zeros_like(g) if (layer, k) in frozen else g for k, g in w.items()} for layer, w in enumerate(grads)
    ]
    direction, state = clipped_adam(clip).update(grads, state)
    return jax.tree.map(lambda w, d: w - rate * d, params, direction), state


def save(path: Path, tree: Any, losses: list[float]) -> None:
    """Write weights, Adam's state and losses to an .npz file; a crash while writing leaves the file as it was."""
    leaves = {f"leaf{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(tree))}
    new = path.with_suffix(".new.npz")
    np.savez(new, losses=np.asarray(losses), **leaves)  # pyright: ignore[reportArgumentType]
    new.replace(path)


def restore(path: Path, like: Any) -> tuple[Params, Any, list[float]]:
    """Read the weights, Adam's state and losses that `save` wrote.

    like: weights and Adam's state of the same shapes. Raises ValueError if the file's arrays have other shapes.
    """
    leaves, structure = jax.tree.flatten(like)
    with np.load(path, allow_pickle=False) as arrays:
        saved = [arrays[name] for i in range(len(leaves)) if (name := f"leaf{i}") in arrays]
        if [a.shape for a in saved] != [np.shape(leaf) for leaf in leaves] or len(arrays) != len(leaves) + 1:
            raise ValueError(f"{path} belongs to another network; remove it or choose another checkpoint")
        params, state = jax.tree.unflatten(structure, [jnp.asarray(a) for a in saved])
        return params, state, arrays["losses"].tolist()
