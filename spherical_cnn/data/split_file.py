"""Files that assign the shapes of a source to splits."""

from __future__ import annotations

import csv

from spherical_cnn.choices import SPLITS
from spherical_cnn.data.atomic import printable
from spherical_cnn.errors import ConfigError


def read_splits(path):
    """Reads a CSV with the columns `name`, `split`; returns a dict of splits by name.

    Raises:
        ConfigError: naming the file and the line, if it is no such CSV.
    """
    splits = {}
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file)
            if not {"name", "split"} <= set(reader.fieldnames or ()):
                raise ConfigError(f"{path}: found header {reader.fieldnames}, expected name,split")
            for row in reader:
                where = f"{path}: line {reader.line_num}"
                if not row["name"] or row["split"] not in SPLITS:
                    raise ConfigError(
                        f"{where}: expected a name and {' or '.join(SPLITS)}. "
                        f"Received: {row['name']!r}, {row['split']!r}"
                    )
                if row["name"] in splits:
                    raise ConfigError(f"{where}: {printable(row['name'])} is listed twice")
                splits[row["name"]] = row["split"]
    except OSError as error:
        raise ConfigError(f"--split_file: {path}: {error.strerror}") from error
    except csv.Error as error:
        raise ConfigError(f"{path}: line {reader.line_num}: {error}") from error
    if not splits:
        raise ConfigError(f"{path}: found no lines below the header, expected one per shape")
    return splits


def check_used(unused, source):
    """Refuses names of a split file that the source does not have."""
    if unused:
        raise ConfigError(
            f"{printable(source)}: {len(unused)} names of the split file are not found, "
            f"such as {printable(min(unused))}"
        )
