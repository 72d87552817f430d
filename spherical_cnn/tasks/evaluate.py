"""Tests a finished run on new shapes, whose signals are made like those of its dataset."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
from scipy import special

from spherical_cnn.data.module import ArrayBatches
from spherical_cnn.data.poses import check_views, draw_poses
from spherical_cnn.data.signals import clouds, signals
from spherical_cnn.data.sources import find_shapes
from spherical_cnn.errors import ConfigError
from spherical_cnn.nn.outputs import predict_dict
from spherical_cnn.presets import find_run
from spherical_cnn.shapes.signal import MIN_HIT_RATE, compute_hit_rate
from spherical_cnn.training.run import check_caster, dataset_config_of, load_run
from spherical_cnn.training.run_folder import RunFolder
from spherical_cnn.training.train import evaluate

_UNNAMED = re.compile(r"class_\d+")  # classes of an .npz that does not name them


def evaluate_shapes(
    path, source, given, workers=1, progress=lambda done, total: None, caster="embree", tta=1
):
    """Computes the accuracy of a run on the test shapes of a source, or on all if it has none.

    The dict `given` holds options of `DatasetConfig` that replace those of the run's dataset, such
    as `test_rotation`. For the source see `find_shapes`; for `caster`, `signals`; for the others,
    `build`. With `tta` views of each sample, see `spherical_cnn.data.poses`, the accuracy of their
    mean probabilities is computed, too.

    Returns:
        dict of JSON values: as `spherical_cnn.training.train.evaluate`; `dataset`, the options;
        `skipped`, a list of `[name, reason]`; `blank`, names of shapes that count though they are
        nearly blank; with `tta`, `test_tta`.

    Raises:
        ConfigError: if the options, or the source's classes, do not fit the run.
    """
    folder = RunFolder(find_run(path))
    config = dataset_config_of(folder, **{"val_fraction": 0, "test_fraction": 0, **given})
    run = load_run(path, upright=config.rotation_of("test") != "so3")
    check_caster(run.config, caster)
    config = dataclasses.replace(config, resolution=run.config.input_res)
    if config.num_points > run.num_points:
        raise ConfigError(
            f"--num_points: expected at most {run.num_points}, which the network reads. "
            f"Received: {config.num_points}"
        )
    check_views(tta, config, run.config.takes_points)
    found = find_shapes(source, None, config.embedded_shapes, config.data_seed)
    labels = _labels(found, run.dataset["classes"], run.config.n_classes)
    items = [item for item in found.items if item.split == "test"] or found.items
    poses = [draw_poses(config, "test", item.name) for item in items]
    rows: list[np.ndarray] = []
    used, skipped, blank = [], [], []
    if run.config.takes_points:
        samples = clouds(items, poses, config, run.num_points, workers=workers, views=tta)
    else:
        samples = signals(items, poses, config, caster=caster, workers=workers, views=tta)
    for count, (item, cast) in enumerate(samples, 1):
        if isinstance(cast, str):
            skipped.append([item.name, cast])
        else:
            rows.append(cast)
            used += [item] * (len(cast) // tta)
            if not run.config.takes_points and compute_hit_rate(cast).min() < MIN_HIT_RATE:
                blank.append(item.name)
        progress(count, len(items))
    if not rows:
        raise ConfigError(
            f"{found.name}: no shape could be used; the first, {': '.join(skipped[0])}"
        )
    inputs = np.concatenate(rows)
    targets = np.array([labels[item.class_name] for item in used], np.int64)
    batches = ArrayBatches(
        inputs[::tta],
        targets,
        np.array([item.name.encode() for item in used], object),
        run.config.train_bsize,
    )
    results = evaluate(run, batches)
    if tta > 1:
        logits = predict_dict(run.model, inputs, run.config.train_bsize)["logits"]
        probabilities = special.softmax(np.asarray(logits, np.float64), axis=-1)
        mean = probabilities.reshape(len(targets), tta, -1).mean(axis=1)
        results["test_tta"] = float(np.mean(mean.argmax(axis=1) == targets))
    return {**results, "dataset": config.to_dict(), "skipped": skipped, "blank": blank}


def _labels(found, classes, count):
    """Labels by class name of a source, numbered like the `classes` of the run's dataset."""
    unnamed = all(_UNNAMED.fullmatch(name) for name in found.classes)
    known = found.classes if unnamed or not classes else classes
    labels = {name: label for label, name in enumerate(known)}
    unknown = sorted({item.class_name for item in found.items} - labels.keys())
    if unknown or len(known) > count:
        raise ConfigError(
            f"{found.name}: found classes {', '.join(unknown or known)}; "
            f"expected some of the run's {count}" + (f": {', '.join(classes)}" if classes else "")
        )
    return labels
