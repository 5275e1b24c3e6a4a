"""Run as a process: a sharded gradient on virtual devices, its distance from the NumPy reference, and its bytes."""

import json
import os
import sys


def main(devices: int, cell: str, layers: int, N: int, T: int, K: int, B: int, dtype: str) -> None:
    """Print {"error", "norm", "loss_error", "bytes": [one device, each of several]}."""
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    import jax
    import jax.numpy as jnp
    import numpy as np
    from support.problems import in_framework, network, problem

    from drtrl_bench.implementations.algorithms.approximate import drtrl_jax
    from drtrl_bench.implementations.engine.network_jax import gradient
    from drtrl_bench.implementations.reference import algorithms as reference
    from drtrl_bench.implementations.sharded import drtrl_sharded_jax as sharded

    jax.config.update("jax_enable_x64", True)
    spec = network(cell, layers, "leaky")
    posed = problem(spec, T=T, B=B, I=8, N=N, wider=4)
    net = in_framework(spec, "jax")
    inputs, targets = jnp.asarray(posed.inputs, dtype), jnp.asarray(posed.targets)
    params = jax.tree.map(lambda a: jnp.asarray(a, dtype), posed.params)
    mesh = sharded.devices_mesh(devices)
    divided = sharded.divide(mesh, net, params)
    of_several = jax.jit(lambda *a: sharded.sharded_gradient(mesh, net, *a, chunk=K)).lower(divided, inputs, targets)
    of_one = jax.jit(lambda *a: gradient(drtrl_jax, net, *a, chunk=K)).lower(params, inputs, targets)
    several, one = (lowered.compile() for lowered in (of_several, of_one))
    stats = [compiled.memory_analysis() for compiled in (one, several)]
    loss, grads = several(divided, inputs, targets)
    found: dict[str, object] = {"bytes": [s.temp_size_in_bytes + s.output_size_in_bytes for s in stats]}
    if dtype == "float64":
        true_loss, truth = reference.drtrl(*posed)
        pairs = [(np.asarray(g[k]), t[k]) for g, t in zip(grads, truth, strict=True) for k in t]
        found["error"] = max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)
        found["norm"] = min(float(np.abs(b).max()) for _, b in pairs)
        found["loss_error"] = abs(float(loss) / true_loss - 1)
        found["devices"] = len(next(iter(grads[0].values())).sharding.device_set)
    print(json.dumps(found))


if __name__ == "__main__":
    devices, layers, N, T, K, B = (int(word) for word in (sys.argv[1], *sys.argv[3:8]))
    main(devices, sys.argv[2], layers, N, T, K, B, sys.argv[8])
