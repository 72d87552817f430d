"""Options: the fields of a frozen dataclass ⇄ command-line flags ⇄ a dict of JSON values.

Libraries that derive flags from dataclasses (tyro, simple-parsing, jsonargparse) lack the original
program's short flags of several letters after one dash or its files of one token a line.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import difflib
import functools
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
        choices: allowed values, if they are few.
        least: smallest allowed number.
        below: exclusive upper bound of a number.
        group: title of the group in the help that this field and the next ones belong to.
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
            value = _convert(type(self), field, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
            _check(field, value)

    def to_dict(self):
        """Returns the options as a dict of JSON values, which `from_dict` takes."""
        values = dataclasses.asdict(self)
        for name, value in values.items():
            if isinstance(value, tuple):
                values[name] = list(value)
            elif isinstance(value, dict):
                values[name] = {str(key): entry for key, entry in value.items()}
        return values

    def to_flags(self):
        """Returns the options that differ from their defaults, as lines of a file of flags."""
        flags = []
        defaults = type(self)()
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value == getattr(defaults, field.name):
                continue
            if value is True:
                flags.append(f"--{field.name}")
            elif isinstance(value, tuple):
                flags.append(f"--{field.name}={','.join(map(str, value))}")
            else:
                flags.append(f"--{field.name}={value}")
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


class Parser(argparse.ArgumentParser):
    """Parser of a command. Raises `ConfigError` instead of exiting; has `--debug` and `--quiet`.

    `@FILE` reads flags from a file, one token a line; blank lines and `#` comments are skipped.

    Args:
        description: what the command does.
        examples: command lines, printed at the end of the help.
    """

    def __init__(self, description="", examples=(), **kwargs):
        epilog = ["@FILE reads flags from a file, one token a line."]
        if examples:
            epilog += ["", "examples:", *(f"  {line}" for line in examples)]
        super().__init__(
            description=description,
            fromfile_prefix_chars="@",
            allow_abbrev=False,
            epilog="\n".join(epilog),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **kwargs,
        )
        # `spherical_cnn.cli` removes both from the arguments and acts on them.
        for flag, text in (
            ("--debug", "print the traceback of an error"),
            ("--quiet", "print results only, no progress"),
        ):
            self.add_argument(flag, action="store_true", default=argparse.SUPPRESS, help=text)

    def parse_known_args(self, args=None, namespace=None):
        """Parses like argparse; an unknown flag is an error that suggests a similar one."""
        found, unknown = super().parse_known_args(args, namespace)
        flags = [text for text in unknown if text.startswith("-")]
        if flags:
            flag = flags[0].split("=")[0]
            near = difflib.get_close_matches(flag, self._option_string_actions, 1, 0.75)
            meant = f"; did you mean {near[0]}?" if near else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{meant}")
        return found, unknown

    def error(self, message):
        """Raises `ConfigError`."""
        raise ConfigError(message)

    def convert_arg_line_to_args(self, arg_line):
        """Returns the token of a line of a file of flags."""
        line = arg_line.strip()
        return [] if not line or line.startswith("#") else [line]


def add_options(parser, *options, without=()):
    """Adds the fields of dataclasses to a parser as flags, in their groups.

    Args:
        parser: `Parser`. Flags that are not given are absent from its namespace.
        options: subclasses of `Options`.
        without: names of fields that are no flags here.
    """
    groups = {}
    for kind in options:
        title = "flags"
        for field in dataclasses.fields(kind):
            title = field.metadata["group"] or title
            if field.name in without:
                continue
            if title not in groups:
                groups[title] = parser.add_argument_group(title)
            _add_flag(groups[title], kind, field)


def either(choices):
    """Returns `a or b or c`, for messages."""
    return " or ".join(choices)


def _add_flag(group, kind, field):
    flags = [f"--{field.name}"]
    if field.metadata["short"]:
        flags.append(f"-{field.metadata['short']}")
    help_text = field.metadata["help"]
    if isinstance(field.default, bool):
        group.add_argument(*flags, action="store_true", default=argparse.SUPPRESS, help=help_text)
        return
    choices = field.metadata["choices"]
    if choices:
        help_text += f" ({', '.join(map(str, choices))})"
    if field.default not in (dataclasses.MISSING, None, ""):
        default = field.default
        text = ",".join(map(str, default)) if isinstance(default, tuple) else default
        help_text += f"; default {text}"
    metavar = _type_of(kind, field).metavar
    group.add_argument(*flags, metavar=metavar, default=argparse.SUPPRESS, help=help_text)


def _check(field, value):
    choices, least, below = (field.metadata[key] for key in ("choices", "least", "below"))
    if choices and value not in choices:
        expected = either(map(str, choices))
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


def _type_of(kind, field):
    return _TYPES[_hints(kind)[field.name]]


_hints = functools.cache(typing.get_type_hints)


def _convert(kind, field, value):
    """Returns `value`, text or JSON, as the field's type."""
    wanted = _type_of(kind, field)
    try:
        return wanted.convert(value)
    except (ValueError, TypeError, SyntaxError, OverflowError) as error:
        raise ConfigError(
            f"--{field.name}: expected {wanted.expected}. Received: {value!r}"
        ) from error
