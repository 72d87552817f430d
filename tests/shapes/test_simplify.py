"""Meshes with fewer faces: the same surface, coarser."""

import numpy as np
import pytest
from helpers import box

from spherical_cnn.shapes.signal import Mesh
from spherical_cnn.shapes.simplify import simplify


def ball(subdivisions):
    import trimesh

    sphere = trimesh.creation.icosphere(subdivisions)
    return Mesh(np.array(sphere.vertices), np.array(sphere.faces))


def test_a_small_mesh_keeps_its_faces():
    mesh = Mesh(*box())
    found = simplify(mesh, 12)
    np.testing.assert_array_equal(found.vertices, mesh.vertices)
    np.testing.assert_array_equal(found.faces, mesh.faces)


@pytest.mark.parametrize("most", [2000, 300])
def test_a_large_mesh_has_fewer_faces_on_the_same_surface(most):
    found = simplify(ball(4), most)
    assert most / 8 < len(found.faces) <= most < 5120
    radius = np.linalg.norm(found.vertices[found.faces], axis=-1)
    np.testing.assert_allclose(radius, 1, atol=0.1)
    area = np.linalg.norm(found.face_normals(), axis=1).sum() / 2
    np.testing.assert_allclose(area, 4 * np.pi, rtol=0.1)


def test_no_face_is_a_line_or_stored_twice():
    faces = simplify(ball(4), 500).faces
    assert (np.diff(np.sort(faces, axis=1), axis=1) > 0).all()
    assert len(np.unique(faces, axis=0)) == len(faces)
