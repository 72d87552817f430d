import numpy as np
import pytest
import trimesh

from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.formats.mesh import SUFFIXES, read_mesh
from spherical_cnn.shapes.formats.mesh_writing import encode_mesh
from spherical_cnn.shapes.signal import Mesh

BALL = trimesh.creation.icosphere(1)
EXACT = [suffix for suffix in SUFFIXES if suffix != ".stl"]


def ball(scale, shift=0):
    return Mesh(BALL.vertices * scale + shift, np.asarray(BALL.faces))


@pytest.mark.parametrize("suffix", EXACT)
@pytest.mark.parametrize(
    ("scale", "shift"), [(1, 0), (1e-9, 0), (1e9, 0), (1, 1e6), (1e-50, 0), (1e200, 0)]
)
def test_round_trip_is_exact(suffix, scale, shift):
    mesh = ball(scale, shift)
    found = read_mesh(encode_mesh(mesh, f"a{suffix}"), suffix)
    np.testing.assert_array_equal(found.vertices, mesh.vertices)
    np.testing.assert_array_equal(found.faces, mesh.faces)


@pytest.mark.parametrize(("scale", "shift"), [(1, 0), (1e-9, 0), (1e9, 0), (1, 100)])
def test_round_trip_of_stl_keeps_seven_digits(scale, shift):
    mesh = ball(scale, shift)
    data = encode_mesh(mesh, "a.stl")
    found = read_mesh(data, ".stl")
    np.testing.assert_allclose(
        found.vertices[found.faces], mesh.vertices[mesh.faces], rtol=1e-6, atol=1e-7 * scale
    )
    loaded = trimesh.load_mesh(trimesh.util.wrap_as_stream(data), file_type="stl", process=False)
    normals = np.frombuffer(data[84:], [("n", "<f4", 3), ("", "V38")])["n"]
    np.testing.assert_allclose(
        normals,
        ball(1).face_normals() / np.linalg.norm(ball(1).face_normals(), axis=1, keepdims=True),
        atol=1e-5,
    )
    assert len(loaded.faces) == len(mesh.faces)


@pytest.mark.parametrize(("scale", "shift"), [(1e-50, 0), (1e200, 0), (1, 1e6)])
def test_stl_is_refused_if_its_precision_is_too_low(scale, shift):
    with pytest.raises(ShapeError, match="STL holds 7 digits .* choose .off, .obj or .ply"):
        encode_mesh(ball(scale, shift), "a.stl")


@pytest.mark.parametrize("suffix", EXACT)
def test_trimesh_reads_the_written_files(suffix):
    stream = trimesh.util.wrap_as_stream(encode_mesh(ball(1), f"a{suffix}"))
    loaded = trimesh.load_mesh(stream, file_type=suffix[1:], process=False)
    np.testing.assert_allclose(loaded.vertices[loaded.faces], BALL.vertices[BALL.faces])
