"""Measures what a gradient costs in PyTorch. Its twin is `costs_jax.py`; both protocols are explained in `costs.py`."""

import gc
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch.utils import _pytree as pytree

from drtrl_bench import lookup, registry
from drtrl_bench.case import Case
from drtrl_bench.implementations.engine import network_torch
from drtrl_bench.measure import backend_torch
from drtrl_bench.measure.problem import Problem, network
from drtrl_bench.paper.metering import costs


def corrected(case: Case, seeds: list[int], budget_s: float) -> list[costs.Row]:
    """Measure a case for each seed, by the harness's meters."""
    return costs.corrected(case, seeds, budget_s, backend_torch, refill)


def refill(backend: Any, case: Case, problem: Problem) -> Any:
    """Make the backend of another problem of the same shapes; what a graph has recorded belongs to its own tensors."""
    return backend_torch.Backend(case, problem, case.dtype)


def published(case: Case, lengths: list[int], seed: int, batches: int) -> list[costs.Row]:
    """Run batches of each length as published."""
    torch.set_num_threads(case.threads)
    return costs.published(case, lengths, seed, batches, loop, backend_torch.OUT_OF_MEMORY)


def loop(case: Case, problem: Problem) -> Iterator[costs.Batch]:
    """Yield batches: BPTT over the whole sequence, another rule as a loop over the steps."""
    algorithm, net = lookup.algorithm(case.algorithm, "torch", lookup.options(case, case.dtype)), network(case, "torch")
    device = "cpu" if case.device == "cpu" else "cuda"
    like: dict[str, Any] = {"dtype": getattr(torch, case.dtype), "device": device}
    params = [{k: torch.tensor(v, **like) for k, v in w.items()} for w in problem.params]
    leaves = [v for w in params for v in w.values()]
    adam = torch.optim.Adam(leaves, lr=costs.RATE)

    def update(grads: network_torch.Params, share: float) -> None:
        for leaf, g in zip(leaves, [g for w in grads for g in w.values()], strict=True):
            leaf.grad = g * share
        torch.nn.utils.clip_grad_norm_(leaves, costs.CLIP)
        adam.step()
        adam.zero_grad()

    def whole(inputs: torch.Tensor, targets: torch.Tensor) -> None:
        _, grads = network_torch.gradient(algorithm, net, params, inputs, targets, chunk=case.steps)
        update(grads, 1 / case.steps)

    kept: list[Any] = []

    def stepwise() -> None:
        carry = algorithm.init(net, params, case.batch)
        sums = [{k: torch.zeros_like(v) for k, v in w.items()} for w in params]
        for x, target in zip(problem.inputs, problem.targets, strict=True):
            step = torch.from_numpy(x).to(**like), torch.from_numpy(target).to(device).long()
            carry, _, grads = algorithm.advance(net, params, carry, step[0][None], step[1][None])
            network_torch.add(sums, grads)
        update(sums, 1)
        kept[:] = [carry, sums]  # the state of a published rule lives on after the batch

    def wait(_: None) -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    run: Any = stepwise
    if case.algorithm in registry.BPTT:
        on_device = torch.tensor(problem.inputs, **like), torch.tensor(problem.targets, device=device).long()
        run = partial(whole, *on_device)
    while True:
        yield costs.timed(run, wait, in_use)


def in_use() -> int:
    """Return the bytes of all tensors on the device."""
    if torch.cuda.is_available():
        return torch.cuda.memory_allocated()
    gc.collect()
    storages = [each.untyped_storage() for each in gc.get_objects() if type(each) is torch.Tensor]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def carried_bytes(case: Case) -> int:
    """Return the bytes that a rule carries from step to step."""
    algorithm, net = lookup.algorithm(case.algorithm, "torch", lookup.options(case, case.dtype)), network(case, "torch")
    like: dict[str, Any] = {"dtype": getattr(torch, case.dtype), "device": "meta"}
    params = [{k: torch.empty(v, **like) for k, v in w.items()} for w in costs.weight_shapes(case)]
    leaves = pytree.tree_leaves(algorithm.init(net, params, case.batch))
    return sum(leaf.numel() * leaf.element_size() for leaf in leaves if isinstance(leaf, torch.Tensor))
