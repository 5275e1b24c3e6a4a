"""Hold what the adapters of PyTorch libraries share: a network around their neuron, its gradient, the allocator's peak.

The network is as their users write it: the product with all inputs at once, then a loop over steps, then the readout.
"""

import os
from collections.abc import Callable
from typing import Any

import torch
from task import Arrays, Prepared, Task

Step = Callable[[torch.Tensor], torch.Tensor]
"""One step of a layer of neurons, which keep their own state: currents [B, N] -> spikes [B, N]."""
Weights = list[dict[str, torch.Tensor]]
"""The weights [J, N] of the hidden layer, and of the readout."""
Network = Callable[[Weights, torch.Tensor, float], torch.Tensor]
"""A network: weights, inputs [T, B, I], and what the readout keeps from step to step -> logits [T, B, C]."""


class Spike(torch.autograd.Function):
    """sigma(v) = 1 if v >= 0 else 0, with the derivative alpha max(width - |v|, 0), in the dtype of v."""

    @staticmethod
    def forward(ctx: Any, v: torch.Tensor, alpha: float, width: float) -> torch.Tensor:
        ctx.save_for_backward(v)
        ctx.alpha, ctx.width = alpha, width
        return (v >= 0).to(v.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        (v,) = ctx.saved_tensors
        return grads[0] * ctx.alpha * torch.relu(ctx.width - v.abs()), None, None


def prepare(task: Task, layer: Callable[[], Step], gain: float = 1.0) -> Prepared:
    """Build the gradient of a network with one layer of a library's neurons.

    layer: makes neurons at rest. gain: what their library multiplies input currents with; the weights are divided by
    it, so that the neurons get the currents that they should.
    """

    def logits(params: Weights, inputs: torch.Tensor, leak: float) -> torch.Tensor:
        hidden, readout = params
        step, spikes, outputs = layer(), None, []
        for current in torch.nn.functional.linear(inputs, hidden["x"].T, hidden["b"][0]):
            spikes = step(current if spikes is None else torch.addmm(current, spikes, hidden["r"]))
            outputs.append(spikes)
        bias = readout["b"][0] if "b" in readout else None
        logits = torch.nn.functional.linear(torch.stack(outputs), readout["x"].T, bias)
        if leak:
            rho, kept = torch.zeros_like(logits[0]), []
            for each in logits:
                rho = leak * rho + each
                kept.append(rho)
            logits = torch.stack(kept)
        return logits

    return differentiated(task, logits, gain)


def differentiated(task: Task, network: Network, gain: float = 1.0) -> Prepared:
    """Build the gradient of a network by autograd over its logits; gain as in `prepare`."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    gains = (gain, 1.0)
    params = [
        {kind: (torch.tensor(value) / divided).flatten(1).requires_grad_() for kind, value in weights.items()}
        for weights, divided in zip(task.params, gains, strict=True)
    ]
    leaves = [value for weights in params for value in weights.values()]
    inputs, targets, leak = torch.tensor(task.inputs), torch.tensor(task.targets), task.leak

    def forward() -> torch.Tensor:
        logits = network(params, inputs, leak)
        total = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")
        return total / targets.shape[1]

    def call() -> Any:
        loss = forward()
        return loss.detach(), torch.autograd.grad(loss, leaves)

    def unpack(result: Any) -> tuple[float, Arrays]:
        loss, grads = result
        left = iter(grads)
        return float(loss), [
            {kind: (next(left) / divided).reshape(value.shape).numpy() for kind, value in weights.items()}
            for weights, divided in zip(task.params, gains, strict=True)
        ]

    return Prepared(call, unpack, lambda: {"meter": "torch_peak_bytes", "working_bytes": peak_bytes(call)})


def peak_bytes(call: Callable[[], Any]) -> int:
    """Return the largest running sum of the allocator's events during a call, as the harness counts it."""
    with torch.autograd.profiler.profile(profile_memory=True) as profile:
        call()
    results: Any = profile
    events = sorted((e.start_ns(), e.nbytes()) for e in results.kineto_results.events() if e.name() == "[memory]")
    if not events:
        raise RuntimeError("the profiler reported no allocation")
    allocated = peak = 0
    for _, change in events:
        allocated += change
        peak = max(peak, allocated)
    return peak
