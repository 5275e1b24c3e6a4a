"""Describe what every cell is: its states and input currents, what feeds them, and the weights it starts from.

A layer has N neurons with S states and G input currents each. One time step is (shapes in brackets)

    r^t = emit(s^{t-1})                      [B, N]      recurrent output: what the recurrent weights read
    y^t = sum_k z_k^t W_k                    [B, G, N]   k in {"x", "r", "b", "p"}: input, recurrence, bias, parameters
    s^t = dynamics(s^{t-1}, y^t)             [B, S, N]   element-wise over neurons
    o^t = output(s^t)                        [B, N]      to the layer above

The neuron axis is last, so that element-wise work is contiguous. The classes here and in `spec.py`, which specifies
each cell, do not depend on the framework: `cells_jax.py` and `cells_torch.py` add `emit`, `dynamics` and `output` to
them, and `reference/cells.py` has these functions in NumPy. All symbols are in the notation table of
`implementations/README.md`.

A trainable constant of a neuron (a time constant, a threshold) is one more input current, fed by a weight "p" whose
presynaptic activity is 1, as a bias's is: so every algorithm computes the constant's gradient as it does a bias's. The
weight is the constant's logarithm, which keeps the constant positive.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

TRUNCATED_DEVIATION = 0.87962566
"""Standard deviation of a standard normal variable that is cut at two standard deviations."""


@dataclass(frozen=True)
class Cell:
    """Describe a cell to algorithms and harness. Times are in steps (1 step = 1 ms in the paper).

    Raises ValueError for an option that the cell does not have.
    """

    currents: ClassVar[tuple[str, ...]] = ("I",)
    feeds: ClassVar[dict[str, slice]] = {"x": slice(0, 1), "r": slice(0, 1), "b": slice(0, 1)}
    """The currents that each kind of weight feeds; the cell has no weights of a kind that is missing."""
    constants: ClassVar[tuple[str, ...]] = ()
    """The constants that may be trainable."""
    spiking: ClassVar[bool] = False
    memoryless: ClassVar[bool] = False
    """Whether D = 0 and there are no recurrent weights: the states of a step depend on no step before."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "drives" in vars(cls):
            raise TypeError(f"{cls.__name__} has drives; they are called currents now")

    states: tuple[str, ...] = ()
    scale_x: float = 1.0
    scale_r: float = 1.0
    """Initial variances: scale_x / I for input weights, scale_r / N for recurrent ones (Kaiming normal)."""
    initial: str = "normal"
    """normal, or truncated: a normal distribution cut at two standard deviations and widened to keep its variance."""
    trainable: tuple[str, ...] = ()
    spread: float = 0.0
    """Standard deviation over neurons of the logarithm of trainable constants, at the start."""
    density: float = 1.0
    """Share of the recurrent weights that exist; the others stay 0."""
    signed: bool = False
    """Whether recurrent weights act by their absolute value; the current that a weight feeds then decides its sign."""

    def __post_init__(self) -> None:
        for name in self.trainable:
            if name not in self.constants:
                names = ", ".join(self.constants) or "none"
                raise ValueError(f"{type(self).__name__} has no trainable constant {name!r}; it has {names}")
        if self.initial not in ("normal", "truncated"):
            raise ValueError(f"initial is {self.initial!r}; it can be 'normal' or 'truncated'")

    @property
    def S(self) -> int:
        """Return the number of states of a neuron."""
        return len(self.states)

    @property
    def G(self) -> int:
        """Return the number of input currents of a neuron, those of trainable constants among them."""
        return len(self.currents) + len(self.trainable)

    @property
    def reads(self) -> dict[str, slice]:
        """Return the currents that each kind of weight feeds: `feeds`, and those of "p" if a constant is trainable."""
        return self.feeds | ({"p": slice(len(self.currents), self.G)} if self.trainable else {})

    def fan_in(self, kind: str, I: int, N: int) -> int:
        """Return the number J of presynaptic neurons of one kind of weight, for I inputs and N neurons."""
        return {"x": I, "r": N}.get(kind, 1)

    def rest(self, N: int) -> NDArray[np.float64]:
        """Return the states [S, N] before the first step."""
        return np.zeros((self.S, N))

    def mask(self, kind: str, J: int, N: int) -> NDArray[np.float64] | None:
        """Return an array [J, Gk, N], 1 where a weight of a kind exists and 0 elsewhere; None if all exist.

        It is the same on every call.
        """
        if kind != "r" or self.density >= 1:
            return None
        reads = self.reads[kind]
        exists = np.random.default_rng([J, N]).random((J, reads.stop - reads.start, N)) < self.density
        return exists.astype(np.float64)

    def initial_weights(self, rng: np.random.Generator, I: int, N: int) -> dict[str, NDArray[np.float64]]:
        """Draw Kaiming-normal weights [J, Gk, N] of each kind, and zero biases, for I inputs and N neurons.

        Weights "p" start around the logarithms of the constants. Source: Wang et al. 2026, for their spiking networks.
        Their rate cells start from orthogonal or Xavier weights; here every cell starts from Kaiming-normal ones.
        """
        scale = {"x": self.scale_x, "r": self.scale_r, "b": 0.0}
        weights = {}
        for kind, reads in self.reads.items():
            J, G = self.fan_in(kind, I, N), reads.stop - reads.start
            draw = rng.standard_normal((J, G, N))
            if kind == "p":
                middle = np.log([getattr(self, name) for name in self.trainable])
                weights[kind] = middle[None, :, None] + self.spread * draw
                continue
            while self.initial == "truncated" and (far := np.abs(draw) > 2).any():
                draw[far] = rng.standard_normal(far.sum())
            widened = TRUNCATED_DEVIATION if self.initial == "truncated" else 1.0
            weights[kind] = draw / widened * np.sqrt(scale[kind] / J)
        return weights


