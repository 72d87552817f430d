"""The rotation between two meshes, by their signals or by what a trained network makes of them."""

import os
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from spherical_cnn.data.flags import ConfigError
from spherical_cnn.experiment.casting import cast_signals
from spherical_cnn.experiment.evaluation import outputs_for, outputs_of
from spherical_cnn.experiment.peaks import all_peaks
from spherical_cnn.experiment.runfolder import RunFolder
from spherical_cnn.experiment.training import restore
from spherical_cnn.signals.files import MAX_BYTES, read_bytes
from spherical_cnn.signals.mesh import SUFFIXES, read_mesh
from spherical_cnn.signals.meshwriting import encoded
from spherical_cnn.signals.normalise import normalised
from spherical_cnn.signals.raycast import RayCaster
from spherical_cnn.signals.signal import Mesh, ShapeError
from spherical_cnn.sphere.rotation import matrix_to_euler


class Shape(NamedTuple):
    """A mesh as its file has it, and what rays see of it.

    Args:
        mesh: `Mesh`, in the file's coordinates.
        caster: `RayCaster` of the mesh, its `centre` at the origin, its `radius` 1.
        centre: `(3,)`.
        radius: float.
    """

    mesh: Mesh
    caster: RayCaster
    centre: np.ndarray
    radius: float


def read_shape(path, centre="sphere", limit=MAX_BYTES):
    """The mesh in a file.

    Args:
        path: of an `.off`, `.obj`, `.ply` or `.stl`.
        centre: see `spherical_cnn.signals.normalise`.
        limit: largest file that is read, bytes.

    Returns:
        `Shape`.

    Raises:
        ShapeError: naming the file, if it holds no mesh of use.
        OSError: if it cannot be read.
    """
    suffix = os.path.splitext(path)[1].lower()
    try:
        if suffix not in SUFFIXES:
            raise ShapeError(f"found suffix {suffix!r}, expected a mesh: {' '.join(SUFFIXES)}")
        mesh = read_mesh(read_bytes(path, limit), suffix)
        small = normalised(mesh, centre)
        caster = RayCaster(small)
    except ShapeError as error:
        raise ShapeError(f"{path}: {error}") from error
    radius = float(np.ptp(mesh.vertices, axis=0).max() / np.ptp(small.vertices, axis=0).max())
    middle = mesh.vertices.mean(0) - radius * small.vertices.mean(0)
    return Shape(mesh, caster, middle, radius)


class Eye:
    """How meshes are looked at: as signals, or as the feature maps of a layer of a run.

    Args:
        resolution: of the signals, without a run.
        rings: as in `RayCaster.signal`, without a run.
        run: path of a run folder; its own data set says how its signals are cast.
        layer: name of a layer that makes maps, such as `conv1_b0`.

    Raises:
        ConfigError: if only one of run and layer is given, there is no such layer, or it makes no
            maps.
        RunError: if there is no finished run.
    """

    def __init__(self, resolution=64, rings=1, run=None, layer=None):
        if (run is None) != (layer is None):
            raise ConfigError("--run, --layer: expected both or none")
        self.resolution, self.rings, self.centre = resolution, rings, "sphere"
        self.model = self._layer = None
        if run is not None:
            self.model, config = restore(run)
            cast = RunFolder(run).read_data()["options"]
            self.resolution = config.input_res
            self.rings, self.centre = cast.get("rings", 0), cast.get("centre", "sphere")
            self._layer = outputs_of(self.model, [layer])
            maps = map_layers(self.model)
            if layer not in maps:
                raise ConfigError(f"--layer: {layer} makes no maps; these do: {', '.join(maps)}")

    def signals(self, casters):
        """`(shapes, resolution, resolution, 2)` of a list of casters."""
        return cast_signals(casters, self.resolution, self.rings)

    def maps(self, signals):
        """What is seen of signals: `(shapes, n, n, channels)`."""
        if self._layer is None:
            return signals
        return next(iter(outputs_for(self._layer, signals).values()))


def map_layers(model):
    """Names of the layers of a model that make maps on the sphere."""
    shapes = {layer.name: layer.output.shape for layer in model.layers}
    return [name for name, shape in shapes.items() if len(shape) == 4 and shape[1] == shape[2] >= 4]


def align_meshes(first, second, eye, share=0.95):
    """The rotations that take one mesh to another, about their centres.

    Args:
        first: `Shape`.
        second: `Shape`.
        eye: `Eye`.
        share: as in `all_peaks`.

    Returns:
        `Peaks`.

    Raises:
        ShapeError: if one looks the same from all sides.
        ImportError: if lie_learn is not installed.
    """
    try:
        seen = eye.maps(eye.signals([first.caster, second.caster]))
        return all_peaks(seen[0], seen[1], share)
    except ValueError as error:
        raise ShapeError(f"a shape looks the same from all sides: {error}") from error


def aligned_copy(first, second, rotation):
    """The first mesh, turned, moved and scaled to where the second one is.

    Args:
        first: `Shape`.
        second: `Shape`.
        rotation: `(3, 3)`.

    Returns:
        `Mesh`.
    """
    unit = (first.mesh.vertices - first.centre) / first.radius
    return first.mesh._replace(vertices=second.radius * unit @ rotation.T + second.centre)


def mesh_bytes(mesh, path):
    """The mesh as bytes of a file of the suffix of `path`."""
    return encoded(mesh, os.path.splitext(path)[1].lower())


def check_outputs(copy, share):
    """Refuses a copy's path of another suffix than a mesh's, and shares outside (0, 1]."""
    if copy and os.path.splitext(copy)[1].lower() not in SUFFIXES:
        raise ConfigError(f"--copy: expected {' '.join(SUFFIXES)}. Received: {copy}")
    if not 0 < share <= 1:
        raise ConfigError(f"--share: expected more than 0, at most 1. Received: {share}")


def to_json(peaks):
    """`Peaks` as JSON values; angles in degrees, quaternions `w x y z`."""
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
    """`Peaks` in words, lines of text."""
    values = to_json(peaks)
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
        found.append(f"symmetric: any turn about {_numbers(values['axis'], 4)} does as well")
    if others:
        found.append(f"symmetric: {others} more do as well, ZYZ angles in degrees")
        found += [
            f"  {_numbers(r['zyz'], 3)}  {r['correlation']:.4f}" for r in values["rotations"][1:]
        ]
    return found


def _numbers(values, digits):
    return " ".join(f"{value:.{digits}f}" for value in values)
