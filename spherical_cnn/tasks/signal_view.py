"""Shapes in files as signals, or as feature maps of a trained network."""

from typing import NamedTuple

import numpy as np

from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.data.signals import cast_poses, check_visible
from spherical_cnn.errors import ConfigError, ShapeError
from spherical_cnn.nn.outputs import check_finite, feature_extractor, map_layers, predict_dict
from spherical_cnn.shapes.formats.safe_read import MAX_BYTES
from spherical_cnn.shapes.load import UPRIGHT_ROTATIONS, choose_kind, load_mesh
from spherical_cnn.shapes.raycast import RayCaster
from spherical_cnn.shapes.signal import Pose
from spherical_cnn.training.run import load_run


class LoadedShape(NamedTuple):
    """The shape in a file.

    Args:
        path: path of the file.
        ray_caster: `RayCaster` of the shape, upright, its center at the origin, its radius 1.
        upright: `(3, 3)`, the rotation from the file's axes to the ray caster's.
        center: how its center was found, see `spherical_cnn.shapes.normalize`.
    """

    path: str
    ray_caster: RayCaster
    upright: np.ndarray
    center: str


def load_shape(path, kind="auto", center="sphere", up="z", limit=MAX_BYTES):
    """Loads the shape in a file.

    Args:
        path: file with one of the suffixes of `spherical_cnn.shapes.load.SUFFIXES`.
        kind: what the file holds, where its suffix leaves a choice.
        center: see `spherical_cnn.shapes.normalize`.
        up: axis that points up in the file.
        limit: largest size of the file, bytes.

    Returns:
        `LoadedShape`.

    Raises:
        ShapeError: naming the file, if it holds no usable shape.
        OSError: if it cannot be read.
    """
    try:
        mesh = load_mesh(path, choose_kind(path, kind), center, up, limit)
        return LoadedShape(path, RayCaster(mesh), UPRIGHT_ROTATIONS[up], center)
    except ShapeError as error:
        raise ShapeError(f"{path}: {error}") from error


class SignalView:
    """Views of shapes: their signals, or the feature maps of a layer of a run.

    Args:
        resolution: resolution of the signals, without a run.
        rays_per_sample: see `DatasetConfig`, without a run.
        run: path of a run folder; its dataset says how signals are made.
        layer: name of a layer that computes maps, such as `conv1_distance`.
        kind: what the files hold; default: as in the run's dataset, without a run `"auto"`.
        up: axis that points up in the files; default likewise, without a run `"z"`.

    Raises:
        ConfigError: if only one of run and layer is given, there is no such layer, it computes no
            maps, or there is no such kind or axis.
        RunError: if there is no finished run.
    """

    def __init__(self, resolution=64, rays_per_sample=7, run=None, layer=None, kind=None, up=None):
        if (run is None) != (layer is None):
            raise ConfigError("--run, --layer: expected both or none")
        given = {"kind": kind, "up": up}
        self.model = self._extractor = None
        if run is None:
            known = {name: value for name, value in given.items() if value is not None}
            rays = {"rays_per_sample": rays_per_sample}
            self.config = DatasetConfig(resolution=resolution, **rays, **known)
        else:
            loaded = load_run(run)
            self.model = loaded.model
            self.config = loaded.dataset_config(**given, resolution=loaded.config.input_res)
            self._extractor = feature_extractor(self.model, [layer])
            maps = map_layers(self.model)
            if layer not in maps:
                raise ConfigError(f"--layer: {layer} computes no maps; these do: {', '.join(maps)}")

    def load(self, path):
        """Loads the shape in a file; see `load_shape`."""
        return load_shape(path, **self.config.reading)

    def signals(self, shapes, rotations=None):
        """Computes signals of shapes; warns of those that are nearly blank.

        Args:
            shapes: list of `LoadedShape`.
            rotations: `(shapes, 3, 3)`; none by default.

        Returns:
            `(shapes, n, n, 2)`.

        Raises:
            ShapeError: naming the file whose shape no ray meets.
        """
        rotations = [np.eye(3)] * len(shapes) if rotations is None else rotations
        found = np.concatenate(
            [
                cast_poses(shape.ray_caster, [Pose(matrix)], self.config)
                for shape, matrix in zip(shapes, rotations, strict=True)
            ]
        )
        paths = np.array([shape.path for shape in shapes])
        for path in dict.fromkeys(paths.tolist()):
            check_visible(path, found[paths == path])
        return found

    def maps(self, signals):
        """Returns the feature maps of signals, `(shapes, n, n, channels)`, or the signals.

        Raises:
            RunError: if maps of a layer are not finite.
        """
        if self._extractor is None:
            return signals
        ((layer, maps),) = predict_dict(self._extractor, signals).items()
        check_finite(maps, layer)
        return maps
