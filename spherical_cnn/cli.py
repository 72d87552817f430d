"""How every script runs and ends: exit code 2 for usage, 1 for the rest, one clear line."""

from __future__ import annotations

import os
import shlex
import sys

from spherical_cnn import streams


def run(main, resumes=False):
    """Runs a script's `main` on the command line and ends the process with its exit code.

    Args:
        main: function of the arguments.
        resumes: whether the same command goes on where it was interrupted.
    """
    streams.protect()
    resume = f"resume with: {shlex.join(['python', *sys.argv])}" if resumes else ""
    code = exit_code(main, sys.argv[1:], resume)
    lost = streams.lost_output()
    if lost:
        _say(f"error: {lost}; files are written, what was to be printed is lost")
        code = code or 1
    jax = sys.modules.get("jax")
    if code and jax and jax.distributed.is_initialized():
        # Of a job of several processes: leaving as usual would wait for those that are gone.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def exit_code(main, argv, resume=""):
    """Runs `main(argv)`, a script's body, and returns its exit code.

    Args:
        main: function of the arguments.
        argv: command line without the program's name. `--debug` and `--quiet` in it are acted on
            here and not passed on: tracebacks are shown; progress is not.
        resume: what to say after Ctrl-C.

    Returns:
        0; 2 after wrong usage; 1 after any other foreseen failure; 130 after Ctrl-C.
    """
    debug, quiet = "--debug" in argv, "--quiet" in argv
    argv = [argument for argument in argv if argument not in ("--debug", "--quiet")]
    from spherical_cnn.startup import find_devices, without_noise

    with without_noise():
        from spherical_cnn.data.atomic import BuildError
        from spherical_cnn.data.records.schema import RecordError
        from spherical_cnn.options import ConfigError
        from spherical_cnn.progress import be_quiet
        from spherical_cnn.signals.signal import ShapeError
        from spherical_cnn.tasks.rankings import RankingError
        from spherical_cnn.training.run_folder import RunError

    ours = (BuildError, ConfigError, RankingError, RecordError, RunError, ShapeError)
    foreseen = (*ours, ImportError, OSError)
    be_quiet(quiet)
    find_devices()
    try:
        main(argv)
    except foreseen as error:
        if debug:
            raise
        _say(f"error: {error}")
        return 2 if isinstance(error, ConfigError) else 1
    except UnicodeEncodeError as error:
        if debug:
            raise
        name = error.object[max(0, error.start - 40) : error.end + 40]
        _say(
            f"error: found {name!r}, expected a name that {error.encoding} can express; rename it, "
            "or set PYTHONUTF8=1 in the environment"
        )
        return 1
    except KeyboardInterrupt:
        if debug:
            raise
        _say("; ".join(filter(None, ("interrupted", resume))))
        return 130
    return 0


def _say(message):
    """A line to standard error, red on a terminal unless `NO_COLOR` says no."""
    from tqdm import tqdm  # only here, as it takes a while to import

    colored = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    tqdm.write(f"\033[31m{message}\033[0m" if colored else message, file=sys.stderr)
