"""The one way from shapes to signals: items and poses in, signals out.

Embree casts on CPUs, in several processes; the device that trains casts on `keras.ops`. Records,
predictions, evaluation, measurements, pictures and online data all get their signals here.
"""

from __future__ import annotations

import functools
import logging

import numpy as np

from spherical_cnn.console import progress_bar
from spherical_cnn.data.meshes import read_meshes
from spherical_cnn.data.sources import reason_of
from spherical_cnn.data.workers import worker_pool
from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.devicecast import build_casting_model, pack_meshes
from spherical_cnn.shapes.signal import compute_hit_rate, describe_misses, is_blank
from spherical_cnn.sphere.grid import SphericalGrid

logger = logging.getLogger("spherical_cnn")

_SHAPES_PER_TASK = 8  # of a process
_BATCH = 64  # meshes that the device casts at a time


def signals(items, poses, config, *, caster="embree", workers=1):
    """Computes the signals of shapes.

    Args:
        items: list of `Item`.
        poses: list of a list of `Pose` for each item; for the device, of equal lengths.
        config: `DatasetConfig`; says how to read shapes and cast rays.
        caster: `"embree"`, or `"device"` for the device of Keras's backend.
        workers: number of processes that read, and cast by Embree.

    Yields:
        `(item, signals)` in the order of the items: `(poses, n, n, 2)` float32, or a text that says
        why the shape has no signal.
    """
    if caster == "device":
        yield from _signals_by_device(items, poses, config, workers)
        return
    starts = range(0, len(items), 1 if workers == 1 else _SHAPES_PER_TASK)
    tasks = (
        (items[start : start + starts.step], poses[start : start + starts.step], config)
        for start in starts
    )
    with worker_pool(workers, "spherical_cnn.data.signals") as perform_all:
        for (part, *_), found in perform_all(_cast_task, tasks):
            yield from zip(part, found, strict=True)


def cast_poses(ray_caster, poses, config):
    """Computes signals of one shape by Embree.

    Args:
        ray_caster: `RayCaster` of the shape.
        poses: list of `Pose`.
        config: `DatasetConfig`; says the resolution and the rays per sample.

    Returns:
        `(poses, n, n, 2)` float32.
    """
    grid = SphericalGrid.from_resolution(config.resolution)
    return np.stack([ray_caster.signal(grid, pose, config.rays_per_sample) for pose in poses])


def check_visible(name, found):
    """Refuses a shape that rays miss in every pose; warns if they nearly miss it in one.

    Args:
        name: name of the shape.
        found: its signals `(poses, n, n, 2)`.

    Raises:
        ShapeError: naming the shape.
    """
    shares = compute_hit_rate(found)
    missing = describe_misses(shares)
    if is_blank(shares):
        raise ShapeError(f"{name}: {missing}")
    if missing:
        logger.warning(f"{name}: {missing}")


class DeviceCaster:
    """Meshes that the device of Keras's backend casts, as often as asked.

    Args:
        meshes: list of `Mesh`; fastest if neighbors in the list have similar numbers of faces.
        config: `DatasetConfig`; says the resolution and the rays per sample.
    """

    def __init__(self, meshes, config):
        grid = SphericalGrid.from_resolution(config.resolution)
        self._model = _compiled(grid, config.rays_per_sample)
        self._count = len(meshes)
        starts = range(0, len(meshes), _BATCH)
        self._batches = [_packed(meshes[start : start + _BATCH]) for start in starts]

    def signals(self, poses, title="casting"):
        """Computes the signal of each mesh in one pose.

        Args:
            poses: list of `Pose`, one for each mesh.
            title: label of the progress bar.

        Returns:
            `(meshes, n, n, 2)` float32.
        """
        found = []
        bar = progress_bar(total=self._count, desc=title, unit=" shapes", leave=False)
        for number, triangles in enumerate(self._batches):
            batch = poses[number * _BATCH : (number + 1) * _BATCH]
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
    usable = [row for row, (_, mesh) in enumerate(read) if not isinstance(mesh, str)]
    found = {}
    if usable:
        device = DeviceCaster([read[row][1] for row in usable], config)
        copies = zip(*(poses[row] for row in usable), strict=True)
        found = dict(
            zip(usable, np.stack([device.signals(copy) for copy in copies], 1), strict=True)
        )
    for row, (item, mesh) in enumerate(read):
        yield item, found.get(row, mesh)


def _cast_task(task):
    items, poses, config = task
    from spherical_cnn.shapes.raycast import RayCaster  # only here, because it needs Embree

    found: list[np.ndarray | str] = []
    for item, own in zip(items, poses, strict=True):
        try:
            found.append(cast_poses(RayCaster(item.origin.mesh(**config.reading)), own, config))
        except Exception as error:  # an error of one shape does not stop the others
            found.append(reason_of(error))
    return found


def _packed(meshes):
    """`Triangles` padded to powers of two, because the caster is compiled for every size."""
    meshes = _padded(meshes)
    most = max(len(mesh.faces) for mesh in meshes), max(len(mesh.vertices) for mesh in meshes)
    faces, vertices = (1 << (size - 1).bit_length() for size in most)
    return pack_meshes(meshes, vertices, faces)


def _padded(batch):
    """A list of `_BATCH`, the last one repeated."""
    return [*batch, *[batch[-1]] * (_BATCH - len(batch))]
