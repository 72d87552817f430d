"""Meshes of the shapes of a source, read by several processes."""

from __future__ import annotations

import dataclasses

from spherical_cnn.data.sources import why_left_out
from spherical_cnn.data.workers import worker_pool
from spherical_cnn.options import ConfigError
from spherical_cnn.signals.signal import Mesh

_READ = 32  # shapes read by a worker at a time


@dataclasses.dataclass(frozen=True)
class Shape:
    """A shape that could be read: its place in the source, its class and its mesh."""

    split: str
    name: str
    label: int
    mesh: Mesh


def read_meshes(labelled, reading, workers, progress):
    """Reads shapes.

    Args:
        labelled: list of `(Item, label)`.
        reading: arguments of `mesh_of_file`.
        workers: processes that read.
        progress: called with the number of shapes read and of all shapes.

    Returns:
        list of `Shape`, and list of `(name, reason)` of those that cannot be read.

    Raises:
        ConfigError: if no shape of a split can be read.
    """
    tasks = [
        ([item for item, _ in labelled[i : i + _READ]], reading)
        for i in range(0, len(labelled), _READ)
    ]
    meshes: list = []
    with worker_pool(workers, "spherical_cnn.data.sources") as perform_all:
        for _, found in perform_all(_meshes, tasks):
            meshes += found
            progress(len(meshes), len(labelled))
    shapes, reasons = [], {}
    for (item, label), mesh in zip(labelled, meshes, strict=True):
        if isinstance(mesh, str):
            reasons[item.name] = mesh
        else:
            shapes.append(Shape(item.split, item.name, label, mesh))
    missing = {item.split for item, _ in labelled} - {shape.split for shape in shapes}
    if missing:
        split = min(missing)
        first = next(item.name for item, _ in labelled if item.split == split)
        raise ConfigError(f"{split}: no shape could be used; the first, {first}: {reasons[first]}")
    return shapes, list(reasons.items())


def _meshes(task):
    """Meshes of items, or why there is none."""
    items, reading = task
    found: list[Mesh | str] = []
    for item in items:
        try:
            mesh = item.origin.mesh(**reading)
        except Exception as error:  # whatever one shape does, the others go on
            found.append(why_left_out(error))
        else:
            vertices, faces = mesh.vertices.astype("f4"), mesh.faces.astype("i4")
            found.append(mesh._replace(vertices=vertices, faces=faces))
    return found
