"""Training on several devices of one machine: each step's batch is shared out among them.

On JAX by `keras.distribution.DataParallel`: one program over all devices, so that losses, batch
normalization and triplets are those of the whole batch. On TensorFlow by `MirroredStrategy`: a copy
of the network on each device, whose gradients and batch statistics are averaged; what looks at the
whole batch otherwise, triplets and batch renormalization, is refused there, and so is XLA.
"""

from __future__ import annotations

import contextlib

import keras

from spherical_cnn.data.flags import ConfigError
from spherical_cnn.nn.normalization import BatchNormalization


class Devices:
    """The devices that a run trains on.

    Args:
        config: `Config`; its `devices` says how many.

    Raises:
        ConfigError: if there are fewer, or the options cannot be spread over several.
    """

    def __init__(self, config):
        self._backend = keras.backend.backend()
        names = self._names() if config.devices != "1" else ["the default"]
        self.count = len(names) if config.devices == "all" else int(config.devices)
        if self.count > len(names):
            raise ConfigError(
                f"--devices: expected at most {len(names)}, as many as {self._backend} has "
                f"({', '.join(names)}). Received: {config.devices}"
            )
        self._strategy = None
        if self.count > 1:
            self._check(config)
            self._strategy = self._make(names[: self.count])

    @property
    def several(self):
        """Whether there is more than one."""
        return self.count > 1

    @contextlib.contextmanager
    def scope(self):
        """Where a network must be built, and trained, to be spread over the devices."""
        if self._strategy is None:
            yield
        elif self._backend == "tensorflow":
            with self._strategy.scope():
                yield
        else:
            keras.distribution.set_distribution(self._strategy)
            try:
                yield
            finally:
                keras.distribution.set_distribution(None)

    def prepare(self, model):
        """Has the network's layers act on the whole batch, where that is not so of itself."""
        if self.several and self._backend == "tensorflow":
            for layer in model._flatten_layers():
                if isinstance(layer, BatchNormalization):
                    layer.synchronized = True

    def _names(self):
        if self._backend == "tensorflow":
            import tensorflow as tf

            kinds = (tf.config.list_logical_devices(kind) for kind in ("GPU", "CPU"))
            return [device.name for device in next(filter(None, kinds))]
        return keras.distribution.list_devices()

    def _make(self, names):
        if self._backend == "tensorflow":
            import tensorflow as tf

            return tf.distribute.MirroredStrategy(names)
        return keras.distribution.DataParallel(devices=names)

    def _check(self, config):
        on_tensorflow = self._backend == "tensorflow"
        rules = (
            (
                self._backend == "torch",
                "expected 1 on the torch backend, whose Keras trains on one device",
            ),
            (
                config.train_bsize % self.count > 0,
                f"expected a divisor of --train_bsize {config.train_bsize}",
            ),
            (not config.round_batches, "needs --round_batches: a full batch for every step"),
            (
                on_tensorflow and (config.triplet_loss or config.batch_renorm),
                "--triplet_loss and --batch_renorm look at the whole batch: KERAS_BACKEND=jax",
            ),
            (
                on_tensorflow and config.jit_compile,
                "--jit_compile: XLA over several devices is JAX's: KERAS_BACKEND=jax",
            ),
        )
        for broken, message in rules:
            if broken:
                raise ConfigError(f"--devices: {message}. Received: {self.count}")
