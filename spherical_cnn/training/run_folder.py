"""The run folder: what lies where, written atomically; nothing in it is pickled or evaluated."""

from __future__ import annotations

import csv
import glob
import io
import json
import logging
import os
import sys

from tqdm import tqdm

import spherical_cnn
from spherical_cnn.data.atomic import UNFINISHED, write_bytes, write_json, write_text
from spherical_cnn.data.records.folder import MANIFEST
from spherical_cnn.progress import is_quiet
from spherical_cnn.training.config import Config, ConfigError

# Raised whenever a run folder written before can no longer be read.
FORMAT = 1

# Options that may change when a run is continued: they alter neither network nor data.
_CONTINUABLE = {
    "devices",
    "coordinator",
    "num_processes",
    "process_id",
    "logdir",
    "run_id",
    "dset_dir",
    "test_only",
    "from_scratch",
    "test_n",
    "n_epochs",
    "learning_rate",
    "transform_method",
    "jit_compile",
}

_OWN_FILES = (
    "config.json",
    "logging.log",
    "history.csv",
    "data.json",
    "metrics.json",
    "equivariance.json",
    "report.md",
    "report.html",
    "model.keras",
    "events.out.tfevents.*",
    "checkpoints/*.npz",
    "plots/confusion.png",
    "plots/curves.png",
    "plots/mistakes.png",
    "plots/equivariance.png",
)
_UNFINISHED = (f"{UNFINISHED}*", f"*/{UNFINISHED}*")


class RunError(Exception):
    """A run folder, or checkpoint in it, that cannot be used; the message names the file."""


