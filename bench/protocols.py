"""Define what an algorithm, a cell, a data set and the backend of a framework must offer."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Weights = list[dict[str, NDArray[Any]]]
"""Weights or gradients: one dict per layer, the readout last, of an array [J, Gk, N] for each kind of weight."""


class Algorithm(Protocol):
    """Offer an algorithm in a framework: a module, or `init` and `advance` with the options of a case bound."""

    @property
    def init(self) -> Callable[..., Any]:
        """Return the function that makes the carry before the first step: (net, params, batch) -> carry."""
        ...

    @property
    def advance(self) -> Callable[..., Any]:
        """Return the function that advances a chunk: inputs [K, B, I], targets [K, B].

        (net, params, carry, inputs, targets, *, last=False) -> carry, loss, gradient.
        """
        ...


class Reference(Protocol):
    """Compute loss and gradient in NumPy, as the algorithm is defined: inputs [T, B, I], targets [T, B]."""

    def __call__(
        self, net: Any, params: Weights, inputs: NDArray[Any], targets: NDArray[Any], **options: Any
    ) -> tuple[float, Weights]: ...


class Cell(Protocol):
    """Specify one layer; a framework's class of the cell has `emit`, `dynamics` and `output`, too."""

    @property
    def S(self) -> int:  # noqa: N802
        """Return the number of states of a neuron."""
        ...

    @property
    def G(self) -> int:  # noqa: N802
        """Return the number of input currents of a neuron."""
        ...

    @property
    def spiking(self) -> bool:
        """Tell whether the output is spikes."""
        ...

    @property
    def reads(self) -> dict[str, slice]:
        """Return the input currents that each kind of weight feeds."""
        ...

    def fan_in(self, kind: str, inputs: int, neurons: int) -> int:
        """Return the number J of presynaptic neurons of a kind of weight."""
        ...

    def initial_weights(self, rng: np.random.Generator, inputs: int, neurons: int) -> dict[str, NDArray[Any]]:
        """Draw the weights [J, Gk, N] of each kind."""
        ...


class Batch(Protocol):
    """Offer the steps of a batch as dense arrays, made when they are asked for or before."""

    def dense(self, start: int, stop: int, dtype: Any) -> NDArray[Any]:
        """Return the inputs [K, B, I] of steps start to stop - 1, in this dtype unless the batch has an array."""
        ...

    def targets(self, start: int, stop: int) -> NDArray[np.int32]:
        """Return the targets of steps start to stop - 1, [K, B]."""
        ...


class DatasetModule(Protocol):
    """Offer a data set as a file of `datasets/` or a plugin does: a module or an object with at least these names.

    It may also offer `FILES`, the files that it reads, and `sparse`, which takes the arguments of `batch` and returns a
    `Batch`. If the data set is published as files, its file in `datasets/` offers an object, `DATASET`, instead.
    """

    @property
    def LABEL(self) -> str:  # noqa: N802
        """Return what the data is, with "(synthetic)" if it was not recorded."""
        ...

    @property
    def SYNTHETIC(self) -> bool:  # noqa: N802
        """Tell whether the data is synthetic."""
        ...

    @property
    def CLASSES(self) -> int:  # noqa: N802
        """Return the number of classes."""
        ...

    @property
    def FEATURES(self) -> int:  # noqa: N802
        """Return the number of input lines."""
        ...

    @property
    def batch(self) -> Callable[..., tuple[NDArray[np.float32], NDArray[np.int32]]]:
        """Return the function that draws a batch: (steps, size, seed) -> inputs [T, B, I], targets [T, B].

        A target of -1 is no label. The functions of some data sets also take `features`, the number of input lines.
        """
        ...


class Dataset(DatasetModule, Protocol):
    """Offer a data set to the harness, as `data.dataset(name)` returns it."""

    @property
    def events(self) -> "EventDataset | None":
        """Return the data set's interface to published files and recordings; None if it has none."""
        ...

    @property
    def sparse(self) -> Callable[..., Batch]:
        """Return the function that draws the batch of `batch`, from the same arguments, in a compact form."""
        ...

    def fingerprint(self) -> str | None:
        """Return a hash of the files that would be loaded; "" if they are missing, None if the data set reads none."""
        ...

    def unavailable(self) -> str | None:
        """Return what to do about files, or a package that reads them, if these are missing; None if nothing is."""
        ...


class EventDataset(Dataset, Protocol):
    """Offer a data set whose recordings are published as files to the harness, as `datasets/events/dataset.py` does."""

    @property
    def published(self) -> Any:
        """Return what the authors published: `datasets.events.published.Published`."""
        ...

    @property
    def recordings(self) -> Callable[..., tuple[Any, NDArray[np.int64]]]:
        """Return the function (split) -> the recordings of a published part, and the indices of those in the split."""
        ...


class Backend(Protocol):
    """Offer one case in one framework, on one device, to be called, timed and measured."""

    net: tuple[Any, ...]
    phases: dict[str, float]
    """Seconds of each phase before the first call, as of compilation."""

    def call(self) -> tuple[Any, Any]:
        """Compute loss and gradient, and wait until the device has finished."""
        ...

    def gradient(self) -> tuple[float, Weights]:
        """Compute loss and gradient, as NumPy arrays."""
        ...

    def measure_memory(self) -> dict[str, Any]:
        """Return the bytes of one gradient by name, with the meter that counted them."""
        ...

    def forward(self) -> Callable[[], Any]:
        """Return a function that only runs the network forward: which neurons of each layer spiked, or its outputs."""
        ...

    def numpy(self, array: Any) -> NDArray[Any]:
        """Copy an array of the framework to NumPy."""
        ...


class BackendModule(Protocol):
    """Offer the backend of a framework, as a module measure/backend_*.py does."""

    @property
    def Backend(self) -> "Callable[..., Backend]":  # noqa: N802
        """Return the class of the framework's backends."""
        ...

    @property
    def OUT_OF_MEMORY(self) -> tuple[str, ...]:  # noqa: N802
        """Return phrases of the framework's errors that say that memory ran out."""
        ...
