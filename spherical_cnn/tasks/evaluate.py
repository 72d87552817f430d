"""A finished run, tested on shapes: cast on the spot, as those of its own data set were."""

from __future__ import annotations

import dataclasses
import math
import os
import re
import tempfile

from spherical_cnn.data.atomic import readable
from spherical_cnn.data.records.writer import perform, tasks_of
from spherical_cnn.data.sources import find_shapes
from spherical_cnn.data.workers import worker_pool
from spherical_cnn.options import ConfigError
from spherical_cnn.tasks.casting import recipe_of
from spherical_cnn.training.network import evaluation_data, reading
from spherical_cnn.training.run import evaluate, restore
from spherical_cnn.training.run_folder import RunError, RunFolder

_UNNAMED = re.compile(r"class_\d+")  # classes of an .npz that does not name them


def evaluate_shapes(path, source, given, workers=1, progress=lambda done, total: None):
    """Accuracy of a run on the shapes of a source: those of its test split, or all if it has none.

    Args:
        path: of the run folder.
        source: see `spherical_cnn.data.sources.find_shapes`.
        given: dict of options of `Recipe` that differ from those of the run's data set, such as
            `test_rotation`.
        workers: processes that cast.
        progress: called with the number of shapes done and of all shapes.

    Returns:
        dict of JSON values: as of `spherical_cnn.training.run.evaluate`; `recipe`;
        `skipped`, a list of `[name, reason]`; `blank`, names of those that count, though they are
        nearly blank (see `spherical_cnn.data.records.writer.Outcome`).

    Raises:
        ConfigError: if the options, or the source's classes, do not fit the run.
        RunError, OSError: if run or source cannot be read, or the network's outputs are not finite.
    """
    folder = RunFolder(path)
    recipe = recipe_of(folder, {"val_fraction": 0, "test_fraction": 0, **given})
    model, config = restore(path, upright=recipe.rotation_of("test") != "so3")
    recipe = dataclasses.replace(recipe, resolution=config.input_res)
    source = os.fspath(source)
    found = find_shapes(source, None, recipe.embedded_shapes, recipe.seed)
    try:
        labels = _labels(found, folder.read_data()["classes"], config.n_classes)
    except ConfigError as error:
        raise ConfigError(f"{readable(source)}: {error}") from error
    items = [item for item in found.items if item.split == "test"] or found.items
    labelled = [(item._replace(split="test"), labels[item.class_name]) for item in items]
    done, paths, skipped, blank = 0, [], [], []
    with tempfile.TemporaryDirectory() as shards, worker_pool(workers) as perform_all:
        for task, outcome in perform_all(perform, tasks_of(recipe, "test", labelled, shards)):
            done += len(task.items)
            skipped += [list(entry) for entry in outcome.skipped]
            blank += outcome.blank
            paths += [task.path] if os.path.getsize(task.path) else []
            progress(done, len(labelled))
        if not paths:
            raise ConfigError(
                f"{readable(source)}: no shape could be used; the first, {': '.join(skipped[0])}"
            )
        results = evaluate(model, evaluation_data(model, reading(config, paths)))
    if not math.isfinite(results["test_loss"]):
        raise RunError(
            f"{folder.checkpoint('final')}: the network's outputs are not finite for shapes of "
            f"{readable(source)}; its weights overflow or are damaged"
        )
    return {**results, "recipe": recipe.to_json(), "skipped": skipped, "blank": blank}


def _labels(found, classes, count):
    """Label by class name of a source, as the run's data set counts its `classes`."""
    own = classes
    unnamed = all(_UNNAMED.fullmatch(name) for name in found.classes)
    if not classes or unnamed:
        classes = found.classes
    labels = {name: label for label, name in enumerate(classes)}
    unknown = sorted({item.class_name for item in found.items} - labels.keys())
    if unknown or len(classes) > count:
        raise ConfigError(
            f"found classes {', '.join(unknown or classes)}; expected some of the run's {count}"
            + (f": {', '.join(own)}" if own else "")
        )
    return labels
