"""Shapes in memory and in files to signals, in one call."""

import numpy as np
import pytest
import trimesh
from helpers import DISTANCE, GRAZING, box, channels, icosphere, write_off

from spherical_cnn import shapes_to_signals
from spherical_cnn.errors import ConfigError, ShapeError
from spherical_cnn.shapes.signal import Mesh
from spherical_cnn.sphere.rotation import euler_to_matrix

pytest.importorskip("embreex")
SIDES = (1, 0.6, 0.3)
ROTATION = euler_to_matrix([0.4, 1.9, -2.2])


def assert_same(found, expected):
    """But for rays that meet another face at an edge."""
    for one, other in zip(channels(found), channels(expected), strict=True):
        assert np.mean(np.abs(one - other) > 2e-3) < GRAZING
        assert np.median(np.abs(one - other)) < DISTANCE


def test_all_forms_of_a_mesh_have_one_signal(tmp_path):
    vertices, faces = box(SIDES)
    write_off(tmp_path / "box.off", vertices, faces)
    forms = [
        str(tmp_path / "box.off"),
        tmp_path / "box.off",
        trimesh.Trimesh(vertices, faces),
        Mesh(vertices, faces),
        (vertices, faces),
        (vertices.tolist(), faces.tolist()),
        ((7 + 1e3 * vertices).astype("float32"), faces.astype("uint8")),
    ]
    found = shapes_to_signals(forms, resolution=16)
    assert found.shape == (7, 16, 16, 2) and found.dtype == "float32"
    for one in found[1:]:
        assert_same(one, found[0])
    np.testing.assert_allclose(found[0, 0, 0], [0.3 / np.linalg.norm(SIDES), 0], atol=1e-4)


def test_arrays_of_points_and_voxels(rng):
    points = rng.normal(size=(2, 600, 3))
    points /= np.linalg.norm(points, axis=-1, keepdims=True)
    cells = np.zeros((12, 12, 12), bool)
    cells[2:10, 2:10, 2:10] = True
    forms = [points[0], (points[0], points[0]), trimesh.PointCloud(points[0]), cells]
    found = shapes_to_signals(forms, resolution=16)
    np.testing.assert_allclose(found[:3, ..., 0], 1, atol=0.08)
    np.testing.assert_allclose(found[3, 8, 0, 0], 1 / np.sqrt(3), atol=0.08)  # its corners are cut
    stacked = shapes_to_signals(points, resolution=16)
    np.testing.assert_array_equal(stacked[0], found[0])
    as_points = shapes_to_signals([trimesh.Trimesh(*icosphere())], resolution=8)
    np.testing.assert_allclose(as_points[..., 0], 1, atol=0.02)


def test_rotations_are_random_by_seed_or_given():
    shapes = [box(SIDES)] * 3
    start = shapes_to_signals(shapes, resolution=16)
    turned = shapes_to_signals(shapes, "so3", resolution=16)
    again = shapes_to_signals(shapes[:2], "so3", resolution=16)
    other = shapes_to_signals(shapes, "so3", resolution=16, data_seed=1)
    np.testing.assert_array_equal(turned[:2], again)
    for one in (start, other, turned[[1, 2, 0]]):
        assert np.abs(turned - one).mean() > 0.01
    about_z = shapes_to_signals(shapes, "z", resolution=16)
    assert_same(about_z[:, 0], start[:, 0])
    rotated = [(vertices @ ROTATION.T, faces) for vertices, faces in shapes]
    expected = shapes_to_signals(rotated, resolution=16)
    for given in (ROTATION, np.stack([ROTATION] * 3)):
        assert_same(shapes_to_signals(shapes, given, resolution=16), expected)


def test_options_of_datasets_apply(tmp_path):
    vertices, faces = box(SIDES)
    upright = shapes_to_signals([(vertices, faces)], resolution=16)
    on_its_side = (np.roll(vertices, 1, axis=1), faces)  # its x is up
    found = shapes_to_signals([on_its_side], up="x", resolution=16)
    assert_same(found, upright)
    smooth = shapes_to_signals([(vertices, faces)], resolution=16, rays_per_sample=7)
    assert 0 < np.abs(smooth - upright).mean() < 0.1


@pytest.mark.slow
def test_the_device_and_several_processes_cast_the_same():
    shapes = [box(SIDES), box((1, 1, 1))] * 5
    expected = shapes_to_signals(shapes, "so3", resolution=16)
    assert_same(shapes_to_signals(shapes, "so3", resolution=16, caster="device"), expected)
    found = shapes_to_signals(shapes, "so3", resolution=16, workers=2)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ((box(),), {}, "shapes: expected a list. Received: tuple"),
        (["a.off"], {"copies": 2}, "copies: expected one of center, .*up"),
        (["a.off"], {"resolution": 7}, "--resolution: expected an even number. Received: 7"),
        (["a.off"], {"rotation": "y"}, "--rotation: expected none or z or so3. Received: 'y'"),
        ([box()], {"rotation": np.eye(2)}, r"\(3, 3\) or \(1, 3, 3\). Received: shape=\(2, 2\)"),
        ([box()], {"rotation": -np.eye(3)}, "expected rotation matrices. Received: a reflection"),
        ([box()], {"rotation": 2 * np.eye(3)}, "expected rotation matrices. .* R Rᵀ - 1 .* 3"),
    ],
)
def test_wrong_arguments_are_refused(given, options, message):
    with pytest.raises(ConfigError, match=message):
        shapes_to_signals(given, **options)


def test_the_shape_without_a_signal_is_named(tmp_path):
    vertices, faces = box()
    good = (vertices, faces)
    for bad, message in (
        (
            object(),
            "expected a path, .* or an array of voxels or points. Received: obj",
        ),
        ((vertices, faces + 1), "faces name vertices 1 … 8, expected 0 … 7"),
        (
            (vertices, faces[:, :2]),
            r"faces must be \(n, 3\) integers. Received: \(12, 2",
        ),
        (
            (vertices[:, :2], faces),
            r"vertices must be \(n, 3\) numbers. Received: \(8, 2",
        ),
        (np.zeros((4, 4, 4)), "empty: none of 4 × 4 × 4 cells is occupied"),
        (np.zeros((5, 4)), r"array of shape \(5, 4\), float64; expected"),
        ((vertices * [1, 1, 0], faces), "blank: at most"),
    ):
        with pytest.raises(ShapeError, match=rf"shape 1 \(from 0\): {message}"):
            shapes_to_signals([good, bad], resolution=8)
    with pytest.raises(ShapeError, match="/absent.off: No such file"):
        shapes_to_signals([good, tmp_path / "absent.off"], resolution=8)
    with pytest.raises(
        ShapeError, match="shape 0 .from 0.: a mesh, expected kind mesh. Received: points"
    ):
        shapes_to_signals([good], kind="points")
