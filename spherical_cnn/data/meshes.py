"""Meshes of the shapes of a source, read by several processes."""

from __future__ import annotations

from spherical_cnn.data.sources import reason_of
from spherical_cnn.data.workers import worker_pool
from spherical_cnn.shapes.signal import Mesh

_SHAPES_PER_TASK = 32


def read_meshes(items, config, workers=1):
    """Reads shapes as normalized meshes.

    Args:
        items: list of `Item`.
        config: `DatasetConfig`; says how to read.
        workers: number of processes.

    Yields:
        `(item, mesh)` in the order of the items: `Mesh` with float32 vertices and int32 faces, or
        a text that says why the shape cannot be read.
    """
    starts = range(0, len(items), _SHAPES_PER_TASK)
    tasks = [(items[start : start + _SHAPES_PER_TASK], config.reading) for start in starts]
    with worker_pool(workers, "spherical_cnn.data.sources") as perform_all:
        for (part, _), meshes in perform_all(_read_task, tasks):
            yield from zip(part, meshes, strict=True)


def _read_task(task):
    items, reading = task
    found: list[Mesh | str] = []
    for item in items:
        try:
            mesh = item.origin.mesh(**reading)
        except Exception as error:  # an error of one shape does not stop the others
            found.append(reason_of(error))
        else:
            vertices, faces = mesh.vertices.astype("f4"), mesh.faces.astype("i4")
            found.append(mesh._replace(vertices=vertices, faces=faces))
    return found
