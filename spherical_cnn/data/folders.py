"""Folders of shapes, by class or by split and class."""

from __future__ import annotations

import os
import re

from spherical_cnn.data.atomic import printable
from spherical_cnn.errors import ConfigError
from spherical_cnn.shapes.load import SUFFIXES

_SPLIT_NAMES = {
    **{name: "train" for name in ("train", "training")},
    **{name: "val" for name in ("val", "valid", "validation")},
    **{name: "test" for name in ("test", "testing")},
}
LAYOUTS = (
    "expected CLASS/train/FILE and CLASS/test/FILE, train/CLASS/FILE and test/CLASS/FILE, or "
    f"CLASS/FILE, with suffixes {' '.join(SUFFIXES)}"
)


def hint(files):
    """Returns what else the files of a folder may be, as the end of a sentence."""
    if any(re.search(r"\.tfrec(ord)?s?\b", os.path.basename(path)) for *_, path in files):
        return ". These are TFRecords: train on them with scnn train --dset_dir"
    return ""


def files_of(folder):
    """Yields `(split, class, path)` of the contents of the folders of classes, in order.

    The class is `None` for files beside these folders.

    Raises:
        ConfigError: if some folders are of splits and others of classes.
    """
    for split, class_name, path in _class_folders(folder):
        if not os.path.isdir(path):
            yield split, None, path
            continue
        for name in sorted(os.listdir(path)):
            inner, inner_split = os.path.join(path, name), split or _split_of(name)
            if not split and inner_split and os.path.isdir(inner):
                for file in sorted(os.listdir(inner)):
                    yield inner_split, class_name, os.path.join(inner, file)
            else:
                yield split or "train", class_name, inner


def _class_folders(folder):
    """Yields `(split, class, path)` of the folders of classes; split is `None` if it is inside."""
    names = sorted(os.listdir(folder))
    by_split = {name for name in names if _is_split_folder(os.path.join(folder, name))}
    for name in names:
        path = os.path.join(folder, name)
        if name in by_split:
            for class_name in sorted(os.listdir(path)):
                yield _split_of(name), class_name, os.path.join(path, class_name)
        else:
            if by_split and os.path.isdir(path):
                raise ConfigError(
                    f"{printable(folder)}: found folders of splits, such as {min(by_split)}, and "
                    f"others, such as {printable(name)}; {LAYOUTS}"
                )
            yield None, name, path


def _is_split_folder(path):
    """Returns whether a folder is named like a split and holds folders that are not.

    Raises:
        ConfigError: if some of these are and others are not.
    """
    if not _split_of(os.path.basename(path)) or not os.path.isdir(path):
        return False
    inner = sorted(name for name in os.listdir(path) if os.path.isdir(os.path.join(path, name)))
    classes = [name for name in inner if not _split_of(name)]
    if 0 < len(classes) < len(inner):
        raise ConfigError(
            f"{printable(path)}: found folders of classes, such as {printable(classes[0])}, beside "
            f"others of splits; {LAYOUTS}"
        )
    return bool(classes)


def _split_of(name):
    """Returns the split that a folder is named after, in any letter case, or `None`."""
    return _SPLIT_NAMES.get(name.casefold())
