"""Specify the cells: everything about a cell that does not depend on the framework.

A layer has N neurons with S states and G input currents each. One time step is (shapes in brackets)

    r^t = emit(s^{t-1})                      [B, N]      recurrent output: what the recurrent weights read
    y^t = sum_k z_k^t W_k                    [B, G, N]   k in {"x", "r", "b", "p"}: input, recurrence, bias, parameters
    s^t = dynamics(s^{t-1}, y^t)             [B, S, N]   element-wise over neurons
    o^t = output(s^t)                        [B, N]      to the layer above

The neuron axis is last, so that element-wise work is contiguous. `cells_jax.py` and `cells_torch.py` add `emit`,
`dynamics` and `output` to the classes below; `reference/cells.py` has them in NumPy. All symbols are in the notation
table of `implementations/README.md`.

A trainable constant of a neuron (a time constant, a threshold) is one more input current, fed by a weight "p" whose
presynaptic activity is 1, as a bias's is: so every algorithm has its gradient without knowing of it. The weight is the
constant's logarithm, which keeps it positive. Potentials are in units of the threshold for the same reason: a
threshold then acts in `dynamics` only.

Sources: Wang et al., Nat. Commun. 2026, 17:1745, and its experiments' code (LIF, ALIF, GIF, synapses, readout);
Cho et al. 2014 with the reset after the matrix product, as cuDNN and torch.nn.GRU do (GRU); Hochreiter &
Schmidhuber 1997 with a forget gate biased by 1 (LSTM); Zhou et al. 2016 (MGU); Orvieto et al. 2023 (LRU);
Subramoney et al. 2023 (event-based GRU).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Weights = dict[str, Any]
"""One layer's weights: {"x": [I, Gx, N], "r": [N, Gr, N], "b": [1, Gb, N], "p": [1, Gp, N]}, of either framework."""

TRUNCATED_DEVIATION = 0.87962566
"""Standard deviation of a standard normal variable cut at two deviations."""


