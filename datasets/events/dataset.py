"""Offer a published data set of events to the harness: its label, its recordings by split, and batches in bins."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import availability, fingerprint
from .binning import Sparse
from .published import Published
from .recordings import Recordings


@dataclass(frozen=True)
class EventDataset:
    """A published data set of events, in the genuine files or in a stand-in's: see `protocols.EventDataset`."""

    published: Published
    FEATURES: int
    """Input lines, if nothing is pooled."""
    sparse: Callable[..., Sparse]
    """Bins a batch: (steps, size, seed, features, **options) -> the batch, not dense yet."""
    recordings: Callable[..., tuple[Recordings, NDArray[np.int64]]]
    """List a split: (split) -> the recordings of the part that it is in, and the numbers of those that it has."""

    @property
    def CLASSES(self) -> int:  # noqa: N802
        """The number of classes."""
        return self.published.classes

    @property
    def LABEL(self) -> str:  # noqa: N802
        """The name of what would be loaded now: files may come and go."""
        return availability.label(self.published)

    @property
    def SYNTHETIC(self) -> bool:  # noqa: N802
        """Whether what would be loaded now is synthetic."""
        return availability.synthetic(self.published)

    @property
    def events(self) -> "EventDataset":
        """The data set itself, which has recordings."""
        return self

    def batch(
        self, steps: int, size: int, seed: int, features: int | None = None, **options: Any
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Draw `size` different recordings of a split, by `seed`, in `steps` bins.

        features: input lines, all that the sensor has if left out. options: those of the data set's `sparse`. Returns
        inputs [T, B, features], events per bin, and targets [T, B], the class at every step. Raises ValueError for what
        is impossible, MissingError if there are no files and DamagedError if they are not what they should be.
        """
        binned = self.sparse(steps, size, seed, self.FEATURES if features is None else features, **options)
        return binned.dense(0, steps, np.float32), binned.targets(0, steps)

    def fingerprint(self) -> str:
        """Hash the files that would be loaded; empty if there are none."""
        return fingerprint.fingerprint(self.published)

    def unavailable(self) -> str | None:
        """Tell what to do about missing files, or about what is not installed to read them; or None."""
        if availability.location(self.published) is None:
            return availability.missing(self.published)
        return availability.unreadable(self.published)
