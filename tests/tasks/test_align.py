"""`scnn align`: two shapes, compared by their signals or by a network's feature maps."""

import json
import re

import numpy as np
import pytest
import trimesh
from helpers import assert_fails
from scipy.spatial.transform import Rotation

from spherical_cnn.cli import dispatch
from spherical_cnn.data import signals as shape_signals
from spherical_cnn.shapes.formats.mesh_writing import encode_mesh
from spherical_cnn.shapes.generated import primitives
from spherical_cnn.shapes.generated.procedural import draw_mesh
from spherical_cnn.tasks.align import align_shapes, lines
from spherical_cnn.tasks.signal_view import SignalView

ROTATION = Rotation.from_euler("ZYZ", [40, 70, -100], degrees=True)


@pytest.fixture
def pair(tmp_path):
    """Two files: a shape, and the shape rotated, doubled and moved."""
    mesh = draw_mesh("train", 3, 0)
    wedge = mesh._replace(
        vertices=mesh.vertices * [1, 0.7, 0.5] + 0.2 * mesh.vertices[:, [1, 2, 0]]
    )
    moved = wedge._replace(vertices=2 * ROTATION.apply(wedge.vertices) + [1, 2, 3])
    paths = [tmp_path / "first.off", tmp_path / "second.ply"]
    for path, shape in zip(paths, (wedge, moved), strict=True):
        path.write_bytes(encode_mesh(shape, path))
    return [str(path) for path in paths]


def test_the_rotation_of_a_mesh_is_found_and_its_copy_lies_on_it(pair, tmp_path, capsys):
    outputs = {name: tmp_path / name for name in ("copy.stl", "both.png")}
    copy, png = map(str, outputs.values())
    dispatch(["align", *pair, "--json"])
    found = json.loads(capsys.readouterr().out)
    dispatch(["align", *pair, "--copy", copy, "--picture", png])
    best = found["rotations"][0]
    error = Rotation.from_matrix(best["matrix"]) * ROTATION.inv()
    assert np.degrees(error.magnitude()) < 0.5
    for other in (
        Rotation.from_euler("ZYZ", best["zyz"], degrees=True),
        Rotation.from_quat(np.roll(best["quaternion"], -1)),
    ):
        np.testing.assert_allclose(other.as_matrix(), best["matrix"], atol=1e-9)
    printed = capsys.readouterr().out
    assert f"correlation {best['correlation']:.4f}" in re.sub(" +", " ", printed)
    moved, second = (trimesh.load_mesh(path, process=False).vertices for path in (copy, pair[1]))
    distances = np.linalg.norm(moved[:, None] - second, axis=-1)
    assert distances.min(axis=1).max() < 0.02 * np.linalg.norm(np.ptp(second, axis=0))
    assert outputs["both.png"].read_bytes().startswith(b"\x89PNG")


def test_all_rotations_of_a_symmetric_shape_are_printed(tmp_path):
    path = tmp_path / "box.off"
    path.write_bytes(encode_mesh(primitives.box([0, 0, 0], [1.0, 0.6, 0.3]), path))
    view = SignalView(32)
    shape = view.load(str(path))
    peaks = align_shapes(shape, shape, view)
    assert len(peaks.rotations) == 4 and peaks.axis is None
    assert "symmetric: 3 more are as good, ZYZ angles in degrees" in lines(peaks)


def test_feature_maps_align_too(pair, finished, capsys):
    folder = str(finished[0])
    dispatch(["align", *pair, "--run", folder, "--layer", "conv0_incidence", "--threshold", "1"])
    assert "quaternion" in capsys.readouterr().out
    for layer, message in (
        ("conv9_distance", "no layer conv9_distance; there are: signal, .*conv0_distance.*"),
        (
            "logits",
            "--layer: logits computes no maps; these do: signal, .*conv0_distance.*",
        ),
    ):
        assert_fails(capsys, 2, message, "align", [*pair, "--run", folder, "--layer", layer])


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--layer=conv0_distance"], 2, "--run, --layer: expected both or none"),
        (["--copy=a.txt"], 2, "--copy: expected .off .obj .ply .stl. Received: a.txt"),
        (["--threshold=2"], 2, "--threshold: expected more than 0, at most 1. Received: 2.0"),
        (["--run=/absent", "--layer=x"], 1, "/absent/config.json: not found.*"),
    ],
)
def test_bad_flags_are_refused(pair, capsys, flags, code, message):
    assert_fails(capsys, code, message, "align", [*pair, *flags])


