"""How commands look at the shapes in files: as signals, or as feature maps of a trained network."""

from typing import NamedTuple

import numpy as np

from spherical_cnn.data.config import Recipe
from spherical_cnn.options import ConfigError
from spherical_cnn.signals.files import MAX_BYTES
from spherical_cnn.signals.raycast import RayCaster
from spherical_cnn.signals.shape import caster_of_file, kind_for, upright
from spherical_cnn.signals.signal import ShapeError
from spherical_cnn.tasks.casting import cast_signals, check_seen, recipe_of
from spherical_cnn.training.metrics import check_finite, outputs_for, outputs_of
from spherical_cnn.training.run import restore
from spherical_cnn.training.run_folder import RunFolder


class Shape(NamedTuple):
    """What rays see of the shape in a file.

    Args:
        path: of the file.
        caster: `RayCaster` of the shape, upright, its center at the origin, its radius 1.
        upright: `(3, 3)`, the rotation from the file's axes to the caster's.
        centre: how its center was found, see `spherical_cnn.signals.normalise`.
    """

    path: str
    caster: RayCaster
    upright: np.ndarray
    centre: str


def read_shape(path, kind="auto", centre="sphere", up="z", limit=MAX_BYTES):
    """The shape in a file.

    Args:
        path: of a file of `spherical_cnn.signals.shape.SUFFIXES`.
        kind: what the file holds, where its suffix leaves a choice.
        centre: see `spherical_cnn.signals.normalise`.
        up: the axis that is up in the file.
        limit: largest file that is read, bytes.

    Returns:
        `Shape`.

    Raises:
        ShapeError: naming the file, if it holds no shape of use.
        OSError: if it cannot be read.
    """
    try:
        caster = caster_of_file(path, kind_for(path, kind), centre, up, limit)
    except ShapeError as error:
        raise ShapeError(f"{path}: {error}") from error
    return Shape(path, caster, upright(up), centre)


class Eye:
    """How shapes are looked at: as signals, or as the feature maps of a layer of a run.

    Args:
        resolution: of the signals, without a run.
        rings: as in `RayCaster.signal`, without a run.
        run: path of a run folder; its own data set says how its signals are cast.
        layer: name of a layer that makes maps, such as `conv1_b0`.
        kind: what the files hold; by default as in the run's data set, without a run `"auto"`.
        up: axis that is up in the files; likewise, without a run `"z"`.

    Raises:
        ConfigError: if only one of run and layer is given, there is no such layer, it makes no
            maps, or there is no such kind or axis.
        RunError: if there is no finished run.
    """

    def __init__(self, resolution=64, rings=1, run=None, layer=None, kind=None, up=None):
        if (run is None) != (layer is None):
            raise ConfigError("--run, --layer: expected both or none")
        given = {"kind": kind, "up": up}
        self.model = self._layer = None
        if run is None:
            known = {name: value for name, value in given.items() if value is not None}
            recipe = Recipe(resolution=resolution, rings=rings, **known)
        else:
            self.model, config = restore(run)
            recipe = recipe_of(RunFolder(run), {**given, "resolution": config.input_res})
            self._layer = outputs_of(self.model, [layer])
            maps = map_layers(self.model)
            if layer not in maps:
                raise ConfigError(f"--layer: {layer} makes no maps; these do: {', '.join(maps)}")
        self.resolution, self.rings, self.reading = recipe.resolution, recipe.rings, recipe.reading

    def read(self, path):
        """`read_shape` of a file."""
        return read_shape(path, **self.reading)

    def signals(self, shapes, rotation=None):
        """Signals of shapes; warns of those that are nearly blank.

        Args:
            shapes: list of `Shape`.
            rotation: as in `cast_signals`.

        Returns:
            `(shapes, resolution, resolution, 2)`.

        Raises:
            ShapeError: naming the file of which no ray sees the shape.
        """
        casters = [shape.caster for shape in shapes]
        signals = cast_signals(casters, self.resolution, self.rings, rotation)
        paths = np.array([shape.path for shape in shapes])
        for path in dict.fromkeys(paths.tolist()):
            check_seen(path, signals[paths == path])
        return signals

    def maps(self, signals):
        """What is seen of signals: `(shapes, n, n, channels)`.

        Raises:
            RunError: if maps of a layer are not finite.
        """
        if self._layer is None:
            return signals
        ((layer, maps),) = outputs_for(self._layer, signals).items()
        check_finite(maps, layer)
        return maps


def map_layers(model):
    """Names of the layers of a model that make maps on the sphere."""
    shapes = {layer.name: layer.output.shape for layer in model.layers}
    return [name for name, shape in shapes.items() if len(shape) == 4 and shape[1] == shape[2] >= 4]
