"""The run folder: its files, written atomically. Nothing in it is pickled or evaluated."""

from __future__ import annotations

import contextlib
import csv
import glob
import io
import json
import logging
import os

from spherical_cnn.console import LogHandler
from spherical_cnn.data.atomic import UNFINISHED, write_file
from spherical_cnn.errors import ConfigError, RunError
from spherical_cnn.old_names import DATASET_OPTIONS, RUN_OPTIONS, renamed
from spherical_cnn.training.run_config import PROCESS_OPTIONS, RunConfig
from spherical_cnn.version import __version__

# Increases whenever a run folder of an earlier version can no longer be read.
FORMAT = 1

# Options that may change when a run continues: they alter neither network nor data. The shapes of
# online data are compared by `data.json`.
_CONTINUABLE = {
    *PROCESS_OPTIONS,
    "devices",
    "logdir",
    "run_id",
    "dset_dir",
    "online",
    "test_only",
    "from_scratch",
    "test_n",
    "n_epochs",
    "learning_rate",
    "transform_method",
    "jit_compile",
    "tf32",
}

_OWN_FILES = (
    "config.json",
    "logging.log",
    "history.csv",
    "data.json",
    "metrics.json",
    "equivariance.json",
    "report.md",  # of earlier versions
    "report.html",
    "model.keras",
    "events.out.tfevents.*",
    "checkpoints/*.npz",
    "plots/confusion.png",
    "plots/curves.png",
    "plots/equivariance.png",
    "plots/mistakes.png",  # of earlier versions
)
_UNFINISHED = (f"{UNFINISHED}*", f"*/{UNFINISHED}*")


class RunFolder:
    """Paths and files of one run. Creating this object touches nothing on disk.

    Its readers raise `RunError` for a file that does not hold what they expect.
    """

    def __init__(self, root):
        self.root = os.fspath(root)

    def __str__(self):
        return self.root

    def path(self, *parts):
        """Returns the path of a file in the folder."""
        return os.path.join(self.root, *parts)

    def checkpoint(self, name):
        """Returns the path of the checkpoint `latest`, `best` or `final`."""
        return self.path("checkpoints", f"{name}.npz")

    def read_config(self):
        """Returns the `RunConfig` of the run, or `None` if there is no run."""
        path = self.path("config.json")
        if not os.path.exists(path):
            if glob.glob(self.path("checkpoints", "*.npz")):
                raise RunError(f"{path}: not found, though there are checkpoints beside it")
            return None
        stored = _read_json(path, ("format", "version", "options"), what="options of a run")
        found, version, options = stored.values()
        if found != FORMAT:
            raise RunError(
                f"{path}: found a run folder of format {found}, made by spherical_cnn {version}; "
                f"expected format {FORMAT} (this is spherical_cnn {__version__})"
            )
        try:
            return RunConfig.from_dict(renamed(options, RUN_OPTIONS))
        except (ConfigError, AttributeError) as error:
            raise RunError(f"{path}: {error}") from error

    def write_config(self, config):
        """Writes the options with the format and version of this program."""
        made_by = {"format": FORMAT, "version": __version__}
        self.write("config.json", {**made_by, "options": config.to_dict()})

    def read_data(self):
        """Returns `source`, `classes` and `options` of the dataset; empty if it has no manifest."""
        path = self.path("data.json")
        if not os.path.exists(path):
            return {"source": None, "classes": [], "options": {}}
        stored = _read_json(path, ("source", "classes", "options"))
        if not isinstance(stored["options"], dict):
            raise RunError(f"{path}: expected options by name. Received: {stored['options']!r}")
        return {**stored, "options": renamed(stored["options"], DATASET_OPTIONS)}

    def read_metrics(self):
        """Returns the values of `metrics.json`; `val` is absent without validation."""
        keys = ("train", "test", "test_loss", "test_samples", "confusion", "train_time", "epochs")
        return _read_json(self.path("metrics.json"), keys, optional=["val"])

    def read_history(self):
        """Returns the rows of `history.csv`, one per epoch: dicts of numbers by column."""
        path = self.path("history.csv")
        try:
            with open(path, encoding="utf-8", newline="") as file:
                return [
                    {name: float(value) for name, value in row.items() if value != ""}
                    for row in csv.DictReader(file)
                ]
        except (ValueError, TypeError, csv.Error) as error:
            raise RunError(f"{path}: expected numbers ({error})") from error

    def check_continues(self, config):
        """Checks that `config` continues the run in this folder, if it has finished an epoch."""
        stored = self.read_config()
        if stored is None or not os.path.exists(self.checkpoint("latest")):
            return
        ours, theirs = config.to_dict(), stored.to_dict()
        changed = [
            f"--{name} {theirs[name]} → {ours[name]}"
            for name in ours
            if name not in _CONTINUABLE and ours[name] != theirs[name]
        ]
        if changed:
            raise RunError(
                f"{self.root}: holds a run with other options ({'; '.join(changed)}). "
                "Give its options, another --logdir, or --from_scratch to remove it"
            )

    def clear(self, unfinished_only):
        """Removes all files of a run, or those that a killed process was writing.

        Its folders are removed as well if they are empty then.
        """
        for pattern in _UNFINISHED if unfinished_only else _OWN_FILES + _UNFINISHED:
            for path in glob.glob(os.path.join(glob.escape(self.root), pattern)):
                os.remove(path)
        for folder in ("checkpoints", "plots"):
            if os.path.isdir(self.path(folder)) and not os.listdir(self.path(folder)):
                os.rmdir(self.path(folder))

    def write(self, name, content):
        """Writes a file of the folder; see `write_file`."""
        write_file(self.path(name), content)

    def write_csv(self, name, rows):
        """Writes a list of dicts as CSV, atomically; a missing key becomes an empty cell."""
        text = io.StringIO()
        columns = dict.fromkeys(key for row in rows for key in row)
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self.write(name, text.getvalue())


@contextlib.contextmanager
def log_to(folder):
    """Context in which the logger writes to standard output and `logging.log` of a `RunFolder`."""
    logger = logging.getLogger("spherical_cnn")
    os.makedirs(folder.root, exist_ok=True)
    log = folder.path("logging.log")
    file = logging.FileHandler(log, encoding="utf-8", errors="backslashreplace")
    handlers = (LogHandler(), file)
    for handler in handlers:
        handler.setFormatter(logging.Formatter("[%(asctime)s:%(levelname)s] %(message)s"))
        logger.addHandler(handler)
    level, propagate = logger.level, logger.propagate
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.propagate = propagate
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()


def _read_json(path, keys, optional=(), what="facts of a run"):
    """Returns the values of some keys in a JSON file that holds `what`."""
    try:
        with open(path, encoding="utf-8") as file:
            values = json.load(file)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: found no {what} but a file that is no JSON ({error})") from error
    missing = [key for key in keys if not isinstance(values, dict) or key not in values]
    if missing:
        raise RunError(
            f"{path}: found no {what}: {', '.join(missing)} missing; expected the file as scnn "
            "train writes it. Restore it, or train again in another --logdir"
        )
    return {key: values[key] for key in (*keys, *optional) if key in values}
