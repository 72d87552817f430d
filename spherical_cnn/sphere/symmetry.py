"""All rotations between two signals: symmetric signals have several that are equally good."""

from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from spherical_cnn.sphere.alignment import align_coefficients, prepared, transformed
from spherical_cnn.sphere.correlation import (
    correlate,
    derivatives,
    height,
    local_maxima,
    refine,
)

_MOST = 256  # maxima of the grid that are refined; the icosahedron has 60 rotations
_TURNS = 24  # rotations about a candidate axis


class SymmetryRotations(NamedTuple):
    """The rotations that align two signals about as well as the best one does.

    Args:
        rotations: `(k, 3, 3)`, the best one first; with an axis, one of each circle of rotations.
        correlation: `(k,)` at these rotations, relative to the norms of the signals.
        runner_up: as in `Alignment`; it may be below the threshold.
        axis: `(3,)`, unit vector of the axis of symmetry of the second signal, `None` if it has
            none.
    """

    rotations: np.ndarray
    correlation: np.ndarray
    runner_up: float
    axis: np.ndarray | None


def symmetry_rotations(signal_a, signal_b, threshold=0.95):
    """Finds all rotations that take one signal to another.

    Args:
        signal_a: `(2L, 2L, channels)`.
        signal_b: of the same shape.
        threshold: of the highest correlation that a rotation must reach to be as good, in `(0, 1]`.

    Returns:
        `SymmetryRotations`.

    Raises:
        ValueError, UnalignableError: as `align` does.
    """
    a, b = transformed(np.asarray(signal_a)[None], np.asarray(signal_b)[None])
    best = align_coefficients(a, b)
    a, b = prepared(a, "a"), prepared(b, "b")
    rotations, heights = local_maxima(correlate(a, b)[0])
    # Maxima lie between the points of the grid and are higher than these: many are refined.
    order = np.argsort(-heights)[:_MOST]
    order = order[heights[order] >= 0.5 * threshold * heights[order[0]]]
    many_a, many_b = (np.repeat(part, len(order), axis=0) for part in (a, b))
    found, heights = refine(many_a, many_b, rotations[order])
    found = np.concatenate([best.rotations, found])
    heights = np.concatenate([best.correlation, heights])
    axis = _axis(a, b, best.rotations, threshold * best.correlation[0])
    kept: list[int] = []
    for index in np.flatnonzero(heights >= threshold * best.correlation[0]):
        others = found[kept] @ found[index].T
        if not _equal(others, axis, np.pi / (2 * a.shape[1])).any():
            kept.append(int(index))
    return SymmetryRotations(found[kept], heights[kept], float(best.runner_up[0]), axis)


def _axis(a, b, rotation, least):
    """The axis about which every rotation keeps the correlation at `least`, or `None`."""
    _, hessian = derivatives(a, b, rotation)
    axis = np.linalg.eigh(hessian[0])[1][:, -1]  # along which it falls most slowly
    turns = 2 * np.pi * np.arange(_TURNS)[:, None] / _TURNS
    rotated = Rotation.from_rotvec(turns * axis).as_matrix() @ rotation
    many_a, many_b = (np.repeat(part, _TURNS, axis=0) for part in (a, b))
    return axis if height(many_a, many_b, rotated).min() >= least else None


def _equal(between, axis, tolerance):
    """Which of the rotations `(k, 3, 3)` are within `tolerance` of one about the axis, or of 1."""
    if axis is None:
        return Rotation.from_matrix(between.reshape(-1, 3, 3)).magnitude() < tolerance
    return between.reshape(-1, 3, 3) @ axis @ axis > np.cos(tolerance)
