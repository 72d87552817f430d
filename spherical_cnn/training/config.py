"""Options of an experiment: command-line flags ⇄ frozen dataclass ⇄ JSON.

Every option keeps the original program's long and short flag, and its default.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re

from keras import activations

from spherical_cnn.data.records.schema import DTYPES
from spherical_cnn.nn.models import FINAL_POOLS, HEIGHTS
from spherical_cnn.nn.pooling import POOLS
from spherical_cnn.options import ConfigError, Options, either, flag_parser, option
from spherical_cnn.sphere.sht import METHODS

MODELS = ("two_branch", "planar")
_SPHERICAL = ("spectral_pool", "n_filter_params", "dealias", "height")


@dataclasses.dataclass(frozen=True)
class Config(Options):
    """All options of a run. Validates itself.

    Raises:
        ConfigError: naming the first flag whose value, or combination, is refused.
    """

    model: str = option(
        "",
        "m",
        "architecture; planar has 3 × 3 convolutions, to compare with",
        MODELS,
        group="run",
    )
    logdir: str = option("", "ld", "run folder, made if absent")
    run_id: str = option("", "id", "name of the run; the last part of logdir if not given")
    test_only: bool = option(False, "to", "test the run in logdir, do not train")
    dset: str = option("", "d", "kind of data set", ("from_cached_tfrecords",), group="data")
    dset_dir: str = option("~/bigdata", "dd", "folder of train*, val*, test*.tfrecord")
    n_classes: int = option(10, "nc", "number of classes", least=2)
    dtype: str = option("float32", "dt", "of the samples in the records", DTYPES)
    spectral_input: bool = option(False, None, "refused: never ran in the original")
    mag_ang: bool = option(False, None, "accepted for the original's files; always on")
    real_inputs: bool = option(False, "ri", "accepted for the original's files; always on")
    nchannels: int = option(1, None, "channels in the records; a complex one counts once", least=1)
    first_n: int | None = option(
        None, "fn", "use the first N train and validation batches", least=1
    )
    test_n: int = option(0, "tn", "test on the first N batches; 0 for all", least=0)
    input_res: int = option(32, "res", "samples along each angle of the sphere")
    skip_val: bool = option(False, "sv", "no validation; best and latest by train accuracy")
    optimizer: str = option(
        "adam", "o", "momentum is 0.9, Nesterov", ("adam", "momentum"), group="training"
    )
    learning_rate: dict[int, float] = option(
        {0: 1e-3}, "lr", "{epoch: rate, …}, epochs from 0; a rate holds until the next key"
    )
    regularization_weight: float = option(
        0.0, "reg", "weight of the mean l2 of the convolutions' anchors", least=0
    )
    n_epochs: int = option(10, "ne", "epochs; one train shard each, cycling", least=1)
    from_scratch: bool = option(False, "fs", "remove what an earlier run left in logdir")
    train_bsize: int = option(128, "bs", "batch size", least=1)
    nfilters: tuple[int, ...] = option(
        (16, 16, 32, 32, 64, 64), None, "channels of each layer", group="network"
    )
    pool_layers: tuple[int, ...] = option((0, 1, 0, 1, 0, 0), None, "1 where a layer pools")
    concat_branches: tuple[int, ...] = option(
        (0, 0, 0, 0, 0, 0), None, "1 where branch 0 takes in branch 1"
    )
    dropout: bool = option(False, "do", "drop half after the final pool and the dense layer")
    batch_norm: bool = option(False, "bn", "batch normalization after each convolution")
    batch_renorm: bool = option(False, "brn", "batch renormalization in its place")
    nonlin: str = option("prelu", "nl", "prelu or a Keras activation")
    spectral_pool: bool = option(False, "sp", "pool in the spectral domain")
    pool: str = option("wap", "p", "pooling; lowpass is exact", POOLS)
    dealias: bool = option(
        False, None, "maps on grids 3/2 as fine, with degrees as many: nonlinearities alias less"
    )
    height: str = option(
        "none",
        None,
        "the network is told the height of every sample, where shapes are upright: told; it can do "
        "without, to be tested in any rotation: untold",
        HEIGHTS,
    )
    n_filter_params: tuple[int, ...] = option(
        (0,), "nfp", "anchors per filter, of all layers or of each; 0 for one per degree"
    )
    weighted_sph_avg: bool = option(False, "wsa", "weigh the last maps by area")
    quadrature: bool = option(False, None, "integrate the last maps exactly, in place of that")
    final_pool: str = option("gap", "fp", "descriptor of the last maps", FINAL_POOLS)
    extra_loss: bool = option(False, "el", "second classifier on half of the descriptor")
    triplet_loss: bool = option(False, "tl", "add a semi-hard triplet loss on the descriptor")
    round_batches: bool = option(False, "rb", "drop the last partial train batch")
    no_final_fc: bool = option(False, "nofc", "the pooled vector is the descriptor")
    transform_method: str = option(
        "sep",
        "tm",
        "naive: dense contraction, same numbers, slower",
        METHODS,
        group="speed and repetition",
    )
    jit_compile: bool = option(
        False, "jit", "compile by XLA: steps are faster, the first of each shape takes seconds"
    )
    devices: str = option("1", None, "N or all: a step's batch is shared out among them")
    coordinator: str = option(
        "", None, "HOST:PORT of process 0 of a job of several processes, on the JAX backend"
    )
    num_processes: int = option(1, None, "of the job; all get the same other flags", least=1)
    process_id: int = option(0, None, "of this process, from 0; 0 writes the run folder", least=0)
    seed: int = option(0, None, "of weights, shuffling and dropout", least=0)
    deterministic: bool = option(False, None, "bit-equal reruns, slower: without XLA")

    def __post_init__(self):
        super().__post_init__()
        self._check_rates()
        self._check_layers()
        self._check_combinations()

    def _check_rates(self):
        if 0 not in self.learning_rate or not all(
            epoch >= 0 and 0 < rate < math.inf for epoch, rate in self.learning_rate.items()
        ):
            raise ConfigError(
                "--learning_rate: expected positive rates by epoch, from epoch 0 on, such as "
                f"{{0: 0.001, 32: 0.0002}}. Received: {self.learning_rate}"
            )

    def _check_layers(self):
        lengths = {
            name: len(getattr(self, name))
            for name in ("nfilters", "pool_layers", "concat_branches")
        }
        if len(set(lengths.values())) != 1 or not self.nfilters or min(self.nfilters) < 1:
            raise ConfigError(
                "--nfilters, --pool_layers, --concat_branches: expected one entry per layer, "
                f"positive numbers of filters. Received: {lengths}, nfilters={self.nfilters}"
            )
        anchors = self.n_filter_params
        if len(anchors) not in (1, len(self.nfilters)) or min(anchors) < 0:
            raise ConfigError(
                f"--n_filter_params: expected at least 0, once or for each of {len(self.nfilters)} "
                f"layers. Received: {','.join(map(str, anchors))}"
            )
        for name in ("pool_layers", "concat_branches"):
            if set(getattr(self, name)) - {0, 1}:
                raise ConfigError(f"--{name}: expected 0 or 1. Received: {getattr(self, name)}")
        factor = 2 ** (1 + self.dealias + sum(self.pool_layers))
        if self.input_res < 1 or self.input_res % factor:
            raise ConfigError(
                f"--input_res: expected a multiple of {factor} for {sum(self.pool_layers)} "
                f"pooling layers{' and --dealias' * self.dealias}. Received: {self.input_res}"
            )

    def _check_combinations(self):
        known = nonlinearities()
        if self.nonlin not in known:
            raise ConfigError(f"--nonlin: expected {either(known)}. Received: {self.nonlin!r}")
        channels = self.nchannels * (2 if self.dtype.startswith("complex") else 1)
        rules = (
            (
                not re.fullmatch("all|[1-9][0-9]{0,3}", self.devices),
                f"--devices: expected a number or all. Received: {self.devices}",
            ),
            (
                self.process_id >= self.num_processes,
                f"--process_id: expected less than --num_processes {self.num_processes}. "
                f"Received: {self.process_id}",
            ),
            (
                self.coordinator and not re.fullmatch(r"[^\s:]+:[0-9]{1,5}", self.coordinator),
                f"--coordinator: expected HOST:PORT. Received: {self.coordinator}",
            ),
            (
                bool(self.coordinator) != (self.num_processes > 1),
                "--coordinator, --num_processes: expected both or none",
            ),
            (
                self.num_processes > 1 and (self.from_scratch or self.test_only),
                "--num_processes: several processes train only, without --from_scratch",
            ),
            (self.spectral_input, "--spectral_input: refused, the network takes signals only"),
            (
                self.test_only and self.from_scratch,
                "--test_only excludes --from_scratch, which removes what there is to test",
            ),
            (
                self.triplet_loss and not self.round_batches,
                "--triplet_loss needs --round_batches: full batches to mine triplets in",
            ),
            (
                self.spectral_pool and self.pool != "wap",
                f"--spectral_pool replaces --pool, which must stay wap. Received: {self.pool}",
            ),
            (
                self.batch_renorm and not self.batch_norm,
                "--batch_renorm needs --batch_norm, of which it is a kind",
            ),
            (
                self.model == "planar"
                and any(getattr(self, name) != getattr(Config, name) for name in _SPHERICAL),
                f"--model planar has no {', '.join(f'--{name}' for name in _SPHERICAL)}",
            ),
            (
                channels != 2,
                f"--nchannels: {self.model} takes two channels: one complex or two real. "
                f"Received: {self.nchannels} of {self.dtype}",
            ),
        )
        for broken, message in rules:
            if broken:
                raise ConfigError(message)

    @property
    def name(self):
        """`run_id`, or the last part of `logdir`."""
        return self.run_id or os.path.basename(os.path.normpath(self.logdir))

    def rate(self, epoch):
        """Learning rate of `epoch` (from 0): that of the largest key not above it."""
        return self.learning_rate[max(key for key in self.learning_rate if key <= epoch)]


def nonlinearities():
    """What `--nonlin` takes: `prelu` and the names of Keras's activations."""
    known = set(dir(activations)) - {"get", "serialize", "deserialize"}
    return ["prelu", *sorted(n for n in known if callable(getattr(activations, n)) and n[0] != "_")]


def argument_parser(description, examples=()):
    """Parser of all options (see `flag_parser`)."""
    return flag_parser(description, Config, examples=examples)
