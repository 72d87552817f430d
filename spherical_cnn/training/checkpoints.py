"""Checkpoints: one `.npz` with everything that exact resumption needs, written atomically.

Keras's own checkpoints lack the states of the random generators.
"""

from __future__ import annotations

import json
import zipfile

import numpy as np
from keras import ops

from spherical_cnn.data.atomic import write_arrays
from spherical_cnn.errors import RunError
from spherical_cnn.old_names import variable_key

_STATE = "state"
_WEIGHTS = "weights/"  # prefix of the keys of the model's weights
_CLASSIFIERS = f"{_WEIGHTS}logits"  # of those of the dense layers after the descriptor


def save_checkpoint(run, name):
    """Writes checkpoint `latest`, `best` or `final`: all variables and the state of a run."""
    arrays = {key: ops.convert_to_numpy(v.value) for key, v in all_variables(run.model).items()}
    _write(run.folder, name, arrays, run.state)


def save_weights(run, name, folder):
    """Writes checkpoint `name` to a `RunFolder`, weights in half precision, for inference only."""
    arrays = {}
    for key, variable in _weights(run.model).items():
        values = ops.convert_to_numpy(variable.value)
        most, limit = np.max(np.abs(values), initial=0), np.finfo(np.float16).max
        if not most <= limit:
            raise RunError(
                f"{key}: found {most:g}, expected at most {limit:g}, the largest number in half "
                "precision; release another run"
            )
        arrays[key] = values.astype(np.float16)
    _write(folder, name, arrays, run.state)


def _write(folder, name, arrays, state):
    write_arrays(folder.checkpoint(name), {_STATE: np.array(json.dumps(state)), **arrays})


def load_checkpoint(path, model, weights_only=False, any_classes=False):
    """Restores a compiled model from a checkpoint and returns the state of the run.

    If the file is corrupt, has another architecture or holds a number that is not finite, raises
    `RunError` and leaves the model unchanged. Inference needs the weights only. With `any_classes`,
    a classifier for another number of classes is left as it is.
    """
    variables = _weights(model) if weights_only else all_variables(model)
    prefix = _WEIGHTS if weights_only else ""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            keys = [key for key in stored.files if key != _STATE and key.startswith(prefix)]
            arrays = {variable_key(key): stored[key] for key in keys}
            state = json.loads(str(stored[_STATE]))
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
        raise RunError(
            f"{path}: found no checkpoint: corrupt or another file ({error}); expected one of this "
            "program. Put another checkpoint of the run in its place, such as best.npz, or train "
            "again with --from_scratch"
        ) from error
    if any_classes:
        for key in [key for key in arrays if key.startswith(_CLASSIFIERS) and key in variables]:
            if arrays[key].shape != tuple(variables[key].shape):
                del arrays[key], variables[key]
    for key in sorted(set(arrays) | set(variables)):
        found = arrays[key].shape if key in arrays else "nothing"
        expected = tuple(variables[key].shape) if key in variables else "nothing"
        if found != expected:
            raise RunError(
                f"{path}: checkpoint of another architecture: for {key} found {found}, "
                f"expected {expected}. Give the options of the run that it belongs to"
            )
    for key, values in arrays.items():
        if not np.isfinite(values).all():
            raise RunError(
                f"{path}: found {key} that is not finite, expected numbers: its training broke. "
                "Train again with --from_scratch and a lower --learning_rate"
            )
    for key, variable in variables.items():
        variable.assign(arrays[key])
    return state


def copy_variables(source, target):
    """Copies all variables of a compiled model to another one of the same architecture."""
    values = all_variables(source)
    for key, variable in all_variables(target).items():
        variable.assign(ops.convert_to_numpy(values[key].value))


def all_variables(model):
    """Returns all variables by a readable key: weights, random states, optimizer."""
    seeds = [v for v in model.variables if all(v is not w for w in model.weights)]
    named = _weights(model)
    for group, variables in (("seeds", seeds), ("optimizer", model.optimizer.variables)):
        for index, variable in enumerate(variables):
            # Without its first part, which Keras numbers differently for every model.
            named[f"{group}/{index}/{variable.path.partition('/')[2]}"] = variable
    return named


def _weights(model):
    return {f"{_WEIGHTS}{variable.path}": variable for variable in model.weights}
