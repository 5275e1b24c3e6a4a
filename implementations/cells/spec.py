"""Specify every cell: its states, input currents and constants; the docstring of a class has the equations.

`cell.py` says what every cell is. A prime marks the value after a step: s' = s^t, s = s^{t-1}. Potentials are in units
of the threshold, so that a trainable threshold acts in `dynamics` only.

Sources: Wang et al., Nat. Commun. 2026, 17:1745, and its experiments' code (LIF, ALIF, GIF, synapses, readout);
Cho et al. 2014 with the reset after the matrix product, as cuDNN and torch.nn.GRU do (GRU); Hochreiter &
Schmidhuber 1997 with a forget gate biased by 1 (LSTM); Zhou et al. 2016 (MGU); Orvieto et al. 2023 (LRU);
Subramoney et al. 2023 (event-based GRU).
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from drtrl_bench.implementations.cells.cell import RESETS, Cell, Spiking


@dataclass(frozen=True)
class TanhRNN(Cell):
    """Specify the tanh RNN, h' = tanh(I): h' depends on h through the recurrent weights only, so D = 0."""

    states: tuple[str, ...] = ("h",)


@dataclass(frozen=True)
class LeakyRNN(Cell):
    """Specify the leaky RNN: h' = a h + (1 - a) tanh(I), a = exp(-1/tau)."""

    constants: ClassVar = ("tau",)
    states: tuple[str, ...] = ("h",)
    tau: float = 5.0


@dataclass(frozen=True)
class GRU(Cell):
    """Specify the GRU, with the logistic function sig.

        r = sig(I_r),  z = sig(I_z),  n = tanh(I_nx + r I_nr),  h' = (1 - z) n + z h

    I_nx reads the input only and I_nr the recurrence only: the reset gate acts after the matrix product.
    """

    currents: ClassVar = ("I_nx", "I_r", "I_z", "I_nr")
    feeds: ClassVar = {"x": slice(0, 3), "r": slice(1, 4), "b": slice(0, 4)}
    states: tuple[str, ...] = ("h",)


@dataclass(frozen=True)
class LSTM(Cell):
    """Specify the LSTM: c' = sig(I_f + 1) c + sig(I_i) tanh(I_g), h' = sig(I_o) tanh(c')."""

    currents: ClassVar = ("I_i", "I_g", "I_f", "I_o")
    feeds: ClassVar = {"x": slice(0, 4), "r": slice(0, 4), "b": slice(0, 4)}
    states: tuple[str, ...] = ("h", "c")


@dataclass(frozen=True)
class MGU(Cell):
    """Specify the minimal gated unit: f = sig(I_f), n = tanh(I_nx + f I_nr), h' = (1 - f) h + f n.

    The gate f acts after the matrix product, as in `GRU`.
    """

    currents: ClassVar = ("I_nx", "I_f", "I_nr")
    feeds: ClassVar = {"x": slice(0, 2), "r": slice(1, 3), "b": slice(0, 3)}
    states: tuple[str, ...] = ("h",)


@dataclass(frozen=True)
class LRU(Cell):
    """Specify the diagonal linear recurrence, h' = lambda h + sqrt(1 - |lambda|^2) I, without recurrent weights.

    lambda = exp(-rate + i frequency), h = re + i im, I = I_re + i I_im; the output is re.
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
    """Specify the leaky integrate-and-fire neuron; its `states` choose adaptation (a) and synapse (g, x, u).

        s = sigma(V - 1 - a)                                   V and a in units of the threshold
        V' = exp(-1/tau) reset(V, s) + I / threshold           without g: the current makes V jump, after the decay
        V' = exp(-1/tau) reset(V, s) + (1 - exp(-1/tau)) g' / threshold
        g' = exp(-1/tau_syn) g + I                             with g: V' depends on g', of the same step
        a' = exp(-1/tau_a) (a + beta / threshold s)            with a: adaptation, ALIF
        x' = 1 + (x - 1) exp(-1/tau_std) - U s x               with x: short-term depression, emits s x'
        u' = u exp(-1/tau_f) + U s (1 - u)                     with u and x: short-term plasticity, emits s u' x'
        x' = 1 + (x - 1) exp(-1/tau_d) - u' s x

    With `release="before"` the neuron emits s^2 times the value before the spike's own depletion, as later libraries
    do: a spike releases that value, and where there is no spike the gradient is 0.
    """

    constants: ClassVar = ("tau", "threshold", "tau_a", "beta", "tau_syn")
    states: tuple[str, ...] = ("V",)
    reset: str = "soft"
    """soft: reset(V, s) = V - s. hard: V - s V, without a gradient through that V. multiply: (1 - s) V, with one."""
    detach_reset: bool = False
    """Whether reset(V, s) has no gradient through s; the s that is emitted, and that of a', u' and x', has one."""
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
        for name, known in (("reset", RESETS), ("release", ("after", "before"))):
            if (value := getattr(self, name)) not in known:
                raise ValueError(f"{name} is {value!r}; it can be {' or '.join(map(repr, known))}")

    def rest(self, N: int) -> NDArray[np.float64]:
        return np.tile([[{"x": 1.0, "u": self.U}.get(name, 0.0)] for name in self.states], N)


