"""Parsers of command lines, and dataclasses of options as flags.

Libraries that derive flags from dataclasses (tyro, simple-parsing, jsonargparse) lack the original
program's short flags of several letters after one dash, or its files of one token a line.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib

from spherical_cnn.choices import CASTERS, CENTERS, KINDS
from spherical_cnn.errors import ConfigError
from spherical_cnn.options import type_of
from spherical_cnn.packaged import find_flags

_KINDS = ", ".join(("auto", *KINDS))
_SHARED: dict[str, dict] = {
    "run": {"metavar": "RUN", "help": "folder of a finished run, or a preset: see scnn presets"},
    "source": {
        "metavar": "SOURCE",
        "help": "folder CLASS/SPLIT/FILE, SPLIT/CLASS/FILE or CLASS/FILE; an .npz; or embedded",
    },
    "--split_file": {"metavar": "CSV", "help": "splits of the shapes: columns name, split"},
    "--workers": {"type": int, "default": 1, "metavar": "N", "help": "processes; default 1"},
    "--caster": {
        "choices": CASTERS,
        "default": CASTERS[0],
        "help": "what casts rays: embree, on the CPU, or the device of Keras; default embree",
    },
    "--tta": {
        "type": int,
        "default": 1,
        "metavar": "N",
        "help": "test-time augmentation: also average over N views, with other centers and subsets "
        "of points; default 1",
    },
    "--json": {"action": "store_true", "help": "print JSON with all digits"},
    "--kind": {
        "metavar": "KIND",
        "help": f"what the files hold: {_KINDS}; default: as in the run, or auto",
    },
    "--up": {
        "metavar": "AXIS",
        "help": "axis that points up in the files; default: as in the run, or z",
    },
    "--center": {
        "metavar": "CENTER",
        "help": f"where rays start: {', '.join(CENTERS)}; default: as in the run",
    },
    "--resolution": {"type": int, "default": 64, "metavar": "N", "help": "default 64"},
    "--run": {"metavar": "RUN", "help": "run or preset; its dataset says how signals are made"},
    "--layer": {"metavar": "NAME", "help": "layer of the run, such as conv1_distance"},
    "--shards": {"nargs": "+", "required": True, "metavar": "FILE", "help": "TFRecords"},
}


class Parser(argparse.ArgumentParser):
    """Parser of a command. Raises `ConfigError` instead of exiting; has `--debug` and `--quiet`.

    `@FILE` reads flags from a file, one token a line; blank lines and `#` comments are skipped.
    `find_flags` says where the file is.

    Args:
        description: what the command does.
        examples: command lines, printed at the end of the help.
    """

    def __init__(self, description="", examples=(), **kwargs):
        epilog = [
            "@FILE reads flags from a file, one token a line. Where there is no such file,",
            "@params/NAME.txt is that of the package.",
        ]
        if examples:
            epilog += ["", "examples:", *(f"  {line}" for line in examples)]
        super().__init__(
            description=description,
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

    def add_shared(self, *names):
        """Adds arguments that several commands have."""
        for name in names:
            self.add_argument(name, **_SHARED[name])

    def parse_known_args(self, args=None, namespace=None):
        """Parses like argparse, but refuses an unknown flag and suggests a similar one."""
        found, unknown = super().parse_known_args(_expanded(args), namespace)
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


def _expanded(arguments, within=()):
    """Arguments in which those of the files replace `@FILE`; `within` names the files around."""
    found = []
    for argument in arguments:
        if not argument.startswith("@"):
            found.append(argument)
            continue
        path = find_flags(argument[1:])
        if path in within:
            raise ConfigError(f"{argument}: {' names '.join((*within, path))}, expected an end")
        try:
            with open(path, encoding="utf-8") as file:
                lines = [line.strip() for line in file]
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{argument}: expected a file of flags ({error})") from error
        tokens = [line for line in lines if line and not line.startswith("#")]
        found += _expanded(tokens, (*within, path))
    return found


def add_options(parser, kind, without=()):
    """Adds the fields of a subclass of `Options` to a parser as flags, in their groups.

    Flags that are not given are absent from the parsed namespace. The fields in `without` are no
    flags.
    """
    group = parser.add_argument_group("flags")
    for field in dataclasses.fields(kind):
        if field.metadata["group"]:
            group = parser.add_argument_group(field.metadata["group"])
        if field.name not in without:
            _add_flag(group, kind, field)


def _add_flag(group, kind, field):
    short, help_text, choices = (field.metadata[key] for key in ("short", "help", "choices"))
    flags = [f"--{field.name}", *([f"-{short}"] if short else [])]
    if isinstance(field.default, bool):
        group.add_argument(*flags, action="store_true", default=argparse.SUPPRESS, help=help_text)
        return
    if choices:
        help_text += f" ({', '.join(map(str, choices))})"
    if field.default not in (dataclasses.MISSING, None, ""):
        default = field.default
        text = ",".join(map(str, default)) if isinstance(default, tuple) else default
        help_text += f"; default {text}"
    metavar = type_of(kind, field).metavar
    group.add_argument(*flags, metavar=metavar, default=argparse.SUPPRESS, help=help_text)
