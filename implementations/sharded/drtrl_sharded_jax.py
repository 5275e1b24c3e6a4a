"""Compute D-RTRL's gradient of one network on n devices in JAX: each holds N / n neurons of every hidden layer.

    states, trace and gradient of a neuron      on the neuron's device: 1/n of the memory
    outputs o, recurrent outputs r              gathered in every step: B N numbers, all that devices tell each other
    adjoints                                    stay within a neuron, so within its device
    dL/do of the layer below                    summed over the devices: each knows the part by way of its own neurons
    readout                                     the same on every device

D-RTRL's adjoints keep no path through the recurrent weights, so nothing is sent backwards in time; the adjoints of BPTT
and RTRL would need the sum over all devices in every step. The code of a device is `drtrl_jax.py`'s, with cells whose
outputs are gathered. Symbols and shapes: `implementations/README.md`. The twin is `drtrl_sharded_torch.py`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array, lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from drtrl_bench.implementations.algorithms.approximate import drtrl_jax as drtrl
from drtrl_bench.implementations.engine.adjoint_jax import DIAGONAL, Rule, forward_weights
from drtrl_bench.implementations.engine.network_jax import Params, PerWeight, gradient

AXIS = "neurons"
"""The axis of the mesh along which the neurons are divided."""


def gather(shard: Array) -> Array:
    """Put the neurons [..., N / n] of all devices together, [..., N]; an adjoint takes its own device's part back."""
    whole = lax.all_gather(lax.stop_gradient(shard), AXIS, axis=shard.ndim - 1, tiled=True)
    start = lax.axis_index(AXIS) * shard.shape[-1]
    return lax.dynamic_update_slice_in_dim(whole, shard, start, shard.ndim - 1)


class Gathered:
    """A cell of which each device has some neurons: what it sends to others is gathered from all devices."""

    def __init__(self, cell: Any) -> None:
        self.cell = cell

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cell, name)

    def output(self, s: Array) -> Array:
        """Return the output o [..., N] of all neurons, from the states [..., S, N / n] of a device."""
        return gather(self.cell.output(s))

    def emit(self, s: Array) -> Array:
        """Return the recurrent output r [..., N] of all neurons, from the states [..., S, N / n] of a device."""
        return gather(self.cell.emit(s))


def summed(below: int, error: Array, cell: Any, w: PerWeight, dX_dy: Array) -> Array:
    """Feed dX/dy back through the forward weights: dX/do of layer `below`, [K, B, Q, J], by way of all devices."""
    part = forward_weights(below, error, cell, w, dX_dy)
    return lax.psum(part, AXIS) if isinstance(cell, Gathered) else part


RULE = Rule(loss=DIAGONAL, carry=DIAGONAL, feedback=summed)


class Algorithm(NamedTuple):
    """D-RTRL's `init` and `advance` with this file's rule."""

    init: Callable[..., Any] = drtrl.init
    advance: Callable[..., Any] = partial(drtrl.advance, rule=RULE)


def devices_mesh(n: int) -> Mesh:
    """Return the mesh of the first n devices. Raises ValueError if there are fewer."""
    if len(found := jax.devices()) < n:
        raise ValueError(
            f"{n} devices are asked for, and {len(found)} found; virtual ones of a CPU: "
            f"XLA_FLAGS=--xla_force_host_platform_device_count={n}"
        )
    return Mesh(np.array(found[:n]), (AXIS,))


def specs(net: Any) -> list[dict[str, PartitionSpec]]:
    """Tell of every weight [J, Gk, N] which axis is divided: the neurons' of hidden layers, none of the readout."""
    hidden = PartitionSpec(None, None, AXIS)
    return [dict.fromkeys(cell.reads, hidden) for cell in net[:-1]] + [dict.fromkeys(net[-1].reads, PartitionSpec())]


def divide(mesh: Mesh, net: Any, params: Params) -> Params:
    """Put the weights of each neuron on its device."""
    return [
        {k: jax.device_put(v, NamedSharding(mesh, spec[k])) for k, v in w.items()}
        for w, spec in zip(params, specs(net), strict=True)
    ]


def sharded_gradient(
    mesh: Mesh, net: Any, params: Params, inputs: Array, targets: Array, chunk: int, **options: Any
) -> tuple[Array, Params]:
    """Compute loss and gradient of a sequence on the devices of a mesh: inputs [T, B, I], targets [T, B].

    The gradient lies as `divide` puts the weights. options: those of `drtrl_jax.advance`. Raises ValueError for a layer
    whose neurons cannot be divided by the devices, or whose weights are masked or signed as a whole layer's.
    """
    n = mesh.devices.size
    for cell, w in zip(net[:-1], params, strict=False):
        if (N := w["x"].shape[-1]) % n:
            raise ValueError(f"{N} neurons cannot be divided among {n} devices")
        if cell.signed or any(cell.mask(kind, cell.fan_in(kind, len(w["x"]), N), N) is not None for kind in w):
            raise ValueError("masked or signed weights are not divided among devices: their pattern is the layer's")
    on_device = (*map(Gathered, net[:-1]), net[-1])
    algorithm = Algorithm(advance=partial(Algorithm().advance, **options))
    of_weights = [{k: spec[k] for k in w} for w, spec in zip(params, specs(net), strict=True)]
    whole = PartitionSpec()
    call = jax.shard_map(
        lambda params, inputs, targets: gradient(algorithm, on_device, params, inputs, targets, chunk),
        mesh=mesh,
        in_specs=(of_weights, whole, whole),
        out_specs=(whole, of_weights),
        check_vma=False,
    )
    return call(params, inputs, targets)
