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
    tangents,
)

_MOST = 256  # maxima of the grid that are refined; the icosahedron has 60 rotations
_TRIED = 24  # rotations about a candidate axis


class SymmetryRotations(NamedTuple):
    """The rotations that align two signals about as well as the best one does."""

    rotations: np.ndarray  # (k, 3, 3), the best one first; with an axis, one of each circle
    correlation: np.ndarray  # (k,) at these rotations, relative to the norms of the signals
    runner_up: float  # as in `Alignment`; it may be below the threshold
    axis: np.ndarray | None  # (3,), unit vector of the second signal's axis of symmetry


def symmetry_rotations(signal_a, signal_b, threshold=0.95, grid=None):
    """Finds all rotations that take one signal `(*grid.shape, channels)` to another.

    They reach the fraction `threshold`, in `(0, 1]`, of the highest correlation. For the grid and
    the errors see `align`.
    """
    a, b = transformed(np.asarray(signal_a)[None], np.asarray(signal_b)[None], grid)
    best = align_coefficients(a, b)
    a, b = prepared(a, "a"), prepared(b, "b")
    least = threshold * best.correlation[0]
    axis = _axis(a, b, best.rotations, least)
    tolerance = np.pi / (2 * a.shape[1])
    rotations, heights = local_maxima(correlate(a, b)[0])
    order = np.argsort(-heights)
    # Maxima lie between the points of the grid and are higher there: points far below the
    # threshold are refined too.
    order = order[heights[order] >= 0.5 * threshold * heights[order[0]]]
    if axis is not None:  # one of each circle, because a circle may have more than `_MOST`
        order = order[_distinct(rotations[order], axis, tolerance)]
    order = order[:_MOST]
    many_a, many_b = (np.repeat(part, len(order), axis=0) for part in (a, b))
    found, heights = refine(many_a, many_b, rotations[order])
    found = np.concatenate([best.rotations, found])
    heights = np.concatenate([best.correlation, heights])
    good = heights >= least
    found, heights = found[good], heights[good]
    kept = _distinct(found, axis, tolerance)
    return SymmetryRotations(found[kept], heights[kept], float(best.runner_up[0]), axis)


def _axis(a, b, rotation, least):
    """The axis about which every rotation keeps the correlation at `least`, or `None`."""
    _, hessian = derivatives(a, tangents(b), rotation)
    axis = np.linalg.eigh(hessian[0])[1][:, -1]  # along which it falls most slowly
    angles = 2 * np.pi * np.arange(_TRIED)[:, None] / _TRIED
    rotated = Rotation.from_rotvec(angles * axis).as_matrix() @ rotation
    many_a, many_b = (np.repeat(part, _TRIED, axis=0) for part in (a, b))
    return axis if height(many_a, many_b, rotated).min() >= least else None


def _distinct(rotations, axis, tolerance):
    """Returns the indices of rotations that equal no earlier one, up to rotation about the axis."""
    kept: list[int] = []
    for index, rotation in enumerate(rotations):
        between = rotations[kept] @ rotation.T
        if axis is None:
            equal = Rotation.from_matrix(between).magnitude() < tolerance if kept else []
        else:
            equal = between @ axis @ axis > np.cos(tolerance)
        if not np.any(equal):
            kept.append(index)
    return kept