@dataclass(frozen=True)
class Cell:
    """Describe a cell to algorithms and harness. Times are in steps (1 step = 1 ms in the paper)."""

    currents: ClassVar[tuple[str, ...]] = ("I",)
    feeds: ClassVar[dict[str, slice]] = {"x": slice(0, 1), "r": slice(0, 1), "b": slice(0, 1)}
    """Which currents each kind of weight feeds; a kind that is missing does not exist in this cell."""
    constants: ClassVar[tuple[str, ...]] = ()
    """The constants that may be trainable."""
    spiking: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "drives" in vars(cls):
            raise TypeError(f"{cls.__name__} has drives; they are called currents now")

    states: tuple[str, ...] = ()
    scale_x: float = 1.0
    scale_r: float = 1.0
    """Initial variances: scale_x / I for input weights, scale_r / N for recurrent ones (Kaiming normal)."""
    initial: str = "normal"
    """normal, or truncated: cut at two deviations and widened to keep its variance."""
    trainable: tuple[str, ...] = ()
    spread: float = 0.0
    """Standard deviation over neurons of the logarithm of trainable constants, at the start."""
    density: float = 1.0
    """Share of the recurrent weights that exist; the others are 0 for good."""
    signed: bool = False
    """Recurrent weights act by their absolute value: together with the cell's currents, a fixed sign."""

    def __post_init__(self) -> None:
        for name in self.trainable:
            if name not in self.constants:
                names = ", ".join(self.constants) or "none"
                raise ValueError(f"{type(self).__name__} has no trainable constant {name!r}; it has {names}")
        if self.initial not in ("normal", "truncated"):
            raise ValueError(f"initial is {self.initial!r}; it can be 'normal' or 'truncated'")

    @property
    def S(self) -> int:
        return len(self.states)

    @property
    def G(self) -> int:
        return len(self.currents) + len(self.trainable)

    @property
    def reads(self) -> dict[str, slice]:
        """`feeds`, and "p" if a constant is trainable."""
        return self.feeds | ({"p": slice(len(self.currents), self.G)} if self.trainable else {})

    def fan_in(self, kind: str, I: int, N: int) -> int:
        """Return the number J of presynaptic neurons of one kind of weight, for I inputs and N neurons."""
        return {"x": I, "r": N}.get(kind, 1)

    def rest(self, N: int) -> NDArray[np.float64]:
        """Return the states [S, N] before the first step."""
        return np.zeros((self.S, N))

    def mask(self, kind: str, J: int, N: int) -> NDArray[np.float64] | None:
        """Return 1 where a weight [J, Gk, N] exists and 0 elsewhere, the same on every call; None if all exist."""
        if kind != "r" or self.density >= 1:
            return None
        reads = self.reads[kind]
        exists = np.random.default_rng([J, N]).random((J, reads.stop - reads.start, N)) < self.density
        return exists.astype(np.float64)

    def initial_weights(self, rng: np.random.Generator, I: int, N: int) -> dict[str, NDArray[np.float64]]:
        """Draw Kaiming-normal weights and zero bias, as Wang et al. 2026 for their spiking networks.

        Their rate cells start from orthogonal or Xavier weights; here every cell starts from this family.
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
"""A stack of layers, the readout last; hashable, so that a compiler may treat it as a constant."""


@lru_cache(maxsize=64)
def masks(net: Network, sizes: tuple[tuple[int, int], ...]) -> list[dict[str, NDArray[np.float64]]]:
    """Return the masks of every layer with (I, N) of `sizes`, for the kinds of weight that have one."""
    per_layer = []
    for cell, (I, N) in zip(net, sizes, strict=True):
        every = {kind: cell.mask(kind, cell.fan_in(kind, I, N), N) for kind in cell.reads}
        per_layer.append({kind: mask for kind, mask in every.items() if mask is not None})
    return per_layer


SURROGATES = ("relu", "sigmoid", "gaussian", "multi_gaussian", "s2nn", "boxcar")


@dataclass(frozen=True)
class Spiking(Cell):
    """Spike sigma(v) = 1 if v >= 0 else 0, with v the distance to the threshold, and psi(v) for its derivative.

    relu            alpha max(width - |v|, 0)
    sigmoid         4 sig(4 v) (1 - sig(4 v))
    gaussian        N(v; 0, 0.5) / 2
    multi_gaussian  (1.15 N(v; 0, 0.5) - 0.15 N(v; 0.5, 3) - 0.15 N(v; -0.5, 3)) / 2
    s2nn            4 sig(4 v) (1 - sig(4 v)) below the threshold, 1 / (v + 1) above
    boxcar          1 where |v| <= 0.5

    `smooth` replaces the spike by the primitive of relu's psi, which makes the cell differentiable in the ordinary
    sense: finite differences then apply. Sources of the surrogates: the libraries the paper's experiments ran on.
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
        """Tells where neurons spiked [..., N], from the states [..., S, N] that a step left."""
        emitted: Any = self
        return emitted.emit(s) != 0


@dataclass(frozen=True)
class TanhRNN(Cell):
    """h' = tanh(I). Nothing of h survives but through weights: D = 0."""

    states: tuple[str, ...] = ("h",)


@dataclass(frozen=True)
class LeakyRNN(Cell):
    """h' = a h + (1 - a) tanh(I), a = exp(-1/tau)."""

    constants: ClassVar = ("tau",)
    states: tuple[str, ...] = ("h",)
    tau: float = 5.0


@dataclass(frozen=True)
class GRU(Cell):
    """r = sig(I_r), z = sig(I_z), n = tanh(I_nx + r I_nr), h' = (1 - z) n + z h.

    I_nx reads the input only and I_nr the recurrence only: the reset gate acts after the matrix product.
    """

    currents: ClassVar = ("I_nx", "I_r", "I_z", "I_nr")
    feeds: ClassVar = {"x": slice(0, 3), "r": slice(1, 4), "b": slice(0, 4)}
    states: tuple[str, ...] = ("h",)


@dataclass(frozen=True)
class LSTM(Cell):
    """c' = sig(I_f + 1) c + sig(I_i) tanh(I_g), h' = sig(I_o) tanh(c')."""

    currents: ClassVar = ("I_i", "I_g", "I_f", "I_o")
    feeds: ClassVar = {"x": slice(0, 4), "r": slice(0, 4), "b": slice(0, 4)}
    states: tuple[str, ...] = ("h", "c")


