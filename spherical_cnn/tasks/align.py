"""Finds the rotation between two shapes, by their signals or by a network's feature maps."""

import os

import numpy as np
from scipy.spatial.transform import Rotation

from spherical_cnn.errors import ConfigError, ShapeError
from spherical_cnn.shapes.formats.mesh import SUFFIXES, read_mesh
from spherical_cnn.shapes.formats.mesh_writing import encode_mesh
from spherical_cnn.shapes.formats.safe_read import read_bytes
from spherical_cnn.shapes.load import choose_kind
from spherical_cnn.shapes.normalize import normalize
from spherical_cnn.shapes.signal import Mesh
from spherical_cnn.sphere.alignment import UnalignableError
from spherical_cnn.sphere.rotation import matrix_to_euler
from spherical_cnn.sphere.symmetry import symmetry_rotations


def align_shapes(first, second, view, threshold=0.95):
    """Finds the rotations that take one shape to another, about their centers, in the files' axes.

    Args:
        first: `spherical_cnn.tasks.signal_view.LoadedShape`.
        second: `LoadedShape` with the same up axis.
        view: `SignalView`.
        threshold: as in `symmetry_rotations`.

    Returns:
        `SymmetryRotations`.

    Raises:
        ShapeError: naming the file whose shape no ray meets, or whose shape looks the same from all
            sides.
        RunError: if maps of a layer are not finite.
    """
    shapes = {"a": first, "b": second}
    of_first, of_second = view.maps(view.signals([first, second]))
    try:
        peaks = symmetry_rotations(of_first, of_second, threshold)
    except UnalignableError as error:
        raise ShapeError(
            f"{shapes[error.which].path}: looks the same from all sides, like a ball, so every "
            "rotation aligns it; expected a shape that varies over the sphere"
        ) from error
    upright = first.upright
    axis = None if peaks.axis is None else peaks.axis @ upright
    return peaks._replace(rotations=upright.T @ peaks.rotations @ upright, axis=axis)


def aligned_copy(first, second, rotation):
    """Returns the mesh in the first file, rotated, moved and scaled onto the second one.

    Args:
        first: `LoadedShape`.
        second: `LoadedShape`.
        rotation: `(3, 3)`, in the files' axes.

    Returns:
        `Mesh`.

    Raises:
        ShapeError, OSError: if a file is no mesh, or has changed since it was read.
    """
    mesh, _ = _normalized_mesh(first)
    _, placement = _normalized_mesh(second)
    vertices = placement.radius * mesh.vertices @ rotation.T + placement.center
    return Mesh(vertices, mesh.faces)


def _normalized_mesh(shape):
    """A mesh in its file's axes, normalized, and its `Placement`."""
    try:
        suffix = os.path.splitext(shape.path)[1].lower()
        return normalize(read_mesh(read_bytes(shape.path), suffix), shape.center)
    except ShapeError as error:
        raise ShapeError(f"{shape.path}: {error}") from error


def mesh_bytes(mesh, path):
    """Returns the mesh as bytes of a file with the suffix of `path`."""
    return encode_mesh(mesh, os.path.splitext(path)[1].lower())


def check_outputs(copy, threshold, paths, kind="auto"):
    """Checks that a copy is possible, and that the threshold is in (0, 1].

    Args:
        copy: path of the aligned copy, or `None`.
        threshold: as in `symmetry_rotations`.
        paths: paths of the shapes.
        kind: as in `load_shape`.

    Raises:
        ConfigError: naming the flag.
    """
    if copy and os.path.splitext(copy)[1].lower() not in SUFFIXES:
        raise ConfigError(f"--copy: expected {' '.join(SUFFIXES)}. Received: {copy}")
    for path in paths if copy else ():
        is_mesh = os.path.splitext(path)[1].lower() in SUFFIXES
        if not is_mesh or choose_kind(path, kind) not in ("auto", "mesh"):
            raise ConfigError(
                f"--copy: only meshes have copies, expected {' '.join(SUFFIXES)} with faces. "
                f"Received: {path}; the rotation alone needs no --copy"
            )
    if not 0 < threshold <= 1:
        raise ConfigError(f"--threshold: expected more than 0, at most 1. Received: {threshold}")


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
    best = values["rotations"][0]
    rows = [" ".join(f"{x:10.6f}" for x in row) for row in best["matrix"]]
    found = [
        *(f"{title:12}{row}" for title, row in zip(("rotation", "", ""), rows, strict=True)),
        f"{'ZYZ angles':12}{_numbers(best['zyz'], 3)} degrees",
        f"{'quaternion':12}{_numbers(best['quaternion'], 6)} (w x y z)",
        f"{'correlation':12}{best['correlation']:.4f}, next best {values['runner_up']:.4f} of it",
        f"{'residual':12}{values['residual']:.4f} of the norm of what varies over the sphere",
    ]
    others = len(values["rotations"]) - 1
    if values["axis"]:
        found.append(f"symmetric: any rotation about {_numbers(values['axis'], 4)} gives the same")
    if others:
        found.append(f"symmetric: {others} more are as good, ZYZ angles in degrees")
        found += [
            f"  {_numbers(r['zyz'], 3)}  {r['correlation']:.4f}" for r in values["rotations"][1:]
        ]
    return found


def _numbers(values, digits):
    return " ".join(f"{value:.{digits}f}" for value in values)
