"""The command line: `scnn COMMAND`, also `python -m spherical_cnn COMMAND`.

Exit codes: 0; 2 after wrong usage; 1 after any other expected failure; 130 after Ctrl-C.
"""

from __future__ import annotations

import importlib
import os
import shlex
import sys

from spherical_cnn import console
from spherical_cnn.errors import (
    ConfigError,
    SphericalCNNError,
    explain_import,
    is_out_of_memory,
)

# Command: the module of `spherical_cnn.commands` with its function, and what it does.
COMMANDS = {
    "build": ("networks", "build a dataset of TFRecords from shapes"),
    "train": ("networks", "train a network on TFRecords or on shapes, test it and report"),
    "test": ("networks", "test a finished run on its test split or on another dataset"),
    "table1": ("networks", "train and test networks as in Table 1 of the paper"),
    "presets": ("about", "list the trained networks that come with the package"),
    "predict": ("classify", "classify shapes in files"),
    "evaluate": ("runs", "test a finished run on new shapes"),
    "retrieve": ("runs", "rank shapes by similarity and score the rankings"),
    "equivariance": ("runs", "measure each layer's error under rotation"),
    "activations": ("runs", "export layer outputs"),
    "release": ("runs", "package a finished run with a model card"),
    "align": ("pictures", "find the rotation between two shapes"),
    "show": ("pictures", "write a page that shows a shape and what networks make of it"),
    "visualize": ("pictures", "draw signals, filters, feature maps, animations and mistakes"),
}
_RESUMABLE = ("build", "train", "table1")


def main(*command):
    """Runs a command, or that of `sys.argv`, and ends the process with its exit code."""
    console.protect_streams()
    code = exit_code([*command, *sys.argv[1:]])
    failure = console.output_failure()
    if failure:
        console.print_error(f"error: {failure}; files are written, printed results are lost")
        code = code or 1
    jax = sys.modules.get("jax")
    if code and jax and jax.distributed.is_initialized():
        # A process of a distributed job: a regular exit would wait for processes that have died.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def exit_code(argv):
    """Runs a command line and returns its exit code; with `--debug`, raises its errors."""
    debug = "--debug" in argv
    console.set_quiet("--quiet" in argv)
    argv = [argument for argument in argv if argument not in ("--debug", "--quiet")]
    if debug:
        dispatch(argv)
        return 0
    try:
        dispatch(argv)
    except ImportError as error:
        console.print_error(f"error: {explain_import(error)}")
        return 1
    except (SphericalCNNError, OSError) as error:
        console.print_error(f"error: {error}")
        return 2 if isinstance(error, ConfigError) else 1
    except UnicodeEncodeError as error:
        name = error.object[max(0, error.start - 40) : error.end + 40]
        console.print_error(
            f"error: found {name!r}, expected a name that {error.encoding} can express; rename it, "
            "or set PYTHONUTF8=1 in the environment"
        )
        return 1
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        smaller = "lower --train_bsize, " if argv[0] in ("train", "test", "table1") else ""
        console.print_error(
            f"error: out of memory: {smaller}end other programs that use the device, or set "
            "CUDA_VISIBLE_DEVICES=-1 to use the CPU; --debug says what was being computed"
        )
        return 1
    except KeyboardInterrupt:
        resume = f"; resume with: {shlex.join(['scnn', *argv])}" if argv[0] in _RESUMABLE else ""
        console.print_error(f"interrupted{resume}")
        return 130
    return 0


def dispatch(argv):
    """Runs a command line, the name of a command and its arguments; raises its errors."""
    name = argv[0] if argv else "--help"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if name in ("--help", "-h"):
        _print_help()
    elif name == "--version":
        importlib.import_module("spherical_cnn.commands.about").print_versions()
    elif name not in COMMANDS:
        raise ConfigError(f"expected a command: {', '.join(COMMANDS)}. Received: {name}")
    else:
        module = importlib.import_module(f"spherical_cnn.commands.{COMMANDS[name][0]}")
        getattr(module, f"{name}_command")(argv[1:])


def _print_help():
    print("usage: scnn COMMAND [ARGUMENTS]\n")
    print("Spherical CNNs for 3-D shapes. `scnn COMMAND --help` describes a command.\n")
    print("commands:")
    width = max(map(len, COMMANDS))
    for name, (_, text) in COMMANDS.items():
        print(f"  {name:{width}}  {text}")
    print("\nflags: --version; with any command --debug, --quiet, --help")
