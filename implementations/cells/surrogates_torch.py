"""Compute surrogate derivatives of a spike by name, in PyTorch. Equations: `cell.py`; twin: `surrogates_jax.py`."""

import math

import torch
from torch import Tensor

from drtrl_bench.implementations.cells import spec as cells


def psi(cell: cells.Spiking, v: Tensor) -> Tensor:
    """Return the surrogate derivative of a spike; `cell.Spiking` has the equations."""

    def bell(mean: float, deviation: float) -> Tensor:
        return torch.exp(-(((v - mean) / deviation) ** 2) / 2) / (deviation * math.sqrt(2 * math.pi))

    match cell.surrogate:
        case "sigmoid":
            return 4 * torch.sigmoid(4 * v) * (1 - torch.sigmoid(4 * v))
        case "gaussian":
            return bell(0, 0.5) / 2
        case "multi_gaussian":
            return (1.15 * bell(0, 0.5) - 0.15 * bell(0.5, 3) - 0.15 * bell(-0.5, 3)) / 2
        case "s2nn":
            rising = 4 * torch.sigmoid(4 * v) * (1 - torch.sigmoid(4 * v))
            return torch.where(v < 0, rising, 1 / (v.clamp(min=0) + 1))
        case "boxcar":
            return (torch.abs(v) <= 0.5).to(v.dtype)
        case "atan":
            return 1 / (1 + (math.pi * v) ** 2)
        case "fast_sigmoid":
            return 1 / (1 + 25 * torch.abs(v)) ** 2
        case "superspike":
            return 1 / (1 + 100 * torch.abs(v)) ** 2
        case _:
            return cell.alpha * (cell.width - v.abs()).clamp(min=0)
