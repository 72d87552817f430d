"""How every script ends: exit code 2 for usage, 1 for the rest, one clear line, no traceback."""

from __future__ import annotations

import sys


def exit_code(main, argv):
    """Runs `main(argv)`, a script's body, and returns its exit code.

    Args:
        main: function of the arguments.
        argv: command line without the program's name; `--debug` in it shows tracebacks.

    Returns:
        0; 2 after wrong usage; 1 after any other foreseen failure; 130 after Ctrl-C.
    """
    from spherical_cnn.data.files import BuildError
    from spherical_cnn.data.flags import ConfigError
    from spherical_cnn.data.records import RecordError
    from spherical_cnn.experiment.rankings import RankingError
    from spherical_cnn.experiment.runfolder import RunError
    from spherical_cnn.signals.signal import ShapeError

    ours = (BuildError, ConfigError, RankingError, RecordError, RunError, ShapeError)
    foreseen = (*ours, ImportError, OSError)
    debug = "--debug" in argv
    argv = [argument for argument in argv if argument != "--debug"]
    try:
        main(argv)
    except foreseen as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    except KeyboardInterrupt:
        if debug:
            raise
        print("interrupted; the same command, given again, goes on", file=sys.stderr)
        return 130
    return 0
