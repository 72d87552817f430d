"""Options: the fields of a frozen dataclass ⇄ command-line flags ⇄ JSON."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import difflib
import math
from collections.abc import Callable
from typing import Any, NamedTuple


class ConfigError(ValueError):
    """Options that cannot be used; the message names the flag and says what is expected."""


def option(default, short, help_text, choices=None, least=None, below=math.inf, group=None) -> Any:
    """A dataclass field that is a flag.

    Args:
        default: value when the flag is not given.
        short: short flag without its dash, or `None`.
        help_text: of the flag.
        choices: allowed values, if they are few.
        least: smallest allowed number.
        below: bound that a number stays below.
        group: title in the help of this field and the next ones.
    """
    metadata = {"short": short, "help": help_text, "choices": choices, "group": group}
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
    def among(cls, flags):
        """Those of a dict of flags of several kinds that are options of this one."""
        return {f.name: flags[f.name] for f in dataclasses.fields(cls) if f.name in flags}

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


class Parser(argparse.ArgumentParser):
    """Parser of a script: raises `ConfigError` in place of exiting, has `--debug` and `--quiet`.

    `@FILE` reads flags from a file, one token a line; blank lines and `#` comments are skipped.

    Args:
        description: of the program, its lines kept.
        examples: command lines, for the end of the help.
    """

    def __init__(self, description, examples=(), **kwargs):
        super().__init__(
            description=description,
            fromfile_prefix_chars="@",
            allow_abbrev=False,
            epilog="\n".join(
                ["@FILE reads flags from a file, one token a line.", *_examples(examples)]
            ),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **kwargs,
        )
        # Both are acted on by `spherical_cnn.cli`, which takes them away.
        for flag, text in (
            ("--debug", "show tracebacks"),
            ("--quiet", "no progress, results only"),
        ):
            self.add_argument(flag, action="store_true", default=argparse.SUPPRESS, help=text)

    def parse_known_args(self, args=None, namespace=None):
        """As argparse's, but an unknown flag is an error, which names the one that is like it."""
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
        """The token of a line of an argfile."""
        line = arg_line.strip()
        return [] if not line or line.startswith("#") else [line]


def flag_parser(description, *options, without=(), examples=()):
    """`Parser` of the flags of dataclasses. Only flags that are given show up in its namespace.

    Args:
        description: of the program.
        options: subclasses of `Options`; a name that several have is one flag.
        without: names that are no flags.
        examples: command lines.
    """
    parser = Parser(description, examples, argument_default=argparse.SUPPRESS)
    fields: dict[str, tuple] = {}
    for kind in reversed(options):
        title = "flags"
        for field in dataclasses.fields(kind):
            title = field.metadata["group"] or title
            fields[field.name] = (title, field)
    groups = {}
    for title, field in fields.values():
        if field.name not in without:
            if title not in groups:
                groups[title] = parser.add_argument_group(title)
            _add_flag(groups[title], field)
    return parser


def _add_flag(group, field):
    flags = [f"--{field.name}"]
    if field.metadata["short"]:
        flags.append(f"-{field.metadata['short']}")
    help_text = field.metadata["help"]
    if isinstance(field.default, bool):
        group.add_argument(*flags, action="store_true", help=help_text)
        return
    choices = field.metadata["choices"]
    if choices:
        help_text += f" ({', '.join(choices)})"
    if field.default not in (dataclasses.MISSING, None, ""):
        default = field.default
        text = ",".join(map(str, default)) if isinstance(default, tuple) else default
        help_text += f"; default {text}"
    group.add_argument(*flags, metavar=_KINDS[str(field.type)].metavar, help=help_text)


def _examples(lines):
    return ["", "examples:", *(f"  {line}" for line in lines)] if lines else []


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
    entries = entries if isinstance(entries, list | tuple) else [entries]
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