class RunFolder:
    """Paths and files of one run. Making it touches nothing on disk.

    Args:
        path: of the folder.
    """

    def __init__(self, path):
        self.path = os.fspath(path)

    def __call__(self, *parts):
        """Path of a file in the folder."""
        return os.path.join(self.path, *parts)

    def checkpoint(self, name):
        """Path of the checkpoint `latest`, `best` or `final`."""
        return self("checkpoints", f"{name}.npz")

    def read_config(self):
        """The options that the run was started with, or `None` if there is no run here.

        Raises:
            RunError: if `config.json` is unreadable or of another format.
        """
        path = self("config.json")
        if not os.path.exists(path):
            if glob.glob(self("checkpoints", "*.npz")):
                raise RunError(f"{path}: not found, though there are checkpoints beside it")
            return None
        stored = _read_json(path, ("format", "version", "options"), what="options of a run")
        found, version, options = stored.values()
        if found != FORMAT:
            raise RunError(
                f"{path}: found a run folder of format {found}, made by spherical_cnn {version}; "
                f"expected format {FORMAT} (this is spherical_cnn {spherical_cnn.__version__})"
            )
        try:
            return Config.from_json(options)
        except ConfigError as error:
            raise RunError(f"{path}: {error}") from error

    def write_config(self, config):
        """Writes the options with the format and version of this program."""
        made_by = {"format": FORMAT, "version": spherical_cnn.__version__}
        self.write_json("config.json", {**made_by, "options": config.to_json()})

    def write_data(self, folder):
        """Writes what the manifest of a data set in `folder`, if it has one, says of its making."""
        path = os.path.join(os.path.expanduser(folder), MANIFEST)
        if os.path.exists(path):
            manifest = _read_json(path, ("source", "classes", "options"))
            self.write_json("data.json", manifest)

    def read_data(self):
        """`source`, `classes` and `options` of the run's data set; empty if it had no manifest.

        Raises:
            RunError: if `data.json` is unreadable.
        """
        if not os.path.exists(self("data.json")):
            return {"source": None, "classes": [], "options": {}}
        return _read_json(self("data.json"), ("source", "classes", "options"))

    def read_metrics(self):
        """The figures of `spherical_cnn.training.run.test`.

        Raises:
            RunError: if `metrics.json` is unreadable.
            OSError: if the run was not tested.
        """
        counted = ("train", "test", "test_loss", "test_samples", "confusion")
        return _read_json(self("metrics.json"), (*counted, "train_time", "epochs"), ("val",))

    def read_history(self):
        """The rows of `history.csv`, dicts of numbers by column, an epoch each.

        Raises:
            RunError: if `history.csv` holds something else than numbers.
            OSError: if no epoch was finished.
        """
        path = self("history.csv")
        try:
            with open(path, encoding="utf-8", newline="") as file:
                rows = csv.DictReader(file)
                return [
                    {name: float(value) for name, value in row.items() if value != ""}
                    for row in rows
                ]
        except (ValueError, TypeError, csv.Error) as error:
            raise RunError(f"{path}: expected numbers ({error})") from error

    def check_continues(self, config):
        """Checks that `config` continues the run that is here, if any got through an epoch.

        Raises:
            RunError: if an option that shapes the network or its data differs.
        """
        stored = self.read_config()
        if stored is None or not os.path.exists(self.checkpoint("latest")):
            return
        ours, theirs = config.to_json(), stored.to_json()
        changed = [
            f"--{name} {theirs[name]} → {ours[name]}"
            for name in ours
            if name not in _CONTINUABLE and ours[name] != theirs[name]
        ]
        if changed:
            raise RunError(
                f"{self.path}: holds a run with other options ({'; '.join(changed)}). "
                "Give its options, another --logdir, or --from_scratch to remove it"
            )

    def clear(self, patterns=_OWN_FILES):
        """Removes the files that this program makes, and its folders where that empties them."""
        for pattern in patterns:
            for path in glob.glob(os.path.join(glob.escape(self.path), pattern)):
                os.remove(path)
        for folder in ("checkpoints", "plots"):
            if os.path.isdir(self(folder)) and not os.listdir(self(folder)):
                os.rmdir(self(folder))

    def clear_unfinished(self):
        """Removes what a killed process was writing."""
        self.clear(_UNFINISHED)

    def write(self, name, data):
        """Writes `data`, bytes, to `name` atomically: whole, or not at all."""
        write_bytes(self(name), data)

    def write_text(self, name, text):
        """Writes UTF-8 text atomically."""
        write_text(self(name), text)

    def write_json(self, name, values):
        """Writes JSON atomically."""
        write_json(self(name), values)

    def write_csv(self, name, rows):
        """Writes a list of dicts as CSV, atomically; a key that a row lacks is an empty cell."""
        text = io.StringIO()
        columns = dict.fromkeys(key for row in rows for key in row)
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self.write_text(name, text.getvalue())


def _read_json(path, keys, optional=(), what="facts of a run"):
    """Values under keys, some of them optional, in a JSON file, which holds `what`."""
    try:
        with open(path, encoding="utf-8") as file:
            values = json.load(file)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: found no {what} but a file that is no JSON ({error})") from error
    missing = [key for key in keys if not isinstance(values, dict) or key not in values]
    if missing:
        raise RunError(
            f"{path}: found no {what}: {', '.join(missing)} missing; expected the file as train.py "
            "writes it. Restore it, or train again in another --logdir"
        )
    return {key: values[key] for key in (*keys, *(key for key in optional if key in values))}


class _AboveBars(logging.Handler):
    """Writes to standard output without breaking progress bars; if quiet, results alone."""

    def emit(self, record):
        if is_quiet() and record.levelno < logging.WARNING and not hasattr(record, "result"):
            return
        tqdm.write(self.format(record), file=sys.stdout)
        sys.stdout.flush()


def start_logging(run):
    """Sends the logger `spherical_cnn` to standard output and to `run`'s logging.log."""
    logger = logging.getLogger("spherical_cnn")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    os.makedirs(run.path, exist_ok=True)
    file = logging.FileHandler(run("logging.log"), encoding="utf-8", errors="backslashreplace")
    for handler in (_AboveBars(), file):
        handler.setFormatter(logging.Formatter("[%(asctime)s:%(levelname)s] %(message)s"))
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
