"""What a finished run takes shapes for: files in, classes with probabilities and doubt out."""

from __future__ import annotations

import importlib.util
import os
from typing import NamedTuple

import numpy as np
from scipy import special

from spherical_cnn.data.atomic import readable
from spherical_cnn.data.config import draw_rotations
from spherical_cnn.data.records.codec import split_complex
from spherical_cnn.data.sources import why_left_out
from spherical_cnn.data.workers import worker_pool
from spherical_cnn.options import ConfigError
from spherical_cnn.signals.shape import OWN_SUFFIXES, SUFFIXES, caster_of_file, kind_for
from spherical_cnn.signals.signal import is_blank, seen_share, what_is_missing
from spherical_cnn.tasks.casting import cast_samples, recipe_of
from spherical_cnn.training.metrics import outputs_for
from spherical_cnn.training.report import class_names
from spherical_cnn.training.run import restore
from spherical_cnn.training.run_folder import RunError, RunFolder

_FILES = 8  # of a task


class Prediction(NamedTuple):
    """What one file is taken for.

    Args:
        path: of the file.
        classes: names of the likeliest classes, the likeliest first.
        probabilities: of these, means over the rotations.
        agreement: share of the rotations in which the likeliest class is the first.
        spread: standard deviation of its probability over the rotations.
        error: why the file could not be used, else "".
        note: what to know of the prediction, such as that the shape is nearly blank, else "".
    """

    path: str
    classes: list
    probabilities: list
    agreement: float
    spread: float
    error: str
    note: str = ""


class Predictor:
    """A run, restored, and how its signals were made.

    Args:
        run: path of the run folder.
        up: axis that is up in the files; by default as in the run's data set.
        kind: what the files hold; likewise.

    Raises:
        ConfigError: if there is no such axis or kind.
        RunError: if there is no finished run, or it does not say how its signals were made.
    """

    def __init__(self, run, up=None, kind=None):
        self.model, config = restore(run)
        folder = RunFolder(run)
        data = folder.read_data()
        made = data["options"]
        if not made:
            raise RunError(
                f"{folder('data.json')}: not found, so it is not known how the signals of this run "
                "were made; expected a run on shards of make_dataset.py"
            )
        if made["resolution"] != config.input_res:
            raise RunError(
                f"{folder('data.json')}: signals of resolution {made['resolution']}, expected "
                f"{config.input_res} as in {folder('config.json')}"
            )
        self.recipe = recipe_of(folder, {"up": up, "kind": kind})
        self._names = class_names(data, config.n_classes)

    def predict(self, paths, rotations=4, top=3, workers=1):
        """Predictions of files, in order, as they come.

        Args:
            paths: of files of `spherical_cnn.signals.shape.SUFFIXES`.
            rotations: of each shape, of the kind that the run was trained on; the first is none.
            top: how many classes to name.
            workers: processes that read and cast.

        Yields:
            `Prediction`.
        """
        parts = [paths[i : i + _FILES] for i in range(0, len(paths), _FILES)]
        tasks = [(part, self.recipe, rotations) for part in parts]
        with worker_pool(workers) as perform_all:
            for (part, *_), seen in perform_all(_look, tasks):
                yield from self._classify(part, seen, top)

    def _classify(self, paths, seen, top):
        good = [samples for samples in seen if not isinstance(samples, str)]
        logits = np.empty((0, len(self._names)))
        if good:
            signals = split_complex(np.concatenate(good)).numpy()
            logits = outputs_for(self.model, signals, 32)["logits"]
        rows = iter(special.softmax(np.asarray(logits, np.float64), axis=-1))
        for path, samples in zip(paths, seen, strict=True):
            if isinstance(samples, str):
                yield Prediction(path, [], [], 0.0, 0.0, samples)
                continue
            probabilities = np.stack([next(rows) for _ in samples])
            if not np.isfinite(probabilities).all():
                reason = "the network's outputs are not finite; its weights overflow or are damaged"
                yield Prediction(path, [], [], 0.0, 0.0, reason)
                continue
            mean = probabilities.mean(axis=0)
            order = np.argsort(-mean)[:top]
            first = order[0]
            yield Prediction(
                path,
                [self._names[label] for label in order],
                mean[order].tolist(),
                float(np.mean(probabilities.argmax(axis=1) == first)),
                float(probabilities[:, first].std()),
                "",
                what_is_missing(seen_share(samples[..., 0])),
            )


def export(model, path):
    """Writes a network for other programs: signals in, logits and descriptors out.

    Args:
        model: of `build_model`.
        path: of an ONNX file, if it ends in `.onnx`; else of the folder of a SavedModel.

    Raises:
        ImportError: if it is ONNX and tf2onnx is not installed.
    """
    kind = "onnx" if path.endswith(".onnx") else "tf_saved_model"
    if kind == "onnx" and importlib.util.find_spec("tf2onnx") is None:
        raise ImportError('ONNX needs tf2onnx: pip install "tf2onnx>=1.17"')
    model(np.zeros((1, *model.input_shape[1:]), np.float32))  # ONNX asks for a model that has run
    model.export(path, format=kind, verbose=False)


def find_files(paths):
    """Files, and the shapes in folders, sorted: text only in folders of nothing else.

    Raises:
        ConfigError: if a folder has none.
        OSError: if a folder cannot be listed.
    """

    def refuse(error):
        raise error

    found = []
    for path in paths:
        if not os.path.isdir(path):
            found.append(path)
            continue
        inside: list[str] = []
        for folder, _, names in os.walk(path, onerror=refuse):
            shapes = [name for name in names if _suffix(name) in SUFFIXES]
            own = [name for name in shapes if _suffix(name) in OWN_SUFFIXES]
            inside += (os.path.join(folder, name) for name in own or shapes)
        inside.sort()
        if not inside:
            raise ConfigError(f"{path}: found no shapes, expected files {' '.join(SUFFIXES)}")
        found += inside
    return found


def _suffix(path):
    return os.path.splitext(path)[1].lower()


def prediction_table(predictions):
    """`(header, rows)` of a table; the column of notes is there if one has a note."""
    header = ["file", "class", "probability", "agreement", "spread", "next", "note"]
    rows = []
    for one in predictions:
        if one.error:
            rows.append([readable(one.path), f"error: {one.error}", "", "", "", "", ""])
            continue
        others = zip(one.classes[1:], one.probabilities[1:], strict=True)
        figures = [f"{x:.2f}" for x in (one.probabilities[0], one.agreement, one.spread)]
        after = ", ".join(f"{name} {probability:.2f}" for name, probability in others)
        rows.append([readable(one.path), one.classes[0], *figures, after, one.note])
    shown = slice(None if any(one.note for one in predictions) else -1)
    return header[shown], [row[shown] for row in rows]


def _look(task):
    """Samples `(rotations, n, n, 1)` of each file of a task, or why there are none."""
    paths, recipe, rotations = task
    return [_signals(path, recipe, rotations) for path in paths]


def _signals(path, recipe, count):
    matrices = draw_rotations(recipe.rotation, count, np.random.default_rng(recipe.seed))
    matrices[0] = np.eye(3)
    try:
        caster = caster_of_file(path, **recipe.reading)
        samples = cast_samples([caster] * count, recipe.resolution, recipe.rings, matrices)
    except Exception as error:  # whatever one file does, the others go on
        reason = why_left_out(error)
        if kind_for(path, recipe.kind) != recipe.kind:
            reason += f" (files are read as {recipe.kind}; --kind auto goes by the suffix)"
        return reason
    shares = seen_share(samples[..., 0])
    return what_is_missing(shares) if is_blank(shares) else samples
