"""Meshes with fewer faces, for pictures."""

import numpy as np

_CELLS = 512  # per radius, at first


def simplify(mesh, most_faces):
    """Merges nearby vertices of a normalized `Mesh` until it has at most so many faces.

    Vertices in one cell of a cubic grid become their mean. The cells are doubled until the mesh is
    within the limit. Normals of faces are dropped.
    """
    vertices, faces, cells = mesh.vertices, mesh.faces, _CELLS
    while len(faces) > most_faces and cells >= 1:
        keys = np.floor(mesh.vertices * cells).astype(np.int64)
        _, cell_of, count = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
        cell_of = cell_of.ravel()
        sums = [np.bincount(cell_of, mesh.vertices[:, axis]) for axis in range(3)]
        vertices = np.stack(sums, axis=1) / count[:, None]
        faces = np.sort(cell_of[mesh.faces], axis=1)
        faces = faces[(faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2])]
        faces = np.unique(faces, axis=0)
        cells //= 2
    return mesh._replace(vertices=vertices, faces=faces, normals=None)
