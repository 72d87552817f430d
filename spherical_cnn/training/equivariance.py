"""How far a network is from commuting with rotations: layer by layer, and in what it predicts.

For a layer with output `F`, an input `x` and a rotation `R`, the relative error is

    ‖F(R x) - R F(x)‖ / ‖F(x)‖,

in the norm over the sphere of what is band-limited to the layer's grid, that is of the
coefficients. The plain ratio over samples would mislead: a nonlinearity makes degrees that the grid
cannot hold, which no operation on samples can rotate, and the many samples near the poles would
count for more than their area. Vectors (descriptor, logits) should not change at all: `R F = F`.

Two ways to turn the input tell network and sampling apart. *Exact*: the signal, band-limited, is
rotated by its coefficients; all error is the network's. *Re-cast*: the shape is turned and looked
at anew; the error of the layer `signal` is that of the sampling, the others' that of both.
"""

from __future__ import annotations

import dataclasses
import logging
import re

import numpy as np
from keras import ops

from spherical_cnn.options import Options, option
from spherical_cnn.signals.signal import ShapeError
from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.sphere.rotation import (
    euler_to_matrix,
    random_rotations,
    rotate_coefficients,
    rotate_signal,
)
from spherical_cnn.sphere.sht import isht, sht
from spherical_cnn.tasks.casting import cast_signals, check_seen, find_casters
from spherical_cnn.training.metrics import check_finite, outputs_for, outputs_of


@dataclasses.dataclass(frozen=True)
class Probe(Options):
    """How much is measured.

    Raises:
        ConfigError: naming the flag whose value is refused.
    """

    shapes: int = option(16, None, "shapes that are turned", least=1, group="measurement")
    rotations: int = option(8, None, "random rotations of each", least=1)


logger = logging.getLogger("spherical_cnn")

_MAPS = re.compile(r"signal|(conv|pool)\d+_b\d")
_VECTORS = ("descriptor", "logits")
BATCH = 16


def measure_shapes(model, config, source, recipe, probe):
    """Errors of a network for shapes of a source, turned exactly and re-cast.

    Args:
        model: of `build_model`.
        config: `Config`, of the network; its seed draws the rotations.
        source: as in `find_casters`.
        recipe: `Recipe`, of which how shapes are read and cast is used.
        probe: `Probe`.

    Returns:
        dict by way of turning of what `measure` returns.

    Raises:
        ConfigError: if there is no shape.
        ShapeError: if rays see none of the shapes.
        RunError: if the network's outputs are not finite.
    """
    angles = random_rotations(probe.rotations, np.random.default_rng(config.seed))
    found = find_casters(source, recipe, probe.shapes)
    casters = list(found.values())
    views = (np.eye(3), *euler_to_matrix(angles))
    cast = np.stack([cast_signals(casters, config.input_res, recipe.rings, v) for v in views])
    seen = [_is_seen(name, cast[:, row]) for row, name in enumerate(found)]
    if not any(seen):
        raise ShapeError(f"{source}: no ray meets any of {len(seen)} shapes")
    signals, *recast = cast[:, seen]
    limited, turned = exact_turns(signals, angles)
    return {
        "exact": measure(model, limited, turned, angles),
        "re-cast": measure(model, signals, recast, angles),
    }


def measure_records(model, config, batches):
    """Errors of a network for the first records of a data set, turned exactly.

    Args:
        model: of `build_model`.
        config: `Config`, of the network; its seed draws the rotations.
        batches: of parsed records.

    Returns:
        As `measure_shapes`, of one way of turning.
    """
    angles = random_rotations(4, np.random.default_rng(config.seed))
    first: list[np.ndarray] = []
    for record in batches:
        first += list(np.asarray(record["signal"]))
        if len(first) >= BATCH:
            break
    limited, turned = exact_turns(first[:BATCH], angles)
    return {"exact": measure(model, limited, turned, angles)}


def exact_turns(signals, angles):
    """Band-limited signals and their exact rotations.

    Args:
        signals: `(batch, n, n, channels)`; projected to the band limit of their grid.
        angles: `(rotations, 3)` ZYZ Euler angles, radians.

    Returns:
        `(batch, n, n, channels)` and `(rotations, batch, n, n, channels)`, float32.
    """
    grid = SphericalGrid.from_resolution(np.shape(signals)[1])
    signals = ops.convert_to_numpy(isht(sht(np.asarray(signals, np.float64), grid), grid))
    turned = np.stack([rotate_signal(signals, angle, grid) for angle in angles])
    return signals.astype(np.float32), turned.astype(np.float32)


def measure(model, signals, turned, angles):
    """Errors of all layers and outputs for given signals and their turned copies.

    Args:
        model: of `build_model`.
        signals: `(batch, n, n, 2)`.
        turned: of each rotation, `(batch, n, n, 2)`.
        angles: `(rotations, 3)`, those by which they are turned.

    Returns:
        dict: `layers`, a dict by layer of the relative error of each rotation, over the batch;
        `flips`, the share of predictions that each rotation changes.

    Raises:
        RunError: if an output is not finite.
    """
    maps = [layer.name for layer in model.layers if _MAPS.fullmatch(layer.name)]
    layers = [*maps, *_VECTORS]
    probe = outputs_of(model, layers)
    start = outputs_for(probe, signals, BATCH)
    for name, values in start.items():
        check_finite(values, name)
    targets = {name: _content(values) for name, values in start.items()}
    errors: dict[str, list[float]] = {name: [] for name in layers}
    flips = []
    for angle, copies in zip(angles, turned, strict=True):
        found = outputs_for(probe, copies, BATCH)
        for name, target in targets.items():
            rotated = target if name in _VECTORS else rotate_coefficients(target, angle)
            difference = np.linalg.norm(_content(found[name]) - rotated)
            errors[name].append(float(difference) / max(float(np.linalg.norm(target)), 1e-30))
        classes = [np.argmax(outputs["logits"], axis=-1) for outputs in (start, found)]
        flips.append(float(np.mean(classes[0] != classes[1])))
    return {"layers": errors, "flips": flips}


def error_table(results):
    """The errors, per cent, medians over the rotations, as `(header, rows)` of a table.

    Args:
        results: dict by way of turning of what `measure` returns.
    """
    ways = list(results)
    names = next(iter(results.values()))["layers"]
    rows = [
        [name, *(f"{100 * np.median(results[way]['layers'][name]):.2f}" for way in ways)]
        for name in names
    ]
    flips = [f"{100 * np.mean(results[way]['flips']):.1f}" for way in ways]
    return ["relative error, %", *ways], [*rows, ["predictions changed, %", *flips]]


def _is_seen(name, signals):
    """Whether a shape can be measured; if not, a warning says so."""
    try:
        check_seen(name, signals)
    except ShapeError as error:
        logger.warning(f"skipped: {error}")
        return False
    return True


def _content(values):
    """Coefficients, float64, of maps; vectors as they are."""
    values = np.asarray(values, np.float64)
    if values.ndim == 2:
        return values
    grid = SphericalGrid.from_resolution(values.shape[1])
    return ops.convert_to_numpy(sht(values, grid))
