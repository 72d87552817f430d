"""Classifies shapes in files with a finished run, in several rotations."""

from __future__ import annotations

import importlib.util
import itertools
import os
from typing import NamedTuple

import numpy as np
from scipy import special

from spherical_cnn.data.atomic import printable
from spherical_cnn.data.poses import check_views, draw_rotations
from spherical_cnn.data.signals import clouds, signals
from spherical_cnn.data.sources import FileOrigin, Item
from spherical_cnn.errors import ConfigError, RunError
from spherical_cnn.nn.outputs import predict_dict
from spherical_cnn.shapes.load import OWN_SUFFIXES, SUFFIXES, choose_kind, suffix_of
from spherical_cnn.shapes.signal import Pose, compute_hit_rate, describe_misses, is_blank
from spherical_cnn.training.run import check_caster, dataset_config_of, load_run

_FILES, _NETWORK_BATCH = 8, 32  # classified at a time; samples per batch of the network


class Prediction(NamedTuple):
    """The prediction for one file."""

    path: str
    classes: list  # names of the most probable classes, in order
    probabilities: list  # their means over the rotations
    agreement: float  # fraction of the rotations in which the first class is the most probable
    spread: float  # standard deviation of its probability over the rotations
    error: str  # why the file cannot be used, else ""
    note: str = ""  # a remark on the prediction, such as that the shape is nearly blank, else ""


class Predictor:
    """A finished run that classifies shapes in files.

    Args:
        run: run folder, or the name of a preset.
        up: axis that points up in the files; default: as in the run's dataset.
        kind: what the files hold; default likewise.
        center: where rays start; default likewise.
        caster: `"embree"` or `"device"`, as in `signals`.

    Attributes:
        run: `Run`.
        model: network of the run.
        config: `DatasetConfig` of what it reads.

    Raises:
        RunError: if there is no finished run, or it does not say how its signals are made.
    """

    def __init__(self, run, up=None, kind=None, center=None, caster="embree"):
        self.run = loaded = load_run(run)
        self._caster = caster
        self.model = loaded.model
        self._size = loaded.num_points if loaded.config.takes_points else None
        check_caster(loaded.config, caster)
        made, path = loaded.dataset["options"], loaded.folder.path("data.json")
        if not made:
            raise RunError(
                f"{path}: not found, so it is not known how the signals of this run are made; "
                "expected a run on a dataset of scnn build, or on online data"
            )
        if made["resolution"] != loaded.config.input_res:
            raise RunError(
                f"{path}: signals of resolution {made['resolution']}, expected "
                f"{loaded.config.input_res} as in {loaded.folder.path('config.json')}"
            )
        self.config = dataset_config_of(loaded.folder, up=up, kind=kind, center=center)

    def predict(self, paths, rotations=4, top=3, workers=1, tta=1):
        """Classifies files, in order.

        Rotations are of the kind that the run is trained on; the first one is the identity. In each
        rotation, a shape is classified in `tta` views; see `spherical_cnn.data.poses`.

        Yields:
            `Prediction` of each, with the `top` most probable classes.
        """
        generator = np.random.default_rng(self.config.data_seed)
        matrices = draw_rotations(self.config.rotation, rotations, generator)
        matrices[0] = np.eye(3)
        check_views(tta, self.config, bool(self._size))
        found = self.inputs(paths, matrices, workers, tta)
        while group := list(itertools.islice(found, _FILES)):
            yield from self._classify(
                [(item.name, self._usable(of_item)) for item, of_item in group], top
            )

    def inputs(self, paths, rotations, workers=1, tta=1):
        """Computes what the network reads of files: signals or points.

        Yields:
            `(item, inputs)` in order, see `signals` and `clouds` of `spherical_cnn.data.signals`;
            the inputs have one row per rotation and view.
        """
        poses = [Pose(matrix) for matrix in rotations]
        items = [Item("test", "", path, FileOrigin(path)) for path in paths]
        request = items, [poses] * len(items), self.config
        if self._size:
            return clouds(*request, self._size, workers=workers, views=tta)
        return signals(*request, caster=self._caster, workers=workers, views=tta)

    def _classify(self, group, top):
        kind = self.config.kind
        good = [found for _, found in group if not isinstance(found, str)]
        if good:
            outputs = predict_dict(self.model, np.concatenate(good), _NETWORK_BATCH)["logits"]
            logits = iter(np.split(np.asarray(outputs, np.float64), len(good)))
        for path, found in group:
            if not isinstance(found, str):
                note = "" if self._size else describe_misses(compute_hit_rate(found))
                yield self._prediction(path, next(logits), note, top)
                continue
            if choose_kind(path, kind) != kind:
                found += f" (files are read as {kind}; --kind auto goes by the suffix)"
            yield Prediction(path, [], [], 0.0, 0.0, found)

    def _prediction(self, path, logits, note, top):
        probabilities = special.softmax(logits, axis=-1)
        if not np.isfinite(probabilities).all():
            reason = "the network's outputs are not finite; its weights overflow or are damaged"
            return Prediction(path, [], [], 0.0, 0.0, reason)
        mean = probabilities.mean(axis=0)
        order = np.argsort(-mean)[:top]
        first = order[0]
        return Prediction(
            path,
            [self.run.class_names[label] for label in order],
            mean[order].tolist(),
            float(np.mean(probabilities.argmax(axis=1) == first)),
            float(probabilities[:, first].std()),
            "",
            note,
        )

    def _usable(self, found):
        """Returns signals or points, or why they cannot be classified."""
        if isinstance(found, str) or self._size:
            return found
        shares = compute_hit_rate(found)
        return describe_misses(shares) if is_blank(shares) else found


def export(model, path):
    """Writes a network for other programs: an ONNX file if `path` says so, else a SavedModel."""
    kind = "onnx" if path.endswith(".onnx") else "tf_saved_model"
    if kind == "onnx" and importlib.util.find_spec("tf2onnx") is None:
        raise ImportError('ONNX needs tf2onnx: pip install "tf2onnx>=1.17"')
    model(np.zeros((1, *model.input_shape[1:]), np.float32))  # ONNX needs a model that has run
    model.export(path, format=kind, verbose=False)


def find_files(paths):
    """Returns files, and the shapes in folders, sorted; text files only in folders of nothing else.

    Raises:
        ConfigError: if a folder has no shapes.
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
            shapes = [name for name in names if suffix_of(name) in SUFFIXES]
            own = [name for name in shapes if suffix_of(name) in OWN_SUFFIXES]
            inside += (os.path.join(folder, name) for name in own or shapes)
        if not inside:
            raise ConfigError(f"{path}: found no shapes, expected files {' '.join(SUFFIXES)}")
        found += sorted(inside)
    return found


def prediction_table(predictions):
    """Returns `(header, rows)` of a table; with a column of notes if a prediction has one."""
    header = ["file", "class", "probability", "agreement", "spread", "next", "note"]
    rows = []
    for one in predictions:
        if one.error:
            rows.append([printable(one.path), f"error: {one.error}", "", "", "", "", ""])
            continue
        others = zip(one.classes[1:], one.probabilities[1:], strict=True)
        figures = [f"{x:.2f}" for x in (one.probabilities[0], one.agreement, one.spread)]
        after = ", ".join(f"{name} {probability:.2f}" for name, probability in others)
        rows.append([printable(one.path), one.classes[0], *figures, after, one.note])
    shown = slice(None if any(one.note for one in predictions) else -1)
    return header[shown], [row[shown] for row in rows]
