"""Imports the Keras backend without the lines that TensorFlow prints on machines without a GPU.

They come from its C++ code, before it reads `TF_CPP_MIN_LOG_LEVEL`. Whatever else is written to
standard error meanwhile is passed on.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import tempfile

_NOISE = re.compile(
    rb"before absl::InitializeLog\(\)|^To enable the following instructions"
    rb"|(port|cudart_stub|cuda_platform|cuda_executor|cpu_feature_guard)\.cc:\d+\]"
)


@contextlib.contextmanager
def without_noise():
    """Drops the known lines from what is written to file descriptor 2 within."""
    try:
        screen = os.dup(2)
    except OSError:  # closed, as in a program without a console
        yield
        return
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(screen, 2)
            os.close(screen)
            said.seek(0)
            for line in said:
                if not _NOISE.search(line):
                    with contextlib.suppress(OSError):  # nobody reads it, or the disk is full
                        os.write(2, line)


def find_devices():
    """Has TensorFlow look for GPUs: not finding one is no error. To another backend it leaves them.

    With another backend TensorFlow, which reads the shards, may be missing until one is read.

    Raises:
        ImportError: if TensorFlow is the backend and not installed.
    """
    other = keras.backend.backend() != "tensorflow"
    if other and importlib.util.find_spec("tensorflow") is None:
        return
    with without_noise():
        import tensorflow as tf

        tf.config.list_physical_devices()
        if other:
            tf.config.set_visible_devices([], "GPU")


with without_noise():
    import keras
