"""Pictures: what they show is where it is on the sphere, and the scripts that draw them."""

import io

import matplotlib
import numpy as np
import pytest
from helpers import assert_fails, script
from PIL import Image
from scipy.spatial.transform import Rotation

from spherical_cnn.reporting import sphere_plots as spheres
from spherical_cnn.signals.primitives import ellipsoid
from spherical_cnn.signals.procedural import draw
from spherical_cnn.signals.shape import caster_of_mesh
from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.tasks import align as posing
from spherical_cnn.tasks.signal_view import read_shape

GRID = SphericalGrid.from_resolution(32)


@pytest.fixture
def mesh(tmp_path):
    path = tmp_path / "mesh.off"
    path.write_bytes(posing.mesh_bytes(draw("train", 3, 0), path))
    return str(path)


@pytest.mark.parametrize("view", [(0.0, 0.0), (120.0, 35.0), (250.0, -80.0)])
def test_a_sphere_shows_the_map_from_the_side_of_the_eye(view):
    azimuth, elevation = np.radians(view)
    towards = [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth)]
    towards = np.array([*towards, np.sin(elevation)])
    np.testing.assert_allclose(spheres.eye_axes(view)[2], towards, atol=1e-12)
    values = np.exp(8 * (GRID.directions @ towards - 1))
    pixels = spheres.sphere_pixels(values, ("cividis", 0, 1), view, 51)
    assert pixels.shape == (51, 51, 4)
    np.testing.assert_allclose(pixels[25, 25], matplotlib.colormaps["cividis"](1.0), atol=0.05)
    assert pixels[0, 0, 3] == 0 and pixels[25, 25, 3] == 1


def test_up_is_up_and_right_is_right():
    values = np.maximum(GRID.directions[..., 2], 0)
    above = spheres.sphere_pixels(values, ("gray", 0, 1), (0.0, 0.0), 64)[..., 0]
    assert above[:20].sum() > 10 * above[44:].sum()
    values = np.maximum(GRID.directions[..., 1], 0)  # from +x, with z up, +y is to the right
    right = spheres.sphere_pixels(values, ("gray", 0, 1), (0.0, 0.0), 64)[..., 0]
    assert right[:, 44:].sum() > 10 * right[:, :20].sum()


def test_a_ball_is_brightest_where_it_faces_the_eye():
    ball = caster_of_mesh(ellipsoid([0, 0, 0], [1, 1, 1], sides=64))
    turn = Rotation.random(rng=np.random.default_rng(0)).as_matrix()
    seen = ball.brightness(turn, spheres.eye_axes((30.0, 20.0)), 40)
    across = (np.arange(40) + 0.5) / 40 * 2 - 1
    squared = across[:, None] ** 2 + across**2
    inner = squared < 0.9
    assert np.isnan(seen[squared > 1]).all()
    np.testing.assert_allclose(seen[inner], np.sqrt(1 - squared[inner]), atol=0.1)


def test_a_shape_is_seen_turned_as_its_signal_is(mesh):
    caster = read_shape(mesh).caster
    quarter = Rotation.from_euler("z", 90, degrees=True).as_matrix()
    one = spheres.shape_pixels(caster, quarter, (90.0, 20.0), 60)
    other = spheres.shape_pixels(caster, None, (0.0, 20.0), 60)
    assert np.mean(np.abs(one - other)) < 0.01 < np.mean(one[..., 3])


def test_colours_are_around_zero_where_signs_differ():
    assert spheres.scale(np.array([0.0, 2.0])) == ("cividis", 0.0, 2.0)
    assert spheres.scale(np.array([-3.0, 2.0])) == ("PuOr", -3.0, 3.0)


def test_visualize_draws_everything(mesh, finished, tmp_path):
    run = str(finished[0])
    for argv in (
        ["signal", mesh, "--resolution", "16"],
        ["filters", run, "conv0_b0"],
        ["features", run, mesh, "--layers", "signal", "conv1_b0"],
    ):
        out = tmp_path / f"{argv[0]}.png"
        at = 3 if argv[0] in ("filters", "features") else 2
        script("visualize")([*argv[:at], str(out), *argv[at:]])
        picture = np.asarray(Image.open(io.BytesIO(out.read_bytes())).convert("L"))
        assert min(picture.shape) > 200 and picture.std() > 20
    out = tmp_path / "turning.gif"
    flags = ["--run", run, "--layer", "conv1_b1", "--frames", "5"]
    script("visualize")(["animation", mesh, str(out), *flags])
    with Image.open(out) as film:
        assert film.n_frames == 5
        first = np.asarray(film.convert("L"), float)
        film.seek(2)
        assert np.abs(np.asarray(film.convert("L"), float) - first).mean() > 1


def test_points_and_voxels_are_drawn_too(tmp_path, rng):
    points, out = tmp_path / "points.npy", tmp_path / "out.png"
    np.save(points, rng.normal(size=(200, 3)))
    cells = np.zeros((6, 6, 6), np.uint8)
    cells[1:5, 1:5, 2:4] = 1
    np.save(tmp_path / "cells.npy", cells)
    for path, flags in ((points, ["--kind", "points", "--up", "y"]), (tmp_path / "cells.npy", [])):
        script("visualize")(["signal", str(path), str(out), "--resolution", "8", *flags])
        assert out.read_bytes().startswith(b"\x89PNG")
        out.unlink()


def test_shapes_that_no_ray_sees_are_not_drawn(finished, tmp_path, capsys):
    sheet, out = tmp_path / "sheet.off", str(tmp_path / "out.png")
    sheet.write_text("OFF\n4 2 0\n0 0 0\n1 0 2\n1 1 2\n0 1 0\n3 0 1 2\n3 0 2 3\n")
    message = ".*sheet.off: blank: at most 0.0.% of the rays.*"
    for argv in (["signal", sheet, out], ["animation", sheet, out, "--frames", "2"]):
        assert_fails(capsys, 1, message, script("visualize"), list(map(str, argv)))
    argv = ["features", str(finished[0]), str(sheet), out]
    assert_fails(capsys, 1, message, script("visualize"), argv)
    assert not (tmp_path / "out.png").exists()


def test_every_mistake_has_a_section(finished, shards, tmp_path):
    run, out = str(finished[0]), tmp_path / "page.html"
    files = [str(shards / f"test{number}.tfrecord") for number in (0, 1)]
    script("visualize")(["mistakes", run, str(out), "--shards", *files])
    metrics = finished[2]
    wrong = metrics["test_samples"] - np.trace(metrics["confusion"])
    page = out.read_text()
    assert page.count("<h2>") == page.count("<img ") == wrong > 2
    script("visualize")(["mistakes", run, str(out), "--shards", *files, "--most", "2"])
    assert out.read_text().count("<h2>") == 2


def test_what_cannot_be_drawn_is_named(mesh, finished, tmp_path, capsys):
    run, out = str(finished[0]), str(tmp_path / "out.png")
    for argv, code, message in (
        (
            ["filters", run, "descriptor", out],
            2,
            "no filters in descriptor; there are in: conv0_b0.*",
        ),
        (
            ["features", run, mesh, out, "--layers", "conv9"],
            2,
            "no maps of conv9; there are: sig.*",
        ),
        (["signal", mesh + "x", out], 1, ".*mesh.offx.*"),
        (
            ["animation", mesh, out, "--layer", "conv0_b0"],
            2,
            "--run, --layer: expected both or none",
        ),
    ):
        assert_fails(capsys, code, message, script("visualize"), argv)
    assert not (tmp_path / "out.png").exists()
