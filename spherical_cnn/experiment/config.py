"""Options of an experiment: command-line flags ⇄ frozen dataclass ⇄ JSON.

Every option keeps the original program's long and short flag, and its default.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import math
import os
from collections.abc import Callable
from typing import Any, NamedTuple

from keras import activations

from spherical_cnn.data.records import DTYPES
from spherical_cnn.nn.models import FINAL_POOLS
from spherical_cnn.nn.pooling import POOLS
from spherical_cnn.sphere.sht import METHODS


class ConfigError(ValueError):
    """Options that make no experiment; the message names the flag and says what is expected."""


def _option(default, short, help_text, choices=None) -> Any:
    metadata = {"short": short, "help": help_text, "choices": choices}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Config:
    """All options of a run. Validates itself.

    Raises:
        ConfigError: naming the first flag whose value, or combination, is refused.
    """

    model: str = _option("", "m", "architecture", ("two_branch",))
    logdir: str = _option("", "ld", "run folder, made if absent")
    run_id: str = _option("", "id", "name of the run; the last part of logdir if not given")
    test_only: bool = _option(False, "to", "test the run in logdir, do not train")
    dset: str = _option("", "d", "kind of data set", ("from_cached_tfrecords",))
    dset_dir: str = _option("~/bigdata", "dd", "folder of train*, val*, test*.tfrecord")
    n_classes: int = _option(10, "nc", "number of classes")
    dtype: str = _option("float32", "dt", "of the samples in the records", DTYPES)
    spectral_input: bool = _option(False, None, "refused: never ran in the original")
    mag_ang: bool = _option(False, None, "accepted for the original's files; always on")
    first_n: int | None = _option(None, "fn", "use the first N train and validation batches")
    test_n: int = _option(0, "tn", "test on the first N batches; 0 for all")
    input_res: int = _option(32, "res", "samples along each angle of the sphere")
    skip_val: bool = _option(False, "sv", "no validation; best and latest by train accuracy")
    optimizer: str = _option("adam", "o", "momentum is 0.9, Nesterov", ("adam", "momentum"))
    learning_rate: dict[int, float] = _option(
        {0: 1e-3}, "lr", "{epoch: rate, …}, epochs from 0; a rate holds until the next key"
    )
    regularization_weight: float = _option(
        0.0, "reg", "weight of the mean l2 of the convolutions' anchors"
    )
    n_epochs: int = _option(10, "ne", "epochs; one train shard each, cycling")
    from_scratch: bool = _option(False, "fs", "remove what an earlier run left in logdir")
    train_bsize: int = _option(128, "bs", "batch size")
    nchannels: int = _option(1, None, "channels in the records; a complex one counts once")
    nfilters: tuple[int, ...] = _option((16, 16, 32, 32, 64, 64), None, "channels of each layer")
    pool_layers: tuple[int, ...] = _option((0, 1, 0, 1, 0, 0), None, "1 where a layer pools")
    concat_branches: tuple[int, ...] = _option(
        (0, 0, 0, 0, 0, 0), None, "1 where branch 0 takes in branch 1"
    )
    dropout: bool = _option(False, "do", "drop half after the final pool and the dense layer")
    batch_norm: bool = _option(False, "bn", "batch normalization after each convolution")
    batch_renorm: bool = _option(False, "brn", "batch renormalization in its place")
    nonlin: str = _option("prelu", "nl", "prelu or a Keras activation")
    spectral_pool: bool = _option(False, "sp", "pool in the spectral domain")
    pool: str = _option("wap", "p", "pooling on the grid", POOLS)
    n_filter_params: int = _option(0, "nfp", "anchors per filter; 0 for one per degree")
    weighted_sph_avg: bool = _option(False, "wsa", "weigh the last maps by area")
    final_pool: str = _option("gap", "fp", "descriptor of the last maps", FINAL_POOLS)
    extra_loss: bool = _option(False, "el", "second classifier on half of the descriptor")
    triplet_loss: bool = _option(False, "tl", "add a semi-hard triplet loss on the descriptor")
    round_batches: bool = _option(False, "rb", "drop the last partial train batch")
    no_final_fc: bool = _option(False, "nofc", "the pooled vector is the descriptor")
    transform_method: str = _option(
        "sep", "tm", "naive: dense contraction, same numbers, slower", METHODS
    )
    real_inputs: bool = _option(False, "ri", "accepted for the original's files; always on")
    seed: int = _option(0, None, "of weights, shuffling and dropout")
    deterministic: bool = _option(False, None, "bit-equal reruns, slower on a GPU")

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = _typed(field, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
            choices = field.metadata["choices"]
            if choices and value not in choices:
                raise ConfigError(
                    f"--{field.name}: expected {_either(choices)}. Received: {value!r}"
                )
        self._check_numbers()
        self._check_layers()
        self._check_combinations()

    def _check_numbers(self):
        for name, least in (
            ("n_classes", 2),
            ("n_epochs", 1),
            ("train_bsize", 1),
            ("nchannels", 1),
            ("n_filter_params", 0),
            ("test_n", 0),
            ("seed", 0),
            ("regularization_weight", 0),
        ):
            if not least <= getattr(self, name) < math.inf:
                raise ConfigError(
                    f"--{name}: expected at least {least}. Received: {getattr(self, name)}"
                )
        if self.first_n is not None and self.first_n < 1:
            raise ConfigError(f"--first_n: expected at least 1. Received: {self.first_n}")
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
        for name in ("pool_layers", "concat_branches"):
            if set(getattr(self, name)) - {0, 1}:
                raise ConfigError(f"--{name}: expected 0 or 1. Received: {getattr(self, name)}")
        factor = 2 ** (1 + sum(self.pool_layers))
        if self.input_res < 1 or self.input_res % factor:
            raise ConfigError(
                f"--input_res: expected a multiple of {factor} for {sum(self.pool_layers)} "
                f"pooling layers. Received: {self.input_res}"
            )

    def _check_combinations(self):
        known = nonlinearities()
        if self.nonlin not in known:
            raise ConfigError(f"--nonlin: expected {_either(known)}. Received: {self.nonlin!r}")
        channels = self.nchannels * (2 if self.dtype.startswith("complex") else 1)
        rules = (
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
                channels != 2,
                "--nchannels: two_branch takes two channels, that is one complex or two real. "
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

    def to_json(self):
        """Options as a dict of JSON values; `from_json` gives the config back."""
        values = dataclasses.asdict(self)
        values["learning_rate"] = {str(key): rate for key, rate in self.learning_rate.items()}
        return {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}

    def to_flags(self):
        """Options as lines of an argfile, `@FILE`; `to_json` without what is off."""
        flags = []
        for name, value in self.to_json().items():
            if name == "learning_rate":
                value = self.learning_rate
            elif isinstance(value, list):
                value = ",".join(map(str, value))
            if value is True:
                flags.append(f"--{name}")
            elif value is not False and value is not None and value != "":
                flags.append(f"--{name}={value}")
        return flags

    @classmethod
    def from_json(cls, values):
        """Config of a dict of JSON values; options that are missing take their default.

        Raises:
            ConfigError: if an option is unknown or refused.
        """
        unknown = set(values) - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise ConfigError(f"unknown options: {', '.join(sorted(unknown))}")
        return cls(**values)


def nonlinearities():
    """What `--nonlin` takes: `prelu` and the names of Keras's activations."""
    known = set(dir(activations)) - {"get", "serialize", "deserialize"}
    return ["prelu", *sorted(n for n in known if callable(getattr(activations, n)) and n[0] != "_")]


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise ConfigError(message)

    def convert_arg_line_to_args(self, arg_line):
        line = arg_line.strip()
        return [] if not line or line.startswith("#") else [line]


