"""Finds the rotation between two shapes, by their signals or by a network's feature maps."""

import numpy as np
from scipy.spatial.transform import Rotation

from spherical_cnn.errors import ConfigError, ShapeError
from spherical_cnn.shapes.formats.mesh import SUFFIXES, read_mesh
from spherical_cnn.shapes.formats.safe_read import read_bytes
from spherical_cnn.shapes.load import choose_kind, suffix_of
from spherical_cnn.shapes.normalize import normalize
from spherical_cnn.shapes.signal import Mesh
from spherical_cnn.sphere.alignment import UnalignableError
from spherical_cnn.sphere.rotation import matrix_to_euler
from spherical_cnn.sphere.symmetry import symmetry_rotations


def align_shapes(first, second, view, threshold=0.95):
    """Finds the `SymmetryRotations` from one shape to another, in the axes of the files.

    The shapes are `LoadedShape`s of `view`, a `SignalView`; they rotate about their centers. For
    the threshold see `symmetry_rotations`.

    Raises:
        ShapeError: naming the file whose shape no ray meets, or looks the same from all sides.
    """
    signals = np.concatenate([view.signals(first), view.signals(second)])
    of_first, of_second = view.maps(signals)
    try:
        peaks = symmetry_rotations(of_first, of_second, threshold, view.grid)
    except UnalignableError as error:
        path = {"a": first, "b": second}[error.which].path
        raise ShapeError(
            f"{path}: looks the same from all sides, like a ball, so every "
            "rotation aligns it; expected a shape that varies over the sphere"
        ) from error
    upright = view.upright
    axis = None if peaks.axis is None else peaks.axis @ upright
    return peaks._replace(rotations=upright.T @ peaks.rotations @ upright, axis=axis)


def aligned_copy(first, second, rotation, center):
    """Returns the `Mesh` in the file `first`, rotated, moved and scaled onto that in `second`.

    The rotation `(3, 3)` is in the axes of the files; for the center see `normalize`.
    """
    mesh, _ = _normalized_mesh(first, center)
    _, placement = _normalized_mesh(second, center)
    vertices = placement.radius * mesh.vertices @ rotation.T + placement.center
    return Mesh(vertices, mesh.faces)


def _normalized_mesh(path, center):
    """A mesh in its file's axes, normalized, and its `Placement`."""
    try:
        return normalize(read_mesh(read_bytes(path), suffix_of(path)), center)
    except ShapeError as error:
        raise ShapeError(f"{path}: {error}") from error


def check_copy(copy, paths, kind):
    """Checks that shapes in `paths`, read as `kind`, and the file `copy` can be meshes.

    Raises:
        ConfigError: if one cannot.
    """
    if suffix_of(copy) not in SUFFIXES:
        raise ConfigError(f"--copy: expected {' '.join(SUFFIXES)}. Received: {copy}")
    for path in paths:
        if suffix_of(path) not in SUFFIXES or choose_kind(path, kind) not in ("auto", "mesh"):
            raise ConfigError(
                f"--copy: only meshes have copies, expected {' '.join(SUFFIXES)} with faces. "
                f"Received: {path}; the rotation alone needs no --copy"
            )


def to_dict(peaks):
    """Returns `SymmetryRotations` as JSON values; angles in degrees, quaternions `w x y z`."""
    quaternions = Rotation.from_matrix(peaks.rotations).as_quat()[:, [3, 0, 1, 2]]
    angles = np.degrees(matrix_to_euler(peaks.rotations))
    return {
        "rotations": [
            {"matrix": m.tolist(), "zyz": z.tolist(), "quaternion": q.tolist(), "correlation": c}
            for m, z, q, c in zip(
                peaks.rotations, angles, quaternions, peaks.correlation.tolist(), strict=True
            )
        ],
        "residual": float(np.sqrt(max(0, 2 - 2 * peaks.correlation[0]))),
        "runner_up": peaks.runner_up,
        "axis": None if peaks.axis is None else peaks.axis.tolist(),
    }


def lines(peaks):
    """Returns `SymmetryRotations` as lines of text."""
    values = to_dict(peaks)
    best, *others = values["rotations"]
    rows = [" ".join(f"{x:10.6f}" for x in row) for row in best["matrix"]]
    found = [
        *(f"{title:12}{row}" for title, row in zip(("rotation", "", ""), rows, strict=True)),
        f"{'ZYZ angles':12}{_numbers(best['zyz'], 3)} degrees",
        f"{'quaternion':12}{_numbers(best['quaternion'], 6)} (w x y z)",
        f"{'correlation':12}{best['correlation']:.4f}, next best {values['runner_up']:.4f} of it",
        f"{'residual':12}{values['residual']:.4f} of the norm of what varies over the sphere",
    ]
    if values["axis"]:
        found.append(f"symmetric: any rotation about {_numbers(values['axis'], 4)} gives the same")
    if others:
        found.append(f"symmetric: {len(others)} more are as good, ZYZ angles in degrees")
        found += [f"  {_numbers(r['zyz'], 3)}  {r['correlation']:.4f}" for r in others]
    return found


def _numbers(values, digits):
    return " ".join(f"{value:.{digits}f}" for value in values)
