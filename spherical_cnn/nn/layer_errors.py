"""Equivariance errors of a network, layer by layer.

For a layer with output `F`, an input `x` and a rotation `R`, the relative error is

    ‖F(R x) - R F(x)‖ / ‖F(x)‖,

in the norm over the sphere of what is band-limited to the layer's grid, that is of the
coefficients. The plain ratio over samples would mislead: a nonlinearity creates degrees that the
grid cannot represent, which no operation on samples can rotate, and the many samples near the poles
would count for more than their area. Vectors (descriptor, logits) should be invariant: `R F = F`.
"""

from __future__ import annotations

import re

import numpy as np
from keras import ops

from spherical_cnn.nn.outputs import check_finite, feature_extractor, map_grids, predict_dict
from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.sphere.operations import full_float32
from spherical_cnn.sphere.rotation import rotate_coefficients, rotate_signal
from spherical_cnn.sphere.sht import isht, sht

_MAPS = re.compile(r"signal|sphere|conv\d+|(conv|pool)\d+_(distance|incidence)")
_VECTORS = ("descriptor", "logits")


def measure(model, signals, rotated, angles):
    """Measures the errors of all layers and outputs for signals and their rotated copies.

    Args:
        model: `two_branch` network, or `point_sphere`.
        signals: `(batch, n, n, 2)`, or points `(batch, n, 3)`.
        rotated: the signals under each rotation, with that axis first.
        angles: `(rotations, 3)` ZYZ Euler angles of the rotations, radians.

    Returns:
        Dict of `layers`, a dict by layer of the relative error of each rotation, over the batch;
        and `flips`, the fraction of predictions that each rotation changes.

    Raises:
        RunError: if an output is not finite.
    """
    with full_float32():
        return _measure(model, signals, rotated, angles)


def _measure(model, signals, rotated, angles):
    maps = [layer.name for layer in model.layers if _MAPS.fullmatch(layer.name)]
    layers = [*maps, *_VECTORS]
    extractor = feature_extractor(model, layers)
    grids = map_grids(model)
    start = predict_dict(extractor, signals)
    for name, values in start.items():
        check_finite(values, name)
    targets = {name: _coefficients(values, grids.get(name)) for name, values in start.items()}
    errors: dict[str, list[float]] = {name: [] for name in layers}
    flips = []
    for angle, copies in zip(angles, rotated, strict=True):
        found = predict_dict(extractor, copies)
        for name, target in targets.items():
            expected = target if name in _VECTORS else rotate_coefficients(target, angle)
            actual = _coefficients(found[name], grids.get(name))
            difference = np.linalg.norm(actual - expected)
            errors[name].append(float(difference) / max(float(np.linalg.norm(target)), 1e-30))
        classes = [np.argmax(outputs["logits"], axis=-1) for outputs in (start, found)]
        flips.append(float(np.mean(classes[0] != classes[1])))
    return {"layers": errors, "flips": flips}


def rotated_exactly(signals, angles):
    """Projects signals `(batch, n, n, channels)` to the band limit of their grid and rotates them.

    Returns the projected signals and their copies under each rotation (ZYZ Euler angles),
    `(rotations, batch, n, n, channels)`, float32.
    """
    grid = SphericalGrid.from_resolution(np.shape(signals)[1])
    signals = ops.convert_to_numpy(isht(sht(np.asarray(signals, np.float64), grid), grid))
    rotated = np.stack([rotate_signal(signals, angle, grid) for angle in angles])
    return signals.astype(np.float32), rotated.astype(np.float32)


def error_table(results):
    """Returns a table `(header, rows)` of median errors in per cent.

    `results` holds what `measure` returns, by the method of rotation.
    """
    ways = list(results)
    names = next(iter(results.values()))["layers"]
    rows = [
        [name, *(f"{100 * np.median(results[way]['layers'][name]):.2f}" for way in ways)]
        for name in names
    ]
    flips = [f"{100 * np.mean(results[way]['flips']):.1f}" for way in ways]
    return ["relative error, %", *ways], [*rows, ["predictions changed, %", *flips]]


def _coefficients(values, grid):
    """Coefficients, float64, of maps on a grid; vectors, which have none, as they are."""
    values = np.asarray(values, np.float64)
    return values if grid is None else ops.convert_to_numpy(sht(values, grid))