def argument_parser(description):
    """Parser of all options. Only flags that are given show up in its namespace.

    `@FILE` reads flags from a file, one token a line; blank lines and `#` comments are skipped.
    It raises `ConfigError` in place of exiting.
    """
    parser = _Parser(
        description=description,
        fromfile_prefix_chars="@",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        epilog="@FILE reads flags from a file, one token a line.",
    )
    for field in dataclasses.fields(Config):
        flags = [f"--{field.name}"]
        if field.metadata["short"]:
            flags.append(f"-{field.metadata['short']}")
        help_text = field.metadata["help"]
        if isinstance(field.default, bool):
            parser.add_argument(*flags, action="store_true", help=help_text)
            continue
        choices = field.metadata["choices"]
        if choices:
            help_text += f" ({', '.join(choices)})"
        parser.add_argument(*flags, metavar=_KINDS[str(field.type)].metavar, help=help_text)
    return parser


def _bool(value):
    if not isinstance(value, bool):
        raise TypeError
    return value


def _text(value):
    if not isinstance(value, str):
        raise TypeError
    return value


def _integer(value):
    if isinstance(value, bool) or int(value) != float(value):
        raise TypeError
    return int(value)


def _number(value):
    if isinstance(value, bool):
        raise TypeError
    return float(value)


def _integers(value):
    entries = value.split(",") if isinstance(value, str) else value
    return tuple(_integer(entry) for entry in entries)


def _schedule(value):
    value = ast.literal_eval(value.strip()) if isinstance(value, str) else value
    if not isinstance(value, dict):
        raise TypeError
    return {_integer(epoch): _number(rate) for epoch, rate in sorted(value.items(), key=_by_epoch)}


def _by_epoch(item):
    return int(item[0])


def _either(choices):
    return " or ".join(choices)


class _Kind(NamedTuple):
    convert: Callable[[Any], Any]
    wanted: str
    metavar: str


_KINDS = {
    "bool": _Kind(_bool, "true or false", ""),
    "str": _Kind(_text, "text", "TEXT"),
    "int": _Kind(_integer, "an integer", "N"),
    "int | None": _Kind(lambda v: None if v is None else _integer(v), "an integer", "N"),
    "float": _Kind(_number, "a number", "X"),
    "tuple[int, ...]": _Kind(_integers, "integers separated by commas, such as 16,16,32", "N,N,…"),
    "dict[int, float]": _Kind(
        _schedule, "a dict of rates by epoch, such as {0: 0.001, 32: 0.0002}", "{N: X, …}"
    ),
}


def _typed(field, value):
    """`value`, text or JSON, as the field's type."""
    kind = _KINDS[str(field.type)]
    try:
        return kind.convert(value)
    except (ValueError, TypeError, SyntaxError, OverflowError) as error:
        raise ConfigError(f"--{field.name}: expected {kind.wanted}. Received: {value!r}") from error
