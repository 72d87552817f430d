"""Golden files of the equivariance errors of a small stack, measured with our own rotations."""

from __future__ import annotations

import numpy as np
from parity.comparison import swap
from parity.sphere import inverse_angles
from parity.weights import assign, block_variables

from spherical_cnn.nn import SphericalPooling
from spherical_cnn.nn.blocks import SphericalBlock
from spherical_cnn.sphere import SphericalGrid, isht, sht
from spherical_cnn.sphere.rotation import rotate_coefficients, rotate_signal

RELATIVE = 0.02  # of a recorded error
ROUNDING = 5e-6  # what an exactly equivariant stage may show


def check_equivariance(file):
    """`relerr_<resolution>_<pool>_<band>`: [stage, rotation, metric]."""
    for match in file.names(r"relerr_((\d+)_([a-z]+)_\w+)"):
        name, key, resolution, pool = match[0], match[1], match[2], match[3]
        signal = swap(file.input(f"f_{key}")[None])[..., None]
        layers = _stack(file, resolution, pool)
        grid = SphericalGrid.from_resolution(signal.shape[1])
        angles = inverse_angles(file.input(f"angles_{resolution}"))
        rotated = [rotate_signal(signal.astype(float), a, grid) for a in angles]
        # One batch: the signal, then its rotated copies.
        stages = _stages(layers, np.concatenate([signal, *rotated]).astype(np.float32))
        file.exact(f"stages_{key}", list(stages))
        ours = np.array([_errors(maps, angles) for maps in stages.values()])
        recorded = file.arrays[name]
        file.compare(name, ours, RELATIVE, recorded + ROUNDING / RELATIVE)


def check_summary(file):
    """The JSON digest of `equivariance.npz`: stages by case, errors with three digits."""
    with np.load(file.path.with_name("equivariance.npz")) as arrays:
        metrics = {"plain": 0, "projected": 2}
        for name in file.arrays:
            case, stage, metric = name.split("/")
            row = list(arrays[f"stages_{case}"]).index(stage)
            errors = arrays[f"relerr_{case}"][row, :, metrics[metric]]
            file.exact(name, [f"{error:.2e}" for error in errors])


def _stack(file, resolution, pool):
    """Layers by stage name, with the file's weights."""
    numbers = sorted({int(m[1]) for m in file.names(rf"W_{resolution}_l(\d+)\..*")})
    layers = {}
    for halvings, i in enumerate(numbers):
        weights = file.inputs_under(f"W_{resolution}_l{i}.")
        channels, anchors, filters = weights["sphconv.W"].shape
        spectral = pool == "spectral"
        block = SphericalBlock(filters, anchors, None, "prelu", spectral_pooling=spectral)
        side = int(resolution) // 2**halvings
        block.build((None, side, side, channels))
        assign(block_variables(block, separator="."), weights)
        layers |= {f"l{i}_conv": block.conv, f"l{i}_prelu": block.activation}
        if not spectral:
            layers[f"l{i}_pool"] = SphericalPooling(pool)
    return layers


def _stages(layers, maps):
    stages = {}
    for name, layer in layers.items():
        stages[name] = maps = layer(maps)
    return {name: maps.numpy().astype(float) for name, maps in stages.items()}


def _errors(maps, angles):
    """`(rotation, 4)`: ‖stage(R f) - R stage(f)‖ / ‖stage(f)‖ for the four metrics.

    R acts on what is band-limited to the stage's grid. Metric 0 is the plain norm, 1 weighs squares
    by the area of the cells; 2 and 3 are the same of both stages projected to the band limit.
    """
    grid = SphericalGrid.from_resolution(maps.shape[1])
    coefficients = sht(maps, grid).numpy()
    projected = isht(coefficients, grid).numpy()
    rotated = [rotate_coefficients(coefficients[:1], angle) for angle in angles]
    targets = isht(np.concatenate(rotated), grid).numpy()
    columns = []
    for stage in (maps, projected):
        for weights in (np.ones_like(grid.cell_weights), grid.cell_weights):
            root = np.sqrt(weights)[:, None, None]
            columns.append(_norms(root * (stage[1:] - targets)) / _norms(root * stage[:1]))
    return np.stack(columns, axis=-1)


def _norms(maps):
    return np.linalg.norm(maps.reshape(len(maps), -1), axis=1)
