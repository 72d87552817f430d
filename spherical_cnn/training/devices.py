"""Data-parallel training on several devices of one or more machines.

JAX runs one program over all devices (`keras.distribution.DataParallel`), so that losses, batch
normalization and triplets see the whole batch. TensorFlow runs a copy of the network on each device
(`MirroredStrategy`) and averages gradients and batch statistics; options that need the whole batch
in another way (triplets, batch renormalization) and XLA are refused there.

Several processes need JAX. All get the same flags and access the same run folder and shards; each
parses its part of every batch. Process 0, the *chief*, validates, tests and writes the run folder.
If a process dies, the others end; the same command resumes from the last checkpoint, with any
number of processes. If process 0 dies, JAX may abort the others before they print their error.
"""

from __future__ import annotations

import contextlib
import socket
import time

import keras
import numpy as np

from spherical_cnn.errors import ConfigError, RecordError, RunError
from spherical_cnn.nn.normalization import BatchNormalization
from spherical_cnn.training.run_config import RunConfig

_PATIENCE = 60  # seconds for the processes to connect, and to notice that one has died
_PAUSE = 0.5


class Devices:
    """The devices that a run trains on.

    Raises:
        ConfigError: if there are fewer, or the options do not allow several devices.
    """

    def __init__(self, config: RunConfig):
        self._backend = keras.backend.backend()
        self.share = (config.process_id, config.num_processes)
        if config.num_processes > 1:
            self._join(config)
        one = config.devices == "1" and config.num_processes == 1
        names = ["the default"] if one else device_names()
        every = config.devices == "all" or config.num_processes > 1
        self.count = len(names) if every else int(config.devices)
        if self.count > len(names):
            raise ConfigError(
                f"--devices: expected at most {len(names)}, as many as {self._backend} has "
                f"({', '.join(names)}). Received: {config.devices}"
            )
        self._strategy = None
        if self.several:
            for problem in self._problems(config):
                raise ConfigError(f"--devices: {problem}. Received: {self.count}")
            self._strategy = self._distribution(names[: self.count])

    @property
    def chief(self):
        """Whether this process writes the run folder."""
        return self.share[0] == 0

    @property
    def several(self):
        """Whether there is more than one device."""
        return self.count > 1

    def scope(self):
        """Context in which to build and train a network that is distributed over the devices."""
        return self._strategy.scope() if self._strategy else contextlib.nullcontext()

    def prepare(self, model):
        """Makes the network's layers use the whole batch, if they do not by default."""
        if self._backend == "tensorflow":
            for layer in model._flatten_layers():
                if isinstance(layer, BatchNormalization):
                    layer.synchronized = True

    @contextlib.contextmanager
    def together(self, epoch):
        """Context in which the processes continue after the same epoch; then they disconnect.

        Errors of the job say what to do.
        """
        if self.share[1] == 1:
            yield
            return
        import jax
        from jax.experimental import multihost_utils

        try:
            epochs = np.ravel(multihost_utils.process_allgather(np.array([epoch]))).tolist()
            if len(set(epochs)) > 1:
                raise RunError(
                    f"processes would resume after epochs {epochs}; expected one --logdir for all "
                    "of them"
                )
            yield
        except RecordError:  # a ValueError, but not of the job
            raise
        except (jax.errors.JaxRuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise RunError(
                f"process {self.share[0]} of {self.share[1]}: another process died or cannot be "
                f"reached ({reason}); the same command resumes from the last checkpoint"
            ) from error
        jax.distributed.shutdown()

    def _join(self, config):
        if self._backend != "jax":
            raise ConfigError(
                "--num_processes: expected KERAS_BACKEND=jax; Keras's fit does not support "
                f"several processes on {self._backend}. Received: {config.num_processes}"
            )
        import jax

        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        if not self.chief:  # JAX would abort this process if nobody answered
            _wait_for(config.coordinator)
        jax.distributed.initialize(
            config.coordinator,
            config.num_processes,
            config.process_id,
            initialization_timeout=_PATIENCE,
            heartbeat_timeout_seconds=_PATIENCE,
        )

    def _distribution(self, names):
        if self._backend == "tensorflow":
            import tensorflow as tf

            return tf.distribute.MirroredStrategy(names)
        return keras.distribution.DataParallel(devices=names, auto_shard_dataset=False)

    def _problems(self, config):
        """Yields why the options cannot be distributed."""
        if self._backend == "torch":
            yield "expected 1 on the torch backend, whose Keras trains on one device"
        if self.share[1] > 1 and config.devices not in ("1", "all"):
            yield "several processes use all devices, expected all"
        if config.train_bsize % self.count:
            yield f"expected a divisor of --train_bsize {config.train_bsize}"
        if not config.round_batches:
            yield "needs --round_batches: every step takes a full batch"
        on_tensorflow = self._backend == "tensorflow"
        if on_tensorflow and (config.triplet_loss or config.batch_renorm):
            yield "--triplet_loss and --batch_renorm need the whole batch: use KERAS_BACKEND=jax"
        if on_tensorflow and config.jit_compile:
            yield "--jit_compile: XLA over several devices needs KERAS_BACKEND=jax"


def device_names():
    """Returns the names of the devices of Keras's backend: of all GPUs or, without one, CPUs."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        kinds = (tf.config.list_logical_devices(kind) for kind in ("GPU", "CPU"))
        return [device.name for device in next(filter(None, kinds))]
    if keras.backend.backend() == "torch":
        import torch

        count = torch.cuda.device_count()
        return [torch.cuda.get_device_name(index) for index in range(count)] or ["cpu"]
    return keras.distribution.list_devices()


def _wait_for(address):
    """Waits until a process answers at `HOST:PORT`."""
    host, _, port = address.rpartition(":")
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection((host, int(port)), _PAUSE).close()
            return
        except OSError as error:
            if time.monotonic() > end:
                raise RunError(
                    f"--coordinator: no process answered at {address} in {_PATIENCE} s ({error}); "
                    "expected the process with --process_id 0 there"
                ) from error
        time.sleep(_PAUSE)
