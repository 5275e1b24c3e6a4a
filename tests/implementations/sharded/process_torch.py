"""Run as a process of a group: a sharded gradient; the distance of its part from the NumPy reference."""

import json
import sys


def main(rank: int, of: int, meeting: str, cell: str, layers: int, N: int, K: int) -> None:
    """Print {"error", "norm", "loss_error", "bytes": of the traces and gradients here}."""
    import numpy as np
    import torch
    import torch.distributed as dist
    from support.problems import in_framework, network, problem

    from drtrl_bench.implementations.reference import algorithms as reference
    from drtrl_bench.implementations.sharded import drtrl_sharded_torch as sharded

    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=of)
    spec = network(cell, layers, "leaky")
    posed = problem(spec, T=7, B=2, I=8, N=N, wider=4)
    net = in_framework(spec, "torch")
    params = [{k: torch.from_numpy(v) for k, v in w.items()} for w in posed.params]
    targets = torch.from_numpy(posed.targets)
    loss, grads = sharded.sharded_gradient(net, params, torch.from_numpy(posed.inputs), targets, K)
    true_loss, truth = reference.drtrl(*posed)
    mine = [{k: np.split(t, of, -1)[rank] for k, t in w.items()} for w in truth[:-1]] + [truth[-1]]
    pairs = [(g[k].numpy(), t[k]) for g, t in zip(grads, mine, strict=True) for k in t]
    traced = sharded.Algorithm().init(net, sharded.divide(net, params), 2).traces
    found = {
        "error": max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs),
        "norm": min(float(np.abs(b).max()) for _, b in pairs),
        "loss_error": abs(float(loss) / true_loss - 1),
        "bytes": sum(eps.nbytes for layer in traced[:-1] for eps in layer.values()),
    }
    print(json.dumps(found))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], *map(int, sys.argv[5:8]))
