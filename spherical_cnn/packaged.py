"""The files that come with the package: files of flags, and folders of released networks."""

from __future__ import annotations

import os

from spherical_cnn.errors import ConfigError

_PACKAGE = os.path.dirname(os.path.abspath(__file__))


def packaged(*parts):
    """Returns the path of a file or folder that comes with the package.

    An installed package has it inside; a checkout has it beside the package.
    """
    inside = os.path.join(_PACKAGE, *parts)
    return inside if os.path.exists(inside) else os.path.join(os.path.dirname(_PACKAGE), *parts)


def find_flags(path):
    """Returns the path of a file of flags.

    That is the path itself, if there is such a file; otherwise `params/…` is a file of the package.

    Raises:
        ConfigError: if there is neither.
    """
    if os.path.exists(path):
        return path
    if not os.path.normpath(path).startswith(f"params{os.sep}"):
        raise ConfigError(
            f"@{path}: No such file or directory; files of the package are @params/NAME.txt"
        )
    found = packaged(*path.split("/"))
    if not os.path.isfile(found):
        folder = packaged("params")
        names = sorted(name for name in os.listdir(folder) if name.endswith(".txt"))
        raise ConfigError(
            f"@{path}: found neither here nor in the package, which has {', '.join(names)}"
        )
    return found
