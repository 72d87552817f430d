"""The options of a run. Those of the original program keep their long and short flags."""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
import re

from spherical_cnn import choices
from spherical_cnn.errors import ConfigError
from spherical_cnn.options import Options, option

PROCESS_OPTIONS = ("coordinator", "num_processes", "process_id")
_SPHERICAL = ("spectral_pool", "n_filter_params", "dealias", "map_grid", "up_channel")


@dataclasses.dataclass(frozen=True)
class RunConfig(Options):
    """All options of a run.

    Raises:
        ConfigError: naming the first flag whose value, or combination, is invalid.
    """

    model: str = option(
        "two_branch",
        "m",
        "architecture; planar uses 3 × 3 convolutions, for comparison",
        choices.MODELS,
        group="run",
    )
    logdir: str = option("", "ld", "run folder, created if missing")
    run_id: str = option("", "id", "name of the run; default: the last part of logdir")
    test_only: bool = option(False, "to", "test the run in logdir without training")
    dset: str = option(
        "from_cached_tfrecords", "d", "kind of dataset", ("from_cached_tfrecords",), group="data"
    )
    dset_dir: str = option("~/bigdata", "dd", "folder of train*, val*, test*.tfrecord")
    online: str = option(
        "", None, "SOURCE of shapes to cast during training, instead of TFRecords; see scnn build"
    )
    n_classes: int = option(10, "nc", "number of classes", least=2)
    dtype: str = option("complex64", "dt", "dtype of the samples in the records", choices.DTYPES)
    spectral_input: bool = option(False, None, "not supported; it never ran in the original")
    mag_ang: bool = option(False, None, "always on; accepted for the original's files of flags")
    real_inputs: bool = option(False, "ri", "always on; accepted for the original's files of flags")
    nchannels: int = option(1, None, "channels in the records; complex ones count once", least=1)
    first_n: int | None = option(None, "fn", "use the first N train and val batches", least=1)
    test_n: int = option(0, "tn", "test on the first N batches; 0 for all", least=0)
    input_res: int = option(32, "res", "samples along each angle of the sphere")
    skip_val: bool = option(False, "sv", "skip validation; best checkpoint by train accuracy")
    optimizer: str = option(
        "adam", "o", "optimizer; momentum is 0.9, Nesterov", choices.OPTIMIZERS, group="training"
    )
    learning_rate: dict[int, float] = option(
        {0: 1e-3}, "lr", "{epoch: rate, …}, epochs from 0; a rate applies until the next epoch"
    )
    regularization_weight: float = option(
        0.0, "reg", "weight of the mean L2 norm of the convolutions' anchors", least=0
    )
    n_epochs: int = option(10, "ne", "number of epochs; each uses one train shard", least=1)
    from_scratch: bool = option(False, "fs", "remove an earlier run in logdir first")
    train_bsize: int = option(128, "bs", "batch size", least=1)
    nfilters: tuple[int, ...] = option(
        (16, 16, 32, 32, 64, 64), None, "channels of each layer", group="network"
    )
    pool_layers: tuple[int, ...] = option((0, 1, 0, 1, 0, 0), None, "1 for layers that pool")
    concat_branches: tuple[int, ...] = option(
        (0, 0, 0, 0, 0, 0),
        None,
        "1 for layers where the branch distance also takes the input of incidence",
    )
    dropout: bool = option(False, "do", "dropout of 0.5 after the final pool and the dense layer")
    batch_norm: bool = option(False, "bn", "batch normalization after each convolution")
    batch_renorm: bool = option(False, "brn", "batch renormalization instead")
    nonlin: str = option("prelu", "nl", "nonlinearity: prelu, smelu or a Keras activation")
    spectral_pool: bool = option(False, "sp", "pool in the spectral domain")
    pool: str = option("wap", "p", "pooling; lowpass is exactly equivariant", choices.POOLS)
    dealias: bool = option(False, None, "compute feature maps on a finer grid, to reduce aliasing")
    map_grid: str = option(
        "driscoll_healy",
        None,
        "grids of --dealias: the paper's, 3/2 as fine; or Gauss-Legendre ones, faster, for smelu",
        choices.MAP_GRIDS,
    )
    up_channel: str = option(
        "off",
        None,
        "add an up-axis input channel: on for upright shapes, masked (zeros) for any rotation",
        choices.UP_CHANNELS,
    )
    n_filter_params: tuple[int, ...] = option(
        (0,),
        "nfp",
        "anchors per filter (num_anchors), for all layers or for each; 0: one per degree",
    )
    weighted_sph_avg: bool = option(False, "wsa", "weight the last feature maps by area")
    quadrature: bool = option(False, None, "integrate the last feature maps exactly instead")
    final_pool: str = option("gap", "fp", "pooling of the last feature maps", choices.FINAL_POOLS)
    extra_loss: bool = option(False, "el", "second classifier on half of the descriptor")
    triplet_loss: bool = option(False, "tl", "add a semi-hard triplet loss of the descriptor")
    round_batches: bool = option(False, "rb", "drop the last partial train batch")
    no_final_fc: bool = option(False, "nofc", "use the pooled vector as the descriptor")
    transform_method: str = option(
        "sep",
        "tm",
        "naive: dense contraction; equal numbers, slower",
        choices.METHODS,
        group="speed and reproducibility",
    )
    jit_compile: bool = option(
        False, "jit", "compile with XLA: faster steps; the first one of each shape takes seconds"
    )
    tf32: bool = option(False, None, "allow TensorFloat-32 on NVIDIA GPUs: faster, 3 digits not 7")
    devices: str = option("1", None, "N or all: number of devices that share each batch")
    coordinator: str = option("", None, "HOST:PORT of process 0 of several processes (JAX)")
    num_processes: int = option(1, None, "number of processes; their other flags agree", least=1)
    process_id: int = option(
        0, None, "index of this process, from 0; process 0 writes the run folder", least=0
    )
    seed: int = option(0, None, "seed of weights, shuffling and dropout", least=0)
    deterministic: bool = option(False, None, "bitwise reproducible; slower, disables XLA")

    def __post_init__(self):
        super().__post_init__()
        for problem in itertools.chain(self._network_problems(), self._run_problems()):
            raise ConfigError(problem)

    def _network_problems(self):
        """Yields what is wrong with the options of the network; each assumes the ones before."""
        lengths = {
            name: len(getattr(self, name))
            for name in ("nfilters", "pool_layers", "concat_branches")
        }
        if len(set(lengths.values())) != 1 or not self.nfilters or min(self.nfilters) < 1:
            yield (
                "--nfilters, --pool_layers, --concat_branches: expected one entry per layer, "
                f"positive numbers of filters. Received: {lengths}, nfilters={self.nfilters}"
            )
        anchors = self.n_filter_params
        if len(anchors) not in (1, len(self.nfilters)) or min(anchors) < 0:
            yield (
                f"--n_filter_params: expected at least 0, once or for each of {len(self.nfilters)} "
                f"layers. Received: {','.join(map(str, anchors))}"
            )
        for name in ("pool_layers", "concat_branches"):
            if set(getattr(self, name)) - {0, 1}:
                yield f"--{name}: expected 0 or 1. Received: {getattr(self, name)}"
        factor = 2 ** (1 + self.dealias + sum(self.pool_layers))
        if self.input_res < 1 or self.input_res % factor:
            yield (
                f"--input_res: expected a multiple of {factor} for {sum(self.pool_layers)} "
                f"pooling layers{' and --dealias' * self.dealias}. Received: {self.input_res}"
            )
        own = choices.NONLINEARITIES
        known = own if self.nonlin in own else nonlinearities()
        if self.nonlin not in known:
            yield f"--nonlin: expected {' or '.join(known)}. Received: {self.nonlin!r}"
        if self.map_grid == "gauss_legendre" and not (
            self.dealias and self.quadrature and self.pool == "lowpass" and not self.pool_layers[-1]
        ):
            yield (
                "--map_grid gauss_legendre needs --dealias, --quadrature, --pool lowpass, and no "
                f"pooling after the last layer. Received: dealias={self.dealias}, quadrature="
                f"{self.quadrature}, pool={self.pool}, pool_layers={self.pool_layers}"
            )
        if self.spectral_pool and self.pool != "wap":
            yield f"--spectral_pool replaces --pool, which must stay wap. Received: {self.pool}"
        if self.batch_renorm and not self.batch_norm:
            yield "--batch_renorm needs --batch_norm, which it modifies"
        if self.model == "planar":
            if any(getattr(self, name) != getattr(RunConfig, name) for name in _SPHERICAL):
                yield f"--model planar has no {', '.join(f'--{name}' for name in _SPHERICAL)}"
        if self.nchannels * (2 if self.dtype.startswith("complex") else 1) != 2:
            yield (
                f"--nchannels: {self.model} takes two channels: one complex or two real. "
                f"Received: {self.nchannels} of {self.dtype}"
            )

    def _run_problems(self):
        """Yields what is wrong with the other options."""
        rates = self.learning_rate
        if 0 not in rates or min(rates) < 0 or not all(0 < r < math.inf for r in rates.values()):
            yield (
                "--learning_rate: expected positive rates by epoch, from epoch 0, such as "
                f"{{0: 0.001, 32: 0.0002}}. Received: {rates}"
            )
        if not re.fullmatch("all|[1-9][0-9]{0,3}", self.devices):
            yield f"--devices: expected a number or all. Received: {self.devices}"
        if self.process_id >= self.num_processes:
            yield (
                f"--process_id: expected less than --num_processes {self.num_processes}. "
                f"Received: {self.process_id}"
            )
        if self.coordinator and not re.fullmatch(r"[^\s:]+:[0-9]{1,5}", self.coordinator):
            yield f"--coordinator: expected HOST:PORT. Received: {self.coordinator}"
        if bool(self.coordinator) != (self.num_processes > 1):
            yield "--coordinator, --num_processes: expected both or none"
        if self.num_processes > 1 and (self.from_scratch or self.test_only):
            yield "--num_processes: several processes train only, without --from_scratch"
        if self.online and (self.num_processes > 1 or self.test_only):
            yield "--online excludes --num_processes and --test_only"
        if self.spectral_input:
            yield "--spectral_input: not supported, the input is a signal"
        if self.test_only and self.from_scratch:
            yield "--test_only excludes --from_scratch, which removes the run to test"
        if self.triplet_loss and not self.round_batches:
            yield "--triplet_loss needs --round_batches: it finds triplets in full batches"

    @property
    def name(self):
        """`run_id`, or the last part of `logdir`."""
        return self.run_id or os.path.basename(os.path.normpath(self.logdir))

    def rate(self, epoch):
        """Returns the learning rate of `epoch` (from 0)."""
        return self.learning_rate[max(key for key in self.learning_rate if key <= epoch)]


def nonlinearities():
    """Returns the values of `--nonlin`: ours, and the names of Keras's activations."""
    from keras import activations  # only here, because it is slow to import

    known = set(dir(activations)) - {"get", "serialize", "deserialize"}
    known = {name for name in known if callable(getattr(activations, name)) and name[0] != "_"}
    return [*choices.NONLINEARITIES, *sorted(known)]
