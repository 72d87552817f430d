"""A finished run, tested on shapes: cast on the spot, as those of its own data set were."""

from __future__ import annotations

import dataclasses
import os
import re
import tempfile

from spherical_cnn.data.flags import ConfigError
from spherical_cnn.data.recipe import Recipe
from spherical_cnn.data.sources import find_shapes
from spherical_cnn.data.tasks import perform, tasks_of
from spherical_cnn.data.workers import worker_pool
from spherical_cnn.experiment.network import evaluation_data, reading
from spherical_cnn.experiment.runfolder import RunFolder
from spherical_cnn.experiment.training import evaluate, restore

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
        dict of JSON values: as of `spherical_cnn.experiment.training.evaluate`; `recipe`;
        `skipped`, a list of `[name, reason]`.

    Raises:
        ConfigError: if the options, or the source's classes, do not fit the run.
        RunError, OSError: if run or source cannot be read.
    """
    data = RunFolder(path).read_data()
    own = {**data["options"], "val_fraction": 0, "test_fraction": 0}
    recipe = Recipe(**{**own, **given})
    model, config = restore(path, upright=recipe.rotation_of("test") != "so3")
    recipe = dataclasses.replace(recipe, resolution=config.input_res)
    found = find_shapes(source, None, recipe.embedded_shapes, recipe.seed)
    labels = _labels(found, data["classes"], config.n_classes)
    items = [item for item in found.items if item.split == "test"] or found.items
    labelled = [(item._replace(split="test"), labels[item.class_name]) for item in items]
    done, paths, skipped = 0, [], []
    with tempfile.TemporaryDirectory() as folder, worker_pool(workers) as perform_all:
        for task, outcome in perform_all(perform, tasks_of(recipe, "test", labelled, folder)):
            done += len(task.items)
            skipped += [list(entry) for entry in outcome.skipped]
            paths += [task.path] if os.path.getsize(task.path) else []
            progress(done, len(labelled))
        if not paths:
            raise ConfigError(
                f"{source}: no shape could be used, the first, {': '.join(skipped[0])}"
            )
        results = evaluate(model, evaluation_data(model, reading(config, paths)))
    return {**results, "recipe": recipe.to_json(), "skipped": skipped}


def _labels(found, classes, count):
    """Label by class name of a source, as the run's data set counts its `classes`."""
    unnamed = all(_UNNAMED.fullmatch(name) for name in found.classes)
    if not classes or unnamed:
        classes = found.classes
    labels = {name: label for label, name in enumerate(classes)}
    unknown = sorted({item.class_name for item in found.items} - labels.keys())
    if unknown or len(classes) > count:
        raise ConfigError(
            f"found classes {', '.join(unknown or classes)}; expected some of the run's {count}"
        )
    return labels
