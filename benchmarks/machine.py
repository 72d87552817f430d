"""The machine: what it is, what is installed, what it can do."""

import datetime
import importlib.metadata
import os
import pathlib
import platform
import subprocess
import threading

import numpy as np

from benchmarks.harness import cores, repeated

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = (
    *("tensorflow", "keras", "numpy", "scipy", "jax", "jaxlib", "torch"),
    *("torch-harmonics", "s2fft", "e3nn", "ducc0", "pyshtools"),
)


def describe():
    """Dict of machine, versions, date and commit; `None` for what cannot be found out."""
    return {
        "cpu": _cpu(),
        "cores": cores(),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "os": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
    }


class Product:
    """A large float32 matrix product in TensorFlow: the rate that bounds a network.

    Args:
        size: side of the matrices.
    """

    def __init__(self, size=2048):
        import tensorflow as tf

        matrix = tf.random.stateless_uniform((size, size), (0, 1))
        product = tf.function(lambda: tf.reduce_sum(tf.matmul(matrix, matrix)[0]))
        self._once = lambda: product().numpy()
        self._flops = 2 * size**3
        self._once()

    def measure(self):
        """Dict of operations per second, a multiplication and an addition being two.

        The best of several: what the machine can do.
        """
        return {"product_flops": self._flops / min(repeated(self._once))}


class Copy:
    """A large copy by NumPy, a thread per core: the bandwidth of the memory.

    Args:
        size: bytes.
    """

    def __init__(self, size=2**28):
        source = np.ones(size // 4, np.float32)
        self._parts = [np.array_split(a, cores()) for a in (np.zeros_like(source), source)]
        self._bytes = 2 * source.nbytes
        self._once()

    def measure(self):
        """Dict of bytes per second, a byte copied being one read and one written; the best."""
        return {"copy_bytes": self._bytes / min(repeated(self._once))}

    def _once(self):
        threads = [
            threading.Thread(target=np.copyto, args=parts)
            for parts in zip(*self._parts, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _cpu():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or None
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit():
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
