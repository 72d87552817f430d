"""The format of records, and a record as NumPy values."""

import dataclasses
from typing import NamedTuple

import numpy as np

from spherical_cnn.choices import DTYPES


class Record(NamedTuple):
    """A record as NumPy values: `signal` is `(n, n, channels)`, colatitude before longitude."""

    signal: np.ndarray
    label: int
    name: str
    rotation: int


@dataclasses.dataclass(frozen=True)
class RecordFormat:
    """The format of the records of a shard.

    Raises:
        ValueError: if the dtype is unknown or a number is not positive.
    """

    resolution: int  # `n`, samples along each angle
    dtype: str = "complex64"  # of the raw samples, one of `DTYPES`
    channels: int = 1  # in the file, including `a`; a complex channel counts once
    num_classes: int | None = None  # labels must be below it; `None` allows any

    def __post_init__(self):
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {DTYPES}. Received: dtype={self.dtype!r}")
        if self.resolution < 1 or self.channels < 1:
            raise ValueError(
                "resolution and channels must be positive. "
                f"Received: resolution={self.resolution}, channels={self.channels}"
            )

    def expected(self, found_bytes):
        """Describes the found and the expected size of a record's samples."""
        n, item = self.resolution, np.dtype(self.dtype).itemsize
        text = (
            f"found {found_bytes} bytes of samples, "
            f"expected {n * n * self.channels * item} = {n} × {n} × {self.channels} {self.dtype}"
        )
        side = int(round((found_bytes / (item * self.channels)) ** 0.5))
        if side != n and side * side * item * self.channels == found_bytes:
            text += f" (it would be {side} × {side})"
        return text
