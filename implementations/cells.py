"""The cells' specification: everything about a cell that does not depend on the framework.

A layer has N neurons with S states and G drives each. One time step is (sizes in brackets)

    r^t = emit(s^{t-1})                      [B, N]      what goes back through the recurrent weights
    y^t = sum_k z_k^t W_k                    [B, G, N]   k in {"x", "r", "b"}: input, recurrence, bias (z_b = 1)
    s^t = dynamics(s^{t-1}, y^t)             [B, S, N]   element-wise over neurons
    o^t = output(s^t)                        [B, N]      to the layer above

The neuron axis is last, so that element-wise work is contiguous. `cells_jax.py` and `cells_torch.py` add
`emit`, `dynamics` and `output` to the classes below; their Jacobians by hand are in `reference.py`.

Sources: Wang et al., Nat. Commun. 2026, 17:1745 (LIF, ALIF, leaky readout); Cho et al. 2014 with the reset
applied after the matrix product, as cuDNN and torch.nn.GRU do (GRU).
"""

from dataclasses import dataclass
from math import exp
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Weights = dict[str, Any]
"""One layer's weights: {"x": [I, Gx, N], "r": [N, Gr, N], "b": [1, Gb, N]}, arrays of either framework."""


@dataclass(frozen=True)
class Cell:
    """What algorithms and harness may know about a cell. Times are in steps (1 step = 1 ms in the paper)."""

    states: ClassVar[tuple[str, ...]]
    drives: ClassVar[tuple[str, ...]] = ("I",)
    reads: ClassVar[dict[str, slice]] = {"x": slice(0, 1), "r": slice(0, 1), "b": slice(0, 1)}
    """Which drives each kind of weight feeds; a kind that is missing does not exist in this cell."""
    spiking: ClassVar[bool] = False

    scale_x: float = 1.0
    scale_r: float = 1.0
    """Initial variances: scale_x / I for input weights, scale_r / N for recurrent ones (Kaiming normal)."""

    @property
    def S(self) -> int:
        return len(self.states)

    @property
    def G(self) -> int:
        return len(self.drives)

    def fan_in(self, kind: str, I: int, N: int) -> int:
        """Number J of presynaptic lines of one kind of weight, for I inputs and N neurons."""
        return {"x": I, "r": N, "b": 1}[kind]

    def initial_weights(self, rng: np.random.Generator, I: int, N: int) -> dict[str, NDArray[np.float64]]:
        """Kaiming-normal weights, zero bias (Wang et al. 2026 use the same family)."""
        scale = {"x": self.scale_x, "r": self.scale_r, "b": 0.0}
        weights = {}
        for kind, reads in self.reads.items():
            J, G = self.fan_in(kind, I, N), reads.stop - reads.start
            weights[kind] = rng.standard_normal((J, G, N)) * np.sqrt(scale[kind] / J)
        return weights


Network = tuple[Cell, ...]
"""A stack of layers, the readout last; hashable, so that a compiler may treat it as a constant."""


@dataclass(frozen=True)
class Spiking(Cell):
    """Spike sigma(v) = 1 if v >= 0 else 0, with v the distance to the threshold.

    Its surrogate derivative is psi(v) = alpha * max(width - |v|, 0). `smooth` replaces the spike by psi's
    primitive, which makes the cell differentiable in the ordinary sense: finite differences then apply.
    """

    spiking: ClassVar[bool] = True
    tau: float = 5.0
    threshold: float = 1.0
    reset: str = "soft"
    """soft: V - threshold * spike. hard: V goes to 0, and no gradient flows through the V that is subtracted."""
    alpha: float = 0.3
    width: float = 1.0
    smooth: bool = False

    def __post_init__(self) -> None:
        if self.reset not in ("soft", "hard"):
            raise ValueError(f"reset is {self.reset!r}; it can be 'soft' or 'hard'")

    @property
    def decay(self) -> float:
        return exp(-1 / self.tau)


@dataclass(frozen=True)
class LeakyRNN(Cell):
    """h' = a h + (1 - a) tanh(I), a = exp(-1/tau)."""

    states: ClassVar = ("h",)
    tau: float = 5.0

    @property
    def decay(self) -> float:
        return exp(-1 / self.tau)


@dataclass(frozen=True)
class GRU(Cell):
    """r = sig(I_r), z = sig(I_z), n = tanh(I_nx + r I_nr), h' = (1 - z) n + z h.

    I_nx reads the input only and I_nr the recurrence only: the reset gate acts after the matrix product.
    """

    states: ClassVar = ("h",)
    drives: ClassVar = ("I_nx", "I_r", "I_z", "I_nr")
    reads: ClassVar = {"x": slice(0, 3), "r": slice(1, 4), "b": slice(0, 4)}


@dataclass(frozen=True)
class LIFDelta(Spiking):
    """V' = a reset(V) + I: the drive makes the potential jump, after the decay."""

    states: ClassVar = ("V",)


@dataclass(frozen=True)
class ALIFExpCu(Spiking):
    """Adaptive LIF with an exponential current synapse; three states per neuron.

    s = sigma((V - threshold - beta a) / threshold)
    g' = exp(-1/tau_syn) g + I
    a' = exp(-1/tau_a) (a + s)
    V' = exp(-1/tau) reset(V, s) + (1 - exp(-1/tau)) g'         the updated g: an in-step path g -> V
    """

    states: ClassVar = ("V", "a", "g")
    tau_a: float = 100.0
    beta: float = 0.1
    tau_syn: float = 10.0

    @property
    def decay_a(self) -> float:
        return exp(-1 / self.tau_a)

    @property
    def decay_g(self) -> float:
        return exp(-1 / self.tau_syn)


@dataclass(frozen=True)
class LeakyReadout(Cell):
    """rho' = exp(-1/tau) rho + I, no bias, no recurrence: a layer like any other, with D = kappa and F = 1."""

    states: ClassVar = ("rho",)
    reads: ClassVar = {"x": slice(0, 1)}
    tau: float = 10.0

    @property
    def decay(self) -> float:
        return exp(-1 / self.tau)


@dataclass(frozen=True)
class LinearReadout(Cell):
    """rho' = I: a layer whose state forgets everything (D = 0, F = 1)."""

    states: ClassVar = ("rho",)
    reads: ClassVar = {"x": slice(0, 1), "b": slice(0, 1)}
