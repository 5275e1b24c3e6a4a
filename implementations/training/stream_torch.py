"""Fold `advance` over a stream of chunks in PyTorch: the gradient of a sequence that is never in memory all at once.

The twin is `stream_jax.py`. `network_torch.gradient` is the same fold over a sequence on the device.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from drtrl_bench.implementations.engine.network_torch import Params, add, effective_weights, to_stored

Chunks = Iterable[tuple[Any, Any]]
"""Pairs of inputs [K, B, I], of any type of number, and targets [K, B], on the host."""


def streaming(algorithm: Any, net: Any) -> Callable[[Params, Chunks], tuple[Tensor, Params]]:
    """Return the function of weights and chunks that computes loss and gradient, for one algorithm and network.

    A chunk is copied to the device in its own type of number, and converted to the weights' type there. The function
    raises ValueError if there is no chunk.
    """

    def gradient(params: Params, chunks: Chunks) -> tuple[Tensor, Params]:
        like = params[0]["x"]
        effective, derivatives = effective_weights(net, params)
        total = like.new_zeros(())
        sums = [{k: torch.zeros_like(v) for k, v in w.items()} for w in params]
        carry, waiting = None, None

        def advance(chunk: tuple[Any, Any], last: bool) -> None:
            nonlocal carry
            inputs, targets = (torch.as_tensor(a).to(like.device) for a in chunk)
            carry, loss, grads = algorithm.advance(
                net, effective, carry, inputs.to(like.dtype), targets.to(torch.int64), last=last
            )
            total.add_(loss)
            add(sums, grads)

        for chunk in chunks:
            if carry is None:
                carry = algorithm.init(net, effective, chunk[1].shape[1])
            if waiting is not None:
                advance(waiting, last=False)
            waiting = chunk
        if waiting is None:
            raise ValueError("a stream needs at least one chunk")
        advance(waiting, last=True)
        return total, to_stored(sums, derivatives)

    return gradient
