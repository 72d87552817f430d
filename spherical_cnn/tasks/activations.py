"""Exports the outputs of named layers."""

from __future__ import annotations

import io

import numpy as np

from spherical_cnn.data.atomic import write_bytes
from spherical_cnn.data.records.tfrecord_data import read_shards
from spherical_cnn.nn.outputs import feature_extractor
from spherical_cnn.training.network import record_format
from spherical_cnn.training.run import load_run


def layer_outputs(model, batches, layers):
    """Computes the outputs of named layers, batch by batch.

    Args:
        model: `two_branch` network.
        batches: `spherical_cnn.data.module.Batches`.
        layers: names, such as `conv0_distance` (before pooling), `final_conv`, `descriptor`.

    Yields:
        dict of arrays per batch: each layer's output, and `label`, `name`, `rotation`.

    Raises:
        ConfigError: if a layer does not exist; the message lists those that do.
    """
    extractor = feature_extractor(model, layers)
    for batch in batches:
        outputs = extractor.predict_on_batch(batch["signal"])
        names = np.array([name.decode(errors="replace") for name in batch["name"]])
        about = {"label": batch["label"], "name": names, "rotation": batch["rotation"]}
        yield {**{key: np.asarray(value) for key, value in outputs.items()}, **about}


def export_activations(path, output, shards, layers):
    """Writes the outputs of named layers of a run for records to an `.npz` file.

    Args:
        path: path of the run folder.
        output: path of the `.npz`.
        shards: paths of TFRecords.
        layers: names of layers.

    Raises:
        ConfigError: if a layer does not exist.
        RunError, RecordError, OSError: if run or shards cannot be read.
    """
    run = load_run(path)
    batches, errors = read_shards(shards, record_format(run.config), run.config.train_bsize)
    with errors:
        parts = list(layer_outputs(run.model, batches, layers))
    buffer = io.BytesIO()
    np.savez(buffer, **{key: np.concatenate([part[key] for part in parts]) for key in parts[0]})
    write_bytes(output, buffer.getvalue())
