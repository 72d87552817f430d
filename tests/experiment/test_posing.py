"""scripts/align.py as a user calls it: two meshes, by their signals or by a network's maps."""

import json
import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from test_scripts import assert_fails, script

pytest.importorskip("lie_learn")

from spherical_cnn.experiment import posing  # noqa: E402
from spherical_cnn.signals import primitives  # noqa: E402
from spherical_cnn.signals.procedural import draw  # noqa: E402

TURN = Rotation.from_euler("ZYZ", [40, 70, -100], degrees=True)


@pytest.fixture
def pair(tmp_path):
    """Two files: a shape, and the shape turned, doubled and moved."""
    mesh = draw("train", 3, 0)
    wedge = mesh._replace(
        vertices=mesh.vertices * [1, 0.7, 0.5] + 0.2 * mesh.vertices[:, [1, 2, 0]]
    )
    moved = wedge._replace(vertices=2 * TURN.apply(wedge.vertices) + [1, 2, 3])
    paths = [tmp_path / "first.off", tmp_path / "second.ply"]
    for path, shape in zip(paths, (wedge, moved), strict=True):
        path.write_bytes(posing.mesh_bytes(shape, path))
    return [str(path) for path in paths]


def test_a_turned_mesh_is_found_and_its_copy_lies_on_it(pair, tmp_path, capsys):
    outputs = {name: tmp_path / name for name in ("copy.stl", "both.png")}
    copy, png = map(str, outputs.values())
    script("align")([*pair, "--json"])
    found = json.loads(capsys.readouterr().out)
    script("align")([*pair, "--copy", copy, "--picture", png])
    best = found["rotations"][0]
    error = Rotation.from_matrix(best["matrix"]) * TURN.inv()
    assert np.degrees(error.magnitude()) < 0.5
    for other in (
        Rotation.from_euler("ZYZ", best["zyz"], degrees=True),
        Rotation.from_quat(np.roll(best["quaternion"], -1)),
    ):
        np.testing.assert_allclose(other.as_matrix(), best["matrix"], atol=1e-9)
    printed = capsys.readouterr().out
    assert f"correlation {best['correlation']:.4f}" in re.sub(" +", " ", printed)
    moved, second = posing.read_shape(copy), posing.read_shape(pair[1])
    np.testing.assert_allclose(moved.centre, second.centre, atol=1e-5)
    assert moved.radius == pytest.approx(second.radius)
    distances = np.linalg.norm(moved.mesh.vertices[:, None] - second.mesh.vertices, axis=-1)
    assert distances.min(axis=1).max() < 0.02 * second.radius
    assert outputs["both.png"].read_bytes().startswith(b"\x89PNG")


def test_symmetric_shapes_say_so(tmp_path):
    path = tmp_path / "box.off"
    path.write_bytes(posing.mesh_bytes(primitives.box([0, 0, 0], [1.0, 0.6, 0.3]), path))
    shape = posing.read_shape(str(path))
    peaks = posing.align_meshes(shape, shape, posing.Eye(32))
    assert len(peaks.rotations) == 4 and peaks.axis is None
    assert "symmetric: 3 more do as well, ZYZ angles in degrees" in posing.lines(peaks)


def test_feature_maps_align_too(pair, finished, capsys):
    folder = str(finished[0])
    script("align")([*pair, "--run", folder, "--layer", "conv0_b1", "--share", "1"])
    assert "quaternion" in capsys.readouterr().out
    for layer, message in (
        ("conv9_b0", "no layer conv9_b0; there are: signal, .*conv0_b0.*"),
        ("logits", "--layer: logits makes no maps; these do: signal, .*conv0_b0.*conv1_b1.*"),
    ):
        assert_fails(
            capsys, 2, message, script("align"), [*pair, "--run", folder, "--layer", layer]
        )


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--layer=conv0_b0"], 2, "--run, --layer: expected both or none"),
        (["--copy=a.txt"], 2, "--copy: expected .off .obj .ply .stl. Received: a.txt"),
        (["--share=2"], 2, "--share: expected more than 0, at most 1. Received: 2.0"),
        (["--run=/absent", "--layer=x"], 1, "/absent/config.json: not found.*"),
    ],
)
def test_bad_flags_are_refused(pair, capsys, flags, code, message):
    assert_fails(capsys, code, message, script("align"), [*pair, *flags])


def test_bad_files_are_named(pair, tmp_path, capsys):
    broken = tmp_path / "broken.off"
    broken.write_text("OFF\n1 2 3\n")
    cloud = tmp_path / "cloud.xyz"
    cloud.write_text("1 2 3\n")
    for path, message in (
        (broken, ".*broken.off: not a readable .off file: 1 vertices, 2 faces announced, .*"),
        (cloud, ".*cloud.xyz: found suffix '.xyz', expected a mesh: .off .obj .ply .stl"),
        (tmp_path / "absent.off", ".*No such file.*absent.off.*"),
    ):
        assert_fails(capsys, 1, message, script("align"), [pair[0], str(path)])
