"""Options: the fields of a frozen dataclass ⇄ text of flags ⇄ a dict of JSON values."""

from __future__ import annotations

import ast
import dataclasses
import functools
import json
import math
import typing
from collections.abc import Callable
from typing import Any, NamedTuple

from spherical_cnn.errors import ConfigError


def option(default, short, help_text, choices=None, least=None, below=math.inf, group=None) -> Any:
    """Declares a dataclass field that is also a command-line flag.

    Args:
        default: value when the flag is not given.
        short: short flag without its dash, or `None`.
        help_text: help of the flag.
        choices: allowed values.
        least: smallest allowed number.
        below: exclusive upper bound of a number.
        group: title of the group in the help that starts with this field.
    """
    metadata = {"short": short, "help": help_text, "choices": choices, "group": group}
    metadata |= {"least": least, "below": below}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Options:
    """Base of the dataclasses of options. Converts text, and checks choices and bounds.

    Raises:
        ConfigError: naming the first flag with an invalid value.
    """

    def __post_init__(self):
        for field in dataclasses.fields(self):
            given, wanted = getattr(self, field.name), type_of(type(self), field)
            try:
                value = wanted.convert(given)
            except (ValueError, TypeError, SyntaxError, OverflowError) as error:
                raise ConfigError(
                    f"--{field.name}: expected {wanted.expected}. Received: {given!r}"
                ) from error
            object.__setattr__(self, field.name, value)
            _check(field, value)

    def to_dict(self):
        """Returns the options as a dict of JSON values, which `from_dict` takes."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    def to_flags(self):
        """Returns the options that differ from their defaults, as lines of a file of flags."""
        flags = []
        defaults = type(self)()
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is True and not getattr(defaults, field.name):
                flags.append(f"--{field.name}")
            elif value != getattr(defaults, field.name):
                text = ",".join(map(str, value)) if isinstance(value, tuple) else value
                flags.append(f"--{field.name}={text}")
        return flags

    @classmethod
    def select(cls, flags):
        """Returns the entries of a dict of flags that are options of this class."""
        return {f.name: flags[f.name] for f in dataclasses.fields(cls) if f.name in flags}

    @classmethod
    def from_dict(cls, values):
        """Creates options from a dict of JSON values; missing ones take their default.

        Raises:
            ConfigError: if an option is unknown or has an invalid value.
        """
        unknown = set(values) - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise ConfigError(f"unknown options: {', '.join(sorted(unknown))}")
        return cls(**values)


def _check(field, value):
    choices, least, below = (field.metadata[key] for key in ("choices", "least", "below"))
    if choices and value not in choices:
        expected = " or ".join(map(str, choices))
        raise ConfigError(f"--{field.name}: expected {expected}. Received: {value!r}")
    if least is not None and value is not None and not least <= value < below:
        bound = "" if below == math.inf else f" and below {below}"
        raise ConfigError(f"--{field.name}: expected at least {least}{bound}. Received: {value}")


def _exactly(kind):
    def convert(value):
        if not isinstance(value, kind):
            raise TypeError
        return value

    return convert


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
    entries = entries if isinstance(entries, list | tuple) else [entries]
    return tuple(_integer(entry) for entry in entries)


def _schedule(value):
    value = ast.literal_eval(value.strip()) if isinstance(value, str) else value
    if not isinstance(value, dict):
        raise TypeError
    pairs = sorted((_integer(epoch), _number(rate)) for epoch, rate in value.items())
    return dict(pairs)


class _Type(NamedTuple):
    convert: Callable[[Any], Any]
    expected: str
    metavar: str


_TYPES: dict[Any, _Type] = {
    bool: _Type(_exactly(bool), "true or false", ""),
    str: _Type(_exactly(str), "text", "TEXT"),
    int: _Type(_integer, "an integer", "N"),
    int | None: _Type(lambda v: None if v is None else _integer(v), "an integer", "N"),
    float: _Type(_number, "a number", "X"),
    tuple[int, ...]: _Type(_integers, "integers separated by commas, such as 16,16,32", "N,N,…"),
    dict[int, float]: _Type(
        _schedule, "a dict of rates by epoch, such as {0: 0.001, 32: 0.0002}", "{N: X, …}"
    ),
}


def type_of(kind, field):
    """Returns how the values of a field are converted, and what its messages and help say."""
    return _TYPES[_hints(kind)[field.name]]


_hints = functools.cache(typing.get_type_hints)
