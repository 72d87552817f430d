"""Options: the fields of a frozen dataclass ⇄ command-line flags ⇄ JSON."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple


class ConfigError(ValueError):
    """Options that cannot be used; the message names the flag and says what is expected."""


def option(default, short, help_text, choices=None, least=None, below=math.inf) -> Any:
    """A dataclass field that is a flag.

    Args:
        default: value when the flag is not given.
        short: short flag without its dash, or `None`.
        help_text: of the flag.
        choices: allowed values, if they are few.
        least: smallest allowed number.
        below: bound that a number stays below.
    """
    metadata = {"short": short, "help": help_text, "choices": choices}
    metadata |= {"least": least, "below": below}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Options:
    """Base of the dataclasses of options; converts text and checks choices and bounds.

    Their annotations are text: `from __future__ import annotations` where one is defined.

    Raises:
        ConfigError: naming the first flag whose value is refused.
    """

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = _typed(field, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
            _check(field, value)

    def to_json(self):
        """Options as a dict of JSON values; `from_json` gives them back."""
        values = dataclasses.asdict(self)
        for name, value in values.items():
            if isinstance(value, tuple):
                values[name] = list(value)
            elif isinstance(value, dict):
                values[name] = {str(key): entry for key, entry in value.items()}
        return values

    def to_flags(self):
        """Options as lines of an argfile, `@FILE`, without what is off."""
        flags = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, tuple):
                value = ",".join(map(str, value))
            if value is True:
                flags.append(f"--{field.name}")
            elif value is not False and value is not None and value != "":
                flags.append(f"--{field.name}={value}")
        return flags

    @classmethod
    def from_json(cls, values):
        """Options of a dict of JSON values; those that are missing take their default.

        Raises:
            ConfigError: if an option is unknown or refused.
        """
        unknown = set(values) - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise ConfigError(f"unknown options: {', '.join(sorted(unknown))}")
        return cls(**values)


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise ConfigError(message)

    def convert_arg_line_to_args(self, arg_line):
        line = arg_line.strip()
        return [] if not line or line.startswith("#") else [line]


def flag_parser(description, *options, without=()):
    """Parser of the flags of dataclasses. Only flags that are given show up in its namespace.

    `@FILE` reads flags from a file, one token a line; blank lines and `#` comments are skipped.
    It raises `ConfigError` in place of exiting.

    Args:
        description: of the program.
        options: subclasses of `Options`; a name that several have is one flag.
        without: names that are no flags.
    """
    parser = _Parser(
        description=description,
        fromfile_prefix_chars="@",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        epilog="@FILE reads flags from a file, one token a line.",
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    fields = {f.name: f for kind in reversed(options) for f in dataclasses.fields(kind)}
    for field in fields.values():
        if field.name in without:
            continue
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
        if field.default not in (dataclasses.MISSING, None, ""):
            default = field.default
            text = ",".join(map(str, default)) if isinstance(default, tuple) else default
            help_text += f"; default {text}"
        parser.add_argument(*flags, metavar=_KINDS[str(field.type)].metavar, help=help_text)
    return parser


def either(choices):
    """`a or b or c`, for messages."""
    return " or ".join(choices)


def _check(field, value):
    choices, least, below = (field.metadata[key] for key in ("choices", "least", "below"))
    if choices and value not in choices:
        raise ConfigError(f"--{field.name}: expected {either(choices)}. Received: {value!r}")
    if least is not None and value is not None and not least <= value < below:
        bound = "" if below == math.inf else f" and below {below}"
        raise ConfigError(f"--{field.name}: expected at least {least}{bound}. Received: {value}")


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