def test_bad_files_are_named(pair, tmp_path, capsys):
    broken = tmp_path / "broken.off"
    broken.write_text("OFF\n1 2 3\n")
    cloud = tmp_path / "cloud.xyz"
    cloud.write_text("1 2 3\n4 5 6\n")
    notes = tmp_path / "notes.md"
    notes.touch()
    for path, message in (
        (broken, ".*broken.off: not a readable .off file: 1 vertices, 2 faces announced, .*"),
        (cloud, ".*cloud.xyz: a point cloud needs 64 distinct points. Received: 2"),
        (notes, ".*notes.md: found suffix '.md', expected .*.off.*"),
        (tmp_path / "absent.off", ".*No such file.*absent.off.*"),
    ):
        assert_fails(capsys, 1, message, "align", [pair[0], str(path)])


def write_off(path, vertices, faces):
    path.write_bytes(encode_mesh(trimesh.Trimesh(vertices, faces, process=False), path))
    return str(path)


def sheet():
    """Flat, its center in its plane but for rounding."""
    corners = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    return ROTATION.apply(corners) + 7, np.array([[0, 1, 2], [0, 2, 3]])


@pytest.mark.parametrize("place", [0, 1])
def test_the_shape_that_cannot_be_aligned_is_named(pair, tmp_path, capsys, monkeypatch, place):
    argv = pair[:1]
    argv.insert(place, write_off(tmp_path / "odd.off", *sheet()))
    message = ".*odd.off: blank: at most 0.0.% of the rays.*"
    assert_fails(capsys, 1, message, "align", [*argv, "--resolution=16"])

    def maps(self, signals):
        signals[place] = 1
        return signals

    monkeypatch.setattr(SignalView, "maps", maps)
    message = f".*{('first.off', 'second.ply')[place]}: looks the same from all sides.*"
    assert_fails(capsys, 1, message, "align", [*pair, "--resolution=16"])


def test_a_nearly_blank_shape_is_aligned_with_a_warning(pair, tmp_path, monkeypatch):
    warnings: list[str] = []
    monkeypatch.setattr(shape_signals.logger, "warning", warnings.append)
    box = primitives.box([0, 0, 0], [0.06, 0.06, 0.06])
    parts = np.concatenate([box.vertices + [0.3, 0.7, 0.2], box.vertices - [0.3, 0.7, 0.2]])
    faces = np.concatenate([box.faces, box.faces + len(box.vertices)])
    path = write_off(tmp_path / "parts.off", parts, faces)
    dispatch(["align", pair[0], path, "--resolution=32"])
    (line,) = warnings
    assert re.match(r".*parts.off: nearly blank: 0.\d\d% of the rays", line)


def test_points_and_voxels_are_aligned(tmp_path, capsys, rng):
    points = rng.normal(size=(400, 3)) * [1, 0.6, 0.3] + rng.normal(size=3)
    points[:100] += [1, 0.3, 0]
    trimesh.PointCloud(points).export(tmp_path / "cloud.ply")
    np.save(tmp_path / "moved.npy", 3 * ROTATION.apply(points))
    argv = [str(tmp_path / name) for name in ("cloud.ply", "moved.npy")]
    message = ".*cloud.ply: no faces, 400 vertices; .*kind points"
    assert_fails(capsys, 1, message, "align", argv)
    for up in ("z", "y"):
        dispatch(["align", *argv, "--kind=points", f"--up={up}", "--resolution=32", "--json"])
        matrix = json.loads(capsys.readouterr().out)["rotations"][0]["matrix"]
        assert np.degrees((Rotation.from_matrix(matrix) * ROTATION.inv()).magnitude()) < 3
    message = "--copy: only meshes have copies, .* Received: .*cloud.ply; .*"
    argv += ["--kind=points", f"--copy={tmp_path / 'copy.off'}"]
    assert_fails(capsys, 2, message, "align", argv)
    cells = np.zeros((8, 8, 8), np.uint8)
    cells[:6, 1:4, 3:5] = cells[4:6, 1:7, 3:4] = 1
    for name, rotated in (("a.npy", cells), ("b.npy", np.rot90(cells))):
        np.save(tmp_path / name, rotated)
    dispatch(
        ["align", str(tmp_path / "a.npy"), str(tmp_path / "b.npy"), "--resolution=32", "--json"]
    )
    matrix = json.loads(capsys.readouterr().out)["rotations"][0]["matrix"]
    np.testing.assert_allclose(matrix, [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=0.02)


def test_maps_that_are_not_finite_are_refused(pair, copied, capsys):
    path = copied[0] / "checkpoints/final.npz"
    with np.load(path) as stored:
        arrays = {
            key: np.full_like(v, 3e38) if key.endswith("kernel") else v for key, v in stored.items()
        }
    np.savez(path, **arrays)
    argv = [*pair, "--run", str(copied[0]), "--layer", "conv0_distance"]
    message = "layer conv0_distance: found outputs that are not finite.*"
    assert_fails(capsys, 1, message, "align", argv)
