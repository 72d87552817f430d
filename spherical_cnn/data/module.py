"""What training needs of data: the protocol of data modules, and their batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np

Samples = dict[str, Any]


class Batches(Protocol):
    """Samples of one pass over data, in batches."""

    def __iter__(self) -> Iterator[Samples]:
        """Yields dicts of `signal` `(batch, n, n, 2)`, `label`, `name` and `rotation`."""

    def keras_input(self, outputs: list[str]) -> Mapping[str, Any]:
        """Returns arguments of Keras's `fit` and `evaluate`; every output gets the labels."""


class DataModule(Protocol):
    """Data that a run trains on and is tested on.

    `TFRecordData` reads TFRecords; `OnlineData` casts shapes during training.
    """

    def description(self) -> dict[str, Any] | None:
        """Returns the source, classes and options of the dataset, or `None` if it has no record."""

    def log(self) -> None:
        """Logs what the data are, and what was skipped."""

    def train(self, epoch: int, share: tuple[int, int]) -> tuple[Batches, int]:
        """Returns the batches of an epoch (from 0) and the number of its samples.

        With `share = (i, n)` each batch is the i-th of n equal parts.
        """

    def batches(self, split: str, limit: int | None = None) -> Batches:
        """Returns the batches of a split in a fixed order, or only the first ones."""

    def errors(self) -> AbstractContextManager[None]:
        """Returns a context in which errors of reading name the file and the record."""


@dataclasses.dataclass(frozen=True)
class ArrayBatches:
    """`Batches` of arrays in memory."""

    signals: np.ndarray
    labels: np.ndarray
    names: np.ndarray
    batch_size: int

    def __iter__(self) -> Iterator[Samples]:
        """Yields the samples in batches; none is one of several rotated copies: `rotation` is 0."""
        for start in range(0, len(self.signals), self.batch_size):
            part = slice(start, start + self.batch_size)
            yield {
                "signal": self.signals[part],
                "label": self.labels[part],
                "name": self.names[part],
                "rotation": np.zeros(len(self.labels[part]), np.int64),
            }

    def keras_input(self, outputs: list[str]) -> Mapping[str, Any]:
        """See `Batches.keras_input`."""
        labels = dict.fromkeys(outputs, self.labels)
        return {"x": self.signals, "y": labels, "batch_size": self.batch_size}
