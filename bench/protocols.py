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


class Batch(Protocol):
    """A batch that is not dense yet, or that hands out an array it has."""

    def dense(self, start: int, stop: int, dtype: Any) -> NDArray[Any]:
        """Return the inputs of steps start to stop - 1, [K, B, I], in this type if they are not arrays already."""
        ...

    def targets(self, start: int, stop: int) -> NDArray[np.int32]:
        """Return the targets of steps start to stop - 1, [K, B]."""
        ...


class DatasetModule(Protocol):
    """What a file of `datasets/` or a plugin offers of a data set: a module or an object with these names, at least.

    It may also offer `FILES`, the files that it reads, and `sparse`, which takes the arguments of `batch` and returns a
    `Batch`. A file of `datasets/` offers `DATASET` instead, an object, if its data set is published as files.
    """

    @property
    def LABEL(self) -> str:  # noqa: N802
        """What the data is, with "(synthetic)" if it was not recorded."""
        ...

    @property
    def SYNTHETIC(self) -> bool: ...  # noqa: N802

    @property
    def CLASSES(self) -> int: ...  # noqa: N802

    @property
    def FEATURES(self) -> int:  # noqa: N802
        """Input lines."""
        ...

    @property
    def batch(self) -> Callable[..., tuple[NDArray[np.float32], NDArray[np.int32]]]:
        """(steps, size, seed) -> inputs [T, B, I], targets [T, B], where -1 is no label; some also take `features`."""
        ...


class Dataset(DatasetModule, Protocol):
    """What the harness asks every data set: `data.dataset(name)`."""

    @property
    def events(self) -> "EventDataset | None":
        """The published files and recordings of the data set, if it has any."""
        ...

    @property
    def sparse(self) -> Callable[..., Batch]:
        """Draws the batch that `batch` draws from the same arguments, as compact as the data set can."""
        ...

    def fingerprint(self) -> str | None:
        """Hash the files that would be loaded; "" if they are not there, None if the data set reads none."""
        ...

    def unavailable(self) -> str | None:
        """Tell what to do about missing files, or about what is not installed to read them; or None."""
        ...


class EventDataset(Dataset, Protocol):
    """What the harness asks a data set of recordings that are published as files: `datasets/events/dataset.py`."""

    @property
    def published(self) -> Any:
        """What the authors published: `datasets.events.published.Published`."""
        ...

    @property
    def recordings(self) -> Callable[..., tuple[Any, NDArray[np.int64]]]:
        """(split) -> the recordings of the part that a split is in, and the numbers of those that the split has."""
        ...


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
