"""Imports, timed in a child that has imported nothing else: a module of its own for that."""

import time


class Imports:
    """What imports take, in a child."""

    def __init__(self):
        start = time.perf_counter()
        import keras  # noqa: F401

        between = time.perf_counter()
        import spherical_cnn

        _ = spherical_cnn.SphericalConv
        end = time.perf_counter()
        self.seconds = {"keras": between - start, "layers": end - between, "both": end - start}

    def measure(self):
        """Seconds to import Keras with its backend, then the layers, and both."""
        return self.seconds
