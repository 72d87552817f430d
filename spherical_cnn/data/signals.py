"""The one way from shapes to what networks read: items and poses in, signals or points out.

Embree casts on CPUs, in several processes; the device that trains casts on `keras.ops`. Records,
predictions, evaluation, measurements, pictures and online data all get their signals here.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import os

import numpy as np

from spherical_cnn.choices import ROTATIONS
from spherical_cnn.console import progress_bar
from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.data.poses import add_views, draw_poses, drop_points, rng
from spherical_cnn.data.sources import FileOrigin, Item, MemoryOrigin, read_meshes
from spherical_cnn.data.workers import map_shapes
from spherical_cnn.errors import ConfigError, ShapeError, explain_import
from spherical_cnn.shapes.devicecast import build_casting_model, pack_meshes
from spherical_cnn.shapes.load import to_mesh
from spherical_cnn.shapes.sampling import sample_shape
from spherical_cnn.shapes.signal import compute_hit_rate, describe_misses, is_blank
from spherical_cnn.sphere.grid import SphericalGrid

logger = logging.getLogger("spherical_cnn")

_BATCH = 64  # meshes that the device casts at a time
_CASTING = {
    *("resolution", "rays_per_sample", "center", "up", "kind", "max_file_mb"),
    *("scale_range", "shift_range", "data_seed"),
}


def signals(items, poses, config, *, caster="embree", workers=1, views=1):
    """Computes the signals of shapes.

    Args:
        items: list of `Item`.
        poses: list of a list of `Pose` for each item; for the device, of equal lengths.
        config: `DatasetConfig`; says how to read shapes and cast rays.
        caster: `"embree"`, or `"device"` for the device of Keras's backend.
        workers: number of processes that read, and cast by Embree.
        views: number of views of each pose, see `add_views`; the first is the pose itself.

    Yields:
        `(item, signals)` in the order of the items: `(poses · views, n, n, 2)` float32, or a text
        that says why the shape has no signal.
    """
    poses = [add_views(own, views, config, i.name) for i, own in zip(items, poses, strict=True)]
    if caster == "device":
        yield from _signals_by_device(items, poses, config, workers)
    else:
        shapes = [(item.origin, own, config) for item, own in zip(items, poses, strict=True)]
        yield from zip(items, map_shapes(_cast, shapes, workers, 8), strict=True)


def shapes_to_signals(shapes, rotation="none", *, caster="embree", workers=1, **options):
    """Computes the signals of shapes in memory or in files, one of each.

    Args:
        shapes: list of paths of files; of objects with `vertices` and `faces`, such as those of
            trimesh; of pairs `(vertices, faces)`, or `(points, normals)`; of arrays of points
            `(n, 3)` or voxels `(a, b, c)`; or an array that holds such arrays in its first axis.
        rotation: `"none"`; `"z"` or `"so3"`, a random one of each shape, which depends on
            `data_seed` and the place in the list; or rotation matrices, `(3, 3)` or
            `(shapes, 3, 3)`.
        caster: see `signals`.
        workers: see `signals`; with several, the main module must be importable.
        **options: fields of `DatasetConfig`: `resolution` (64), `rays_per_sample` (1), `center`,
            `up`, `kind`, `max_file_mb`, `scale_range`, `shift_range`, `data_seed`.

    Returns:
        `(shapes, n, n, 2)` float32, of resolution `n`: length of each ray, sine of its angle to the
        surface normal.

    Raises:
        ConfigError: if an option is invalid or has no effect.
        ShapeError: naming the first shape without a signal.
    """
    if not isinstance(shapes, list | np.ndarray):
        raise ConfigError(f"shapes: expected a list. Received: {type(shapes).__name__}")
    if unknown := sorted(set(options) - _CASTING):
        raise ConfigError(f"{unknown[0]}: expected one of {', '.join(sorted(_CASTING))}")
    kind = rotation if isinstance(rotation, str) else "none"
    config = DatasetConfig(rotation=kind, **options)
    items = [_item(index, given) for index, given in enumerate(shapes)]
    poses = [draw_poses(config, "train", index)[0] for index in range(len(items))]
    if not isinstance(rotation, str):
        matrices = zip(poses, _checked_rotations(rotation, len(items)), strict=True)
        poses = [dataclasses.replace(pose, rotation=matrix) for pose, matrix in matrices]
    own = [[pose] for pose in poses]
    found = np.zeros((len(items), config.resolution, config.resolution, 2), np.float32)
    try:
        computed = signals(items, own, config, caster=caster, workers=workers)
        for row, (item, of_item) in zip(found, computed, strict=True):
            if isinstance(of_item, str):
                raise ShapeError(f"{item.name}: {of_item}")
            check_visible(item.name, of_item)
            row[:] = of_item[0]
    except ImportError as error:
        raise ImportError(explain_import(error), name=error.name) from error
    return found


def _item(index, given):
    if isinstance(given, str | os.PathLike):
        return Item("train", "", os.fspath(given), FileOrigin(os.fspath(given)))
    return Item("train", "", f"shape {index} (from 0)", MemoryOrigin(given))


def _checked_rotations(matrices, count):
    matrices = np.asarray(matrices, np.float64)
    if matrices.shape not in ((3, 3), (count, 3, 3)):
        raise ConfigError(
            f"rotation: expected one of {', '.join(ROTATIONS)}, or matrices (3, 3) or "
            f"({count}, 3, 3). Received: shape={matrices.shape}"
        )
    off = np.abs(matrices @ matrices.swapaxes(-1, -2) - np.eye(3)).max(initial=0)
    if off > 1e-5 or (np.linalg.det(matrices) < 0).any():
        found = f"one whose R Rᵀ - 1 has the entry {off:.2g}" if off > 1e-5 else "a reflection"
        raise ConfigError(f"rotation: expected rotation matrices. Received: {found}")
    return np.broadcast_to(matrices, (count, 3, 3))


def clouds(items, poses, config, size, *, workers=1, views=1):
    """Samples the points of shapes.

    Args:
        items: list of `Item`.
        poses: list of a list of `Pose` for each item.
        config: `DatasetConfig`; says how to read shapes, and the number of points.
        size: number of rows; those after the points are NaN.
        workers: number of processes that read.
        views: see `signals`; all but the first also lose points.

    Yields:
        `(item, points)` in the order of the items: `(poses · views, size, 3)` float32, or a text
        that says why the shape has no points.
    """
    poses = [add_views(own, views, config, i.name) for i, own in zip(items, poses, strict=True)]
    shapes = [(item, own, config, size, views) for item, own in zip(items, poses, strict=True)]
    yield from zip(items, map_shapes(_sample, shapes, workers, 8), strict=True)


def sample_item(item, count, config):
    """Returns at most `count` points of an `Item`; which ones depends on its name and the seed."""
    generator = rng(config.data_seed, "points", item.name)
    return sample_shape(item.origin.shape(**config.reading), count, generator)


def ray_caster(origin, config):
    """Returns the `RayCaster` of the shape of an `Item`'s origin, as a `DatasetConfig` reads it."""
    from spherical_cnn.shapes.raycast import RayCaster  # only here, because it needs Embree

    return RayCaster(to_mesh(origin.shape(**config.reading)))