@dataclass(frozen=True)
class MGU(Cell):
    """f = sig(I_f), n = tanh(I_nx + f I_nr), h' = (1 - f) h + f n: one gate, after the matrix product as in `GRU`."""

    currents: ClassVar = ("I_nx", "I_f", "I_nr")
    feeds: ClassVar = {"x": slice(0, 2), "r": slice(1, 3), "b": slice(0, 3)}
    states: tuple[str, ...] = ("h",)


@dataclass(frozen=True)
class LRU(Cell):
    """Diagonal linear recurrence: h' = lambda h + sqrt(1 - |lambda|^2) I, lambda = exp(-rate + i frequency).

    Complex h = re + i im from two real input currents, no recurrent weights; the output is re.
    """

    currents: ClassVar = ("I_re", "I_im")
    feeds: ClassVar = {"x": slice(0, 2), "b": slice(0, 2)}
    constants: ClassVar = ("rate", "frequency")
    states: tuple[str, ...] = ("re", "im")
    trainable: tuple[str, ...] = ("rate", "frequency")
    spread: float = 0.5
    rate: float = 0.1
    frequency: float = 0.3


@dataclass(frozen=True)
class LIF(Spiking):
    """Leaky integrate-and-fire.

    Its states choose adaptation (a) and synapse (g, x, u).

    s = sigma(V - 1 - a)                                   V and a in units of the threshold
    V' = exp(-1/tau) reset(V, s) + I / threshold           without g: the current makes V jump, after the decay
    V' = exp(-1/tau) reset(V, s) + (1 - exp(-1/tau)) g' / threshold
    g' = exp(-1/tau_syn) g + I                             with g: an in-step path g -> V through the updated g
    a' = exp(-1/tau_a) (a + beta / threshold s)            with a: adaptation, ALIF
    x' = 1 + (x - 1) exp(-1/tau_std) - U s x               with x: short-term depression, emits s x'
    u' = u exp(-1/tau_f) + U s (1 - u)                     with u and x: short-term plasticity, emits s u' x'
    x' = 1 + (x - 1) exp(-1/tau_d) - u' s x

    `release="before"` emits s^2 times the value before the spike's own depletion, as later libraries do: the same
    spikes' worth forward but no gradient where there is no spike.
    """

    constants: ClassVar = ("tau", "threshold", "tau_a", "beta", "tau_syn")
    states: tuple[str, ...] = ("V",)
    reset: str = "soft"
    """soft: V - s. hard: V goes to 0, and no gradient flows through the V that is subtracted."""
    tau: float = 5.0
    threshold: float = 1.0
    tau_a: float = 100.0
    beta: float = 0.1
    tau_syn: float = 10.0
    tau_std: float = 500.0
    tau_f: float = 500.0
    tau_d: float = 100.0
    U: float = 0.1
    release: str = "after"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reset not in ("soft", "hard"):
            raise ValueError(f"reset is {self.reset!r}; it can be 'soft' or 'hard'")
        if self.release not in ("after", "before"):
            raise ValueError(f"release is {self.release!r}; it can be 'after' or 'before'")

    def rest(self, N: int) -> NDArray[np.float64]:
        return np.tile([[{"x": 1.0, "u": self.U}.get(name, 0.0)] for name in self.states], N)


@dataclass(frozen=True)
class GIF(Spiking):
    """Generalised integrate-and-fire of the delayed-match task; the layer above sees standardised potentials.

    s = sigma(V - 1), without a gradient in its own neuron; emitted with one
    J' = exp(-1/tau_slow) (J - A s)                        slow adaptation current
    V' = exp(-1/tau) (V - s) + (1 - exp(-1/tau)) (g' + J'),  g' = exp(-1/tau_syn) g + I
    o = (V - mean V) / sqrt(var V + 1e-5)                  over the neurons of the layer
    """

    constants: ClassVar = ("tau", "tau_slow", "tau_syn")
    states: tuple[str, ...] = ("V", "J", "g")
    tau: float = 100.0
    tau_slow: float = 1000.0
    tau_syn: float = 100.0
    A: float = 1.0