@dataclass(frozen=True)
class GIF(Spiking):
    """Specify the generalised integrate-and-fire neuron of the delayed-match task.

        s = sigma(V - 1)
        J' = exp(-1/tau_slow) (J - A s)                        slow adaptation current
        V' = exp(-1/tau) (V - s) + (1 - exp(-1/tau)) (g' + J'),  g' = exp(-1/tau_syn) g + I
        o = (V - mean V) / sqrt(var V + 1e-5)                  mean and variance over the neurons of the layer

    The s that is emitted has the derivative psi; the s in the neuron's own equations has none. The layer above gets o.
    """

    constants: ClassVar = ("tau", "tau_slow", "tau_syn")
    states: tuple[str, ...] = ("V", "J", "g")
    tau: float = 100.0
    tau_slow: float = 1000.0
    tau_syn: float = 100.0
    A: float = 1.0


@dataclass(frozen=True)
class EIGIF(Spiking):
    """Specify the conductance-based GIF neuron of the evidence task, excitatory or inhibitory, sparsely connected.

        s = sigma((V - h) / h)
        J1' = exp(-1/tau_fast) (J1 + A_fast s),  J2' = exp(-1/tau_slow) (J2 - A_slow s)
        h' = (h + A_h s) - (h + A_h s - 1) / tau_h
        gE' = exp(-1/tau_syn) gE + |I_x| + |I_E|,  gI' = exp(-1/tau_syn) gI + |I_I|
        V' = k (V - h s) + (1 - k) (gE' E_E + gI' E_I + J1' + J2') / (1 + gE' + gI'),  k = exp(-(1 + gE' + gI') / tau)
        o = (V - h) / h, standardised over the neurons of the layer

    The s that is emitted has the derivative psi with respect to V and none with respect to h; the s in the neuron's own
    equations has none. The first 80 % of the neurons are excitatory and feed I_E, the others feed I_I, by weights of 4
    times the variance. V starts uniform in [0, 1), the same in every sample.
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
        states[0], states[3] = np.random.default_rng(N).random(N), 1.0
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
    """Specify the event-based GRU: a GRU whose value c is passed on, and lowered, where it exceeds a threshold.

        c = z h + (1 - z) tanh(I_nx + r I_nr),  e = sigma(c - threshold)        r and z as in `GRU`
        h' = c - e threshold,  y' = e c,  o' = 0.9 o + 0.1 y'

    The recurrent weights read h, the layer above y' or o'. Thresholds start log-normal around `threshold`; the authors
    draw them from a beta distribution.
    """

    currents: ClassVar = ("I_nx", "I_r", "I_z", "I_nr")
    feeds: ClassVar = {"x": slice(0, 3), "r": slice(1, 4), "b": slice(0, 4)}
    constants: ClassVar = ("threshold",)
    states: tuple[str, ...] = ("h", "y", "o")
    trainable: tuple[str, ...] = ("threshold",)
    spread: float = 0.5
    alpha: float = 0.7 * 1.7
    width: float = 1 / 1.7
    """alpha and width are those of the authors' surrogate d max(1 - p |v|, 0), with d = 0.7 and p = 1.7."""
    threshold: float = 0.25
    traced: bool = False
    """Whether the layer above reads the filtered events o' instead of the events y'."""

    def fired(self, s: Any) -> Any:
        return s[..., 1, :] != 0


@dataclass(frozen=True)
class LeakyReadout(Cell):
    """Specify the leaky readout, rho' = exp(-1/tau) rho + I, without bias and recurrence: D = exp(-1/tau), D_f = 1."""

    feeds: ClassVar = {"x": slice(0, 1)}
    constants: ClassVar = ("tau",)
    states: tuple[str, ...] = ("rho",)
    scale_x: float = 2.0
    tau: float = 10.0


@dataclass(frozen=True)
class LinearReadout(Cell):
    """Specify the linear readout, rho' = I: its state keeps nothing from step to step (D = 0, D_f = 1)."""

    memoryless: ClassVar = True
    feeds: ClassVar = {"x": slice(0, 1), "b": slice(0, 1)}
    states: tuple[str, ...] = ("rho",)
    scale_x: float = 2.0
