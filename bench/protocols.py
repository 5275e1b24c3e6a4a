"""What each part that a name stands for must offer: algorithm, cell, data set, and the backend of a framework."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Weights = list[dict[str, NDArray[Any]]]
"""One dict per layer, the readout last: {"x": ..., "r": ..., "b": ...}. So are gradients."""


class Algorithm(Protocol):
    """An algorithm in a framework: a module, or `init` and `advance` with the options of a case bound."""

    @property
    def init(self) -> Callable[..., Any]:
        """Makes the carry before the first step: (net, params, batch) -> carry."""
        ...

    @property
    def advance(self) -> Callable[..., Any]:
        """Takes a chunk: (net, params, carry, inputs, targets, *, last=False) -> carry, loss, gradient."""
        ...


class Reference(Protocol):
    """The NumPy function that defines an algorithm's gradient."""

    def __call__(
        self, net: Any, params: Weights, inputs: NDArray[Any], targets: NDArray[Any], **options: Any
    ) -> tuple[float, Weights]: ...


class Cell(Protocol):
    """One layer's specification; a framework's class of it has `emit`, `dynamics` and `output`, too."""

    @property
    def S(self) -> int:  # noqa: N802
        """States of a neuron."""
        ...

    @property
    def G(self) -> int:  # noqa: N802
        """Input currents of a neuron."""
        ...

    @property
    def spiking(self) -> bool:
        """Whether its output is spikes."""
        ...

    @property
    def reads(self) -> dict[str, slice]:
        """The input currents that each kind of weight adds to."""
        ...

    def fan_in(self, kind: str, inputs: int, neurons: int) -> int:
        """Presynaptic lines of a kind of weight."""
        ...

    def initial_weights(self, rng: np.random.Generator, inputs: int, neurons: int) -> dict[str, NDArray[Any]]: ...


class Dataset(Protocol):
    """A data set: a module of `datasets/`, or a plugin's object. Its other attributes are for those who read files."""

    LABEL: str
    SYNTHETIC: bool
    CLASSES: int
    FEATURES: int

    batch: Callable[..., tuple[NDArray[np.float32], NDArray[np.int32]]]
    """(steps, size, seed) -> inputs [T, B, I], targets [T, B], where -1 is no label; some also take `features`."""


class Backend(Protocol):
    """A case in one framework, ready to be called, timed and measured: one gradient on one device."""

    net: tuple[Any, ...]
    phases: dict[str, float]
    """Seconds of what was done before the first call, as of compilation."""

    def call(self) -> tuple[Any, Any]:
        """Compute loss and gradient, and wait until the device is done."""
        ...

    def gradient(self) -> tuple[float, Weights]: ...

    def measure_memory(self) -> dict[str, Any]: ...

    def forward(self) -> Callable[[], Any]:
        """Make a call that only runs the network forward: where each layer spiked, or its outputs."""
        ...

    def numpy(self, array: Any) -> NDArray[Any]: ...


class BackendModule(Protocol):
    """A module measure/backend_*.py: the class of its backends, and what its errors say when memory runs out."""

    @property
    def Backend(self) -> "Callable[..., Backend]": ...  # noqa: N802

    @property
    def OUT_OF_MEMORY(self) -> tuple[str, ...]: ...  # noqa: N802
