"""The errors of this package: one base class, and a kind for each thing that can be wrong."""


class SphericalCNNError(Exception):
    """Base of all errors that this package raises about options, files and runs.

    The message names the file or the flag, and says what was found, what was expected and what to
    do.
    """


class ConfigError(SphericalCNNError, ValueError):
    """Options that cannot be used; the message names the flag."""


class ShapeError(SphericalCNNError, ValueError):
    """A shape that cannot become a signal."""


class RecordError(SphericalCNNError, ValueError):
    """A TFRecord, or a shard of them, that cannot be used."""


class DatasetError(SphericalCNNError, RuntimeError):
    """A dataset that cannot be built."""


class RunError(SphericalCNNError, RuntimeError):
    """A run folder, or a file in it, that cannot be used."""


class RankingError(SphericalCNNError, ValueError):
    """Descriptors or rankings that cannot be evaluated."""