def cast_poses(caster, poses, config):
    """Computes the signals `(poses, n, n, 2)` of the shape of a `RayCaster` by Embree."""
    grid = SphericalGrid.from_resolution(config.resolution)
    return np.stack([caster.signal(grid, pose, config.rays_per_sample) for pose in poses])


def check_visible(name, signals):
    """Refuses a shape that rays miss in every pose; warns if they nearly miss it in one."""
    shares = compute_hit_rate(signals)
    missing = describe_misses(shares)
    if is_blank(shares):
        raise ShapeError(f"{name}: {missing}")
    if missing:
        logger.warning(f"{name}: {missing}")


class DeviceCaster:
    """Meshes that the device of Keras's backend casts, as often as asked.

    It is fastest if neighbors in the list of meshes have similar numbers of faces.
    """

    def __init__(self, meshes, config):
        grid = SphericalGrid.from_resolution(config.resolution)
        self._model = _compiled(grid, config.rays_per_sample)
        self._count = len(meshes)
        starts = range(0, len(meshes), _BATCH)
        self._batches = {start: _packed(meshes[start : start + _BATCH]) for start in starts}

    def signals(self, poses, title="casting"):
        """Computes the signals `(meshes, n, n, 2)` float32, of each mesh in a `Pose` of its own."""
        found = []
        bar = progress_bar(total=self._count, desc=title, unit=" shapes", leave=False)
        for start, triangles in self._batches.items():
            batch = poses[start : start + _BATCH]
            posed = [
                np.array([getattr(pose, name) for pose in _padded(batch)], np.float32)
                for name in ("matrix", "center")
            ]
            found.append(np.asarray(self._model.predict_on_batch([*triangles, *posed])))
            bar.update(len(batch))
        bar.close()
        return np.concatenate(found)[: self._count]


_compiled = functools.lru_cache(maxsize=2)(build_casting_model)


def _signals_by_device(items, poses, config, workers):
    read = list(read_meshes(items, config, workers))
    usable = [
        (mesh, own) for (_, mesh), own in zip(read, poses, strict=True) if not isinstance(mesh, str)
    ]
    if usable:
        meshes, poses = zip(*usable, strict=True)
        device = DeviceCaster(meshes, config)
        found = iter(np.stack([device.signals(copy) for copy in zip(*poses, strict=True)], 1))
    for item, mesh in read:
        yield item, mesh if isinstance(mesh, str) else next(found)


def _cast(origin, poses, config):
    return cast_poses(ray_caster(origin, config), poses, config)


def _sample(item, poses, config, size, views):
    points = np.full((size, 3), np.nan)
    found = sample_item(item, config.num_points, config)
    points[: len(found)] = found
    posed = np.stack([pose.apply(points) for pose in poses]).astype(np.float32)
    generator = rng(config.data_seed, "dropped", item.name)
    return posed if views == 1 else drop_points(posed, config, generator, slice(None, None, views))


def _packed(meshes):
    """`Triangles` padded to powers of two, because the caster is compiled for every size."""
    meshes = _padded(meshes)
    most = max(len(mesh.faces) for mesh in meshes), max(len(mesh.vertices) for mesh in meshes)
    faces, vertices = (1 << (size - 1).bit_length() for size in most)
    return pack_meshes(meshes, vertices, faces)


def _padded(batch):
    """A list of `_BATCH`, the last one repeated."""
    return [*batch, *[batch[-1]] * (_BATCH - len(batch))]
