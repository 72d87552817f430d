"""Exports the outputs of named layers."""

from __future__ import annotations

import numpy as np

from spherical_cnn.data.atomic import write_arrays
from spherical_cnn.data.records.tfrecord_data import read_shards
from spherical_cnn.nn.outputs import feature_extractor
from spherical_cnn.training.network import record_format
from spherical_cnn.training.run import load_run


def layer_outputs(run, shards, layers):
    """Computes the outputs of named layers of a `Run` for records, batch by batch.

    Yields:
        dict of arrays per batch: each layer's output, and `label`, `name`, `rotation`.
    """
    batches, errors = read_shards(shards, record_format(run.config), run.config.train_bsize)
    extractor = feature_extractor(run.model, layers)
    with errors:
        for batch in batches:
            outputs = extractor.predict_on_batch(batch["signal"])
            names = np.array([name.decode(errors="replace") for name in batch["name"]])
            about = {"label": batch["label"], "name": names, "rotation": batch["rotation"]}
            yield {**{key: np.asarray(value) for key, value in outputs.items()}, **about}


def join_batches(parts):
    """Concatenates dicts of arrays, which have the same keys."""
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def export_activations(path, output, shards, layers):
    """Writes the outputs of named layers of the run in a folder to an `.npz` file."""
    write_arrays(output, join_batches(list(layer_outputs(load_run(path), shards, layers))))