@dataclass(frozen=True)
class EIGIF(Spiking):
    """Conductance-based GIF of the evidence task: excitatory and inhibitory neurons, masked connections.

    s = sigma((V - h) / h), without a gradient in its own neuron and through h; emitted with one
    J1' = exp(-1/tau_fast) (J1 + A_fast s),  J2' = exp(-1/tau_slow) (J2 - A_slow s)
    h' = (h + A_h s) - (h + A_h s - 1) / tau_h
    gE' = exp(-1/tau_syn) gE + |I_x| + |I_E|,  gI' = exp(-1/tau_syn) gI + |I_I|
    V' = k (V - h s) + (1 - k) (gE' E_E + gI' E_I + J1' + J2') / (1 + gE' + gI'),  k = exp(-(1 + gE' + gI') / tau)
    o = (V - h) / h, standardised over the neurons of the layer

    The first 80 % of the neurons are excitatory and feed I_E, the others feed I_I, by weights of 4 times the
    variance. V starts uniform in [0, 1), the same in every sample.
    """

    currents: ClassVar = ("I_x", "I_E", "I_I")
    feeds: ClassVar = {"x": slice(0, 1), "r": slice(1, 3), "b": slice(0, 3)}
    constants: ClassVar = ("tau", "tau_slow", "tau_syn")
    states: tuple[str, ...] = ("V", "J1", "J2", "h", "gE", "gI")
    density: float = 0.1
    excitatory: float = 0.8
    tau: float = 200.0
    tau_fast: float = 50.0
    tau_slow: float = 2000.0
    tau_h: float = 100.0
    tau_syn: float = 10.0
    A_fast: float = 0.01
    A_slow: float = 1.0
    A_h: float = 1.0
    E_E: float = 5.0
    E_I: float = -10.0

    def rest(self, N: int) -> NDArray[np.float64]:
        states = np.zeros((self.S, N))
        states[0] = np.random.default_rng(N).random(N)
        states[3] = 1.0
        return states

    def initial_weights(self, rng: np.random.Generator, I: int, N: int) -> dict[str, NDArray[np.float64]]:
        weights = super().initial_weights(rng, I, N)
        weights["r"][:, 1] *= 2
        return weights

    def mask(self, kind: str, J: int, N: int) -> NDArray[np.float64] | None:
        if kind != "r":
            return None
        exists = np.random.default_rng([J, N]).random((J, 2, N)) < self.density
        excitatory = np.arange(J) < round(self.excitatory * J)
        return (exists & np.stack([excitatory, ~excitatory], axis=1)[..., None]).astype(np.float64)


@dataclass(frozen=True)
class EGRU(Spiking):
    """Event-based GRU: a GRU's value c that is passed on, and lowered, where it exceeds a threshold.

    c = z h + (1 - z) tanh(I_nx + r I_nr),  e = sigma(c - threshold)
    h' = c - e threshold,  y' = e c,  o' = 0.9 o + 0.1 y'         the recurrence sees h, the layer above y' or o'

    Thresholds start log-normal around their middle; the authors draw them from a beta distribution.
    """

    currents: ClassVar = ("I_nx", "I_r", "I_z", "I_nr")
    feeds: ClassVar = {"x": slice(0, 3), "r": slice(1, 4), "b": slice(0, 4)}
    constants: ClassVar = ("threshold",)
    states: tuple[str, ...] = ("h", "y", "o")
    trainable: tuple[str, ...] = ("threshold",)
    spread: float = 0.5
    alpha: float = 0.7 * 1.7
    width: float = 1 / 1.7
    """The authors' d max(1 - p |v|, 0) with d = 0.7 and p = 1.7."""
    threshold: float = 0.25
    traced: bool = False
    """Whether the layer above sees the trace o' instead of the events y'."""

    def fired(self, s: Any) -> Any:
        return s[..., 1, :] != 0


@dataclass(frozen=True)
class LeakyReadout(Cell):
    """rho' = exp(-1/tau) rho + I, no bias, no recurrence: a layer like any other, with D = kappa and F = 1."""

    feeds: ClassVar = {"x": slice(0, 1)}
    constants: ClassVar = ("tau",)
    states: tuple[str, ...] = ("rho",)
    scale_x: float = 2.0
    tau: float = 10.0


@dataclass(frozen=True)
class LinearReadout(Cell):
    """rho' = I: a layer whose state forgets everything (D = 0, F = 1)."""

    feeds: ClassVar = {"x": slice(0, 1), "b": slice(0, 1)}
    states: tuple[str, ...] = ("rho",)
    scale_x: float = 2.0