Network = tuple[Cell, ...]
"""A cell for each layer, the readout last; hashable, so that a compiler may treat it as a constant."""


@lru_cache(maxsize=64)
def network_masks(net: Network, sizes: tuple[tuple[int, int], ...]) -> list[dict[str, NDArray[np.float64]]]:
    """Return the mask [J, Gk, N] of each layer and kind of weight that has one; sizes: (I, N) of each layer."""
    per_layer = []
    for cell, (I, N) in zip(net, sizes, strict=True):
        masks = {kind: cell.mask(kind, cell.fan_in(kind, I, N), N) for kind in cell.reads}
        per_layer.append({kind: mask for kind, mask in masks.items() if mask is not None})
    return per_layer


SURROGATES = (
    "relu", "sigmoid", "gaussian", "multi_gaussian", "s2nn", "boxcar", "atan", "fast_sigmoid", "superspike"
)  # fmt: skip
RESETS = ("soft", "hard", "multiply")
"""The surrogate derivatives, and what a spike may do to the potential of a LIF neuron: `Spiking` and `spec.LIF`."""


@dataclass(frozen=True)
class Spiking(Cell):
    """Describe a cell that spikes: sigma(v) = 1 if v >= 0 else 0, v being the distance to the threshold.

    The derivative of sigma is replaced by a surrogate psi, with sig the logistic function and N(v; mean, deviation)
    the normal density:

        relu            alpha max(width - |v|, 0)
        sigmoid         4 sig(4 v) (1 - sig(4 v))
        gaussian        N(v; 0, 0.5) / 2
        multi_gaussian  (1.15 N(v; 0, 0.5) - 0.15 N(v; 0.5, 3) - 0.15 N(v; -0.5, 3)) / 2
        s2nn            4 sig(4 v) (1 - sig(4 v)) below the threshold, 1 / (v + 1) above
        boxcar          1 where |v| <= 0.5
        atan            1 / (1 + (pi v)^2)
        fast_sigmoid    1 / (1 + 25 |v|)^2
        superspike      1 / (1 + 100 |v|)^2

    `smooth` replaces sigma by the primitive of relu's psi. The cell is then differentiable, so that finite differences
    apply. Sources of the surrogates: the libraries on which the paper's experiments ran; Fang et al. 2021 (ICCV, the
    derivative of arctan(pi v) / pi + 1/2) of atan; Zenke & Ganguli 2018 (Neural Comput. 30:1514) of the last two, one
    shape in the two steepnesses under which libraries offer it by these names: 25 in snnTorch, 100 in Norse. How much
    the steepness matters: Zenke & Vogels 2021 (Neural Comput. 33:899).
    """

    spiking: ClassVar[bool] = True
    surrogate: str = "relu"
    alpha: float = 0.3
    width: float = 1.0
    smooth: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.surrogate not in SURROGATES:
            raise ValueError(f"surrogate is {self.surrogate!r}; it can be {', '.join(SURROGATES)}")
        if self.smooth and self.surrogate != "relu":
            raise ValueError(f"smooth has a primitive of 'relu' only, not of {self.surrogate!r}")

    def fired(self, s: Any) -> Any:
        """Tell which neurons spike [..., N], from the states [..., S, N] after a step: those that emit anything."""
        in_framework: Any = self
        return in_framework.emit(s) != 0
