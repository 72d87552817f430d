"""Shapes in files as signals, or as feature maps of a trained network."""

from typing import NamedTuple

from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.data.signals import cast_poses, check_visible
from spherical_cnn.errors import ConfigError, ShapeError
from spherical_cnn.nn.outputs import check_finite, feature_extractor, map_grids, predict_dict
from spherical_cnn.shapes.load import UPRIGHT_ROTATIONS, choose_kind, load_mesh
from spherical_cnn.shapes.raycast import RayCaster
from spherical_cnn.shapes.signal import Pose
from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.sphere.operations import full_float32
from spherical_cnn.training.run import dataset_config_of, load_run


class LoadedShape(NamedTuple):
    """The shape in a file; the ray caster holds it upright, centered and scaled to radius 1."""

    path: str
    ray_caster: RayCaster


class SignalView:
    """Views of shapes: their signals, or the feature maps of a layer of a run.

    Args:
        resolution, rays_per_sample: see `DatasetConfig`; unused with a run.
        run: run folder; its dataset says how signals are made.
        layer: name of a layer that computes maps, such as `conv1_distance`.
        kind, up: see `DatasetConfig`; the defaults are those of the run's dataset.

    Attributes:
        config: `DatasetConfig` of the signals.
        model: network of the run, or `None`.
        grid: grid of the signals, or of the layer's maps.
        upright: `(3, 3)`, the rotation from the axes of the files to those of the signals.

    Raises:
        ConfigError: if only one of run and layer is given, or the layer computes no maps.
    """

    def __init__(self, resolution=64, rays_per_sample=7, run=None, layer=None, kind=None, up=None):
        if (run is None) != (layer is None):
            raise ConfigError("--run, --layer: expected both or none")
        given = {"kind": kind, "up": up}
        self.model = self._extractor = None
        if run is None:
            given |= {"resolution": resolution, "rays_per_sample": rays_per_sample}
            known = {name: value for name, value in given.items() if value is not None}
            self.config = DatasetConfig(**known)
            self.grid = SphericalGrid.from_resolution(self.config.resolution)
        else:
            loaded = load_run(run)
            self.model = loaded.model
            self.config = dataset_config_of(
                loaded.folder, **given, resolution=loaded.config.input_res
            )
            self._extractor = feature_extractor(self.model, [layer])
            grids = map_grids(self.model)
            if layer not in grids:
                raise ConfigError(
                    f"--layer: {layer} computes no maps; these do: {', '.join(grids)}"
                )
            self.grid = grids[layer]
        self.upright = UPRIGHT_ROTATIONS[self.config.up]

    def load(self, path):
        """Loads the shape in a file as a `LoadedShape`.

        Raises:
            ShapeError: naming the file, if it holds no usable shape.
        """
        reading = {**self.config.reading, "kind": choose_kind(path, self.config.kind)}
        try:
            return LoadedShape(path, RayCaster(load_mesh(path, **reading)))
        except ShapeError as error:
            raise ShapeError(f"{path}: {error}") from error

    def signals(self, shape, rotations=None):
        """Computes signals `(rotations, n, n, 2)` of a `LoadedShape`, by default unrotated.

        Raises:
            ShapeError: naming the file, if no ray meets the shape.
        """
        poses = [Pose()] if rotations is None else [Pose(matrix) for matrix in rotations]
        found = cast_poses(shape.ray_caster, poses, self.config)
        check_visible(shape.path, found)
        return found

    def maps(self, signals):
        """Returns the feature maps of signals, `(signals, *grid.shape, channels)`, or the signals.

        Raises:
            RunError: if maps of a layer are not finite.
        """
        if self._extractor is None:
            return signals
        with full_float32():
            ((layer, maps),) = predict_dict(self._extractor, signals).items()
        check_finite(maps, layer)
        return maps
