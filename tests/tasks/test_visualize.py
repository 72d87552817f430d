"""`scnn visualize`: what it draws, and what it refuses."""

import io
import re

import numpy as np
import pytest
import trimesh
from helpers import assert_fails
from PIL import Image

from spherical_cnn import shapes_to_signals
from spherical_cnn.cli import dispatch
from spherical_cnn.shapes.formats.mesh_writing import encode_mesh
from spherical_cnn.shapes.generated.procedural import draw_mesh
from spherical_cnn.tasks.signal_view import SignalView


@pytest.fixture
def mesh(tmp_path):
    path = tmp_path / "mesh.off"
    path.write_bytes(encode_mesh(draw_mesh("train", 3, 0), path))
    return str(path)


def test_visualize_draws_everything(mesh, finished, tmp_path):
    run = str(finished[0])
    for argv in (
        ["signal", mesh, "--resolution", "16"],
        ["filters", run, "conv0_distance"],
        ["features", run, mesh, "--layers", "signal", "conv1_distance"],
    ):
        out = tmp_path / f"{argv[0]}.png"
        at = 3 if argv[0] in ("filters", "features") else 2
        dispatch(["visualize", *argv[:at], str(out), *argv[at:]])
        picture = np.asarray(Image.open(io.BytesIO(out.read_bytes())).convert("L"))
        assert min(picture.shape) > 200 and picture.std() > 20
    out = tmp_path / "turning.gif"
    flags = ["--run", run, "--layer", "conv1_incidence", "--frames", "5"]
    dispatch(["visualize", "animation", mesh, str(out), *flags])
    with Image.open(out) as film:
        assert film.n_frames == 5
        first = np.asarray(film.convert("L"), float)
        film.seek(2)
        assert np.abs(np.asarray(film.convert("L"), float) - first).mean() > 1


@pytest.mark.parametrize(
    ("suffix", "start"),
    [(".PNG", b"\x89PNG"), (".jpg", b"\xff\xd8"), (".pdf", b"%PDF"), (".svg", b"<?xml")],
)
def test_the_suffix_of_a_picture_decides_its_format(suffix, start, mesh, tmp_path):
    signal, both = tmp_path / f"signal{suffix}", tmp_path / f"both{suffix}"
    dispatch(["visualize", "signal", mesh, str(signal), "--resolution", "8"])
    dispatch(["align", mesh, mesh, "--picture", str(both), "--resolution", "8"])
    assert signal.read_bytes().startswith(start) and both.read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("command", "argv", "expected"),
    [
        ("visualize", ["signal", "absent.off", "out.gif"], ".png .jpg .pdf .svg"),
        ("visualize", ["filters", "absent", "conv0_distance", "out"], ".png .jpg .pdf .svg"),
        ("visualize", ["features", "absent", "absent.off", "out.tex"], ".png .jpg .pdf .svg"),
        ("visualize", ["animation", "absent.off", "out.png"], ".gif"),
        ("visualize", ["mistakes", "absent", "out.png", "--shards", "absent"], ".html"),
        ("align", ["absent.off", "absent.off", "--picture", "out.gif"], ".png .jpg .pdf .svg"),
    ],
)
def test_a_picture_of_another_format_is_refused_before_anything_is_read(
    command, argv, expected, capsys
):
    message = re.escape(f"expected a name that ends in {expected}")
    assert_fails(capsys, 2, rf"out\.?\w*: {message}", command, argv)


def test_points_and_voxels_are_drawn_too(tmp_path, rng):
    points, out = tmp_path / "points.npy", tmp_path / "out.png"
    np.save(points, rng.normal(size=(200, 3)))
    cells = np.zeros((6, 6, 6), np.uint8)
    cells[1:5, 1:5, 2:4] = 1
    np.save(tmp_path / "cells.npy", cells)
    for path, flags in ((points, ["--kind", "points", "--up", "y"]), (tmp_path / "cells.npy", [])):
        dispatch(["visualize", "signal", str(path), str(out), "--resolution", "8", *flags])
        assert out.read_bytes().startswith(b"\x89PNG")
        out.unlink()


@pytest.fixture
def clouds(tmp_path, rng):
    """A file of points and one of voxels, both upright along y, and their arrays."""
    points = rng.normal(size=(200, 3)) * [0.3, 1, 0.6]
    cells = np.zeros((6, 8, 6), np.uint8)
    cells[1:3, 1:7, 2:5] = 1
    trimesh.PointCloud(points).export(tmp_path / "points.ply")
    np.save(tmp_path / "cells.npy", cells)
    return {"points": (tmp_path / "points.ply", points), "voxels": (tmp_path / "cells.npy", cells)}


@pytest.mark.parametrize("kind", ["points", "voxels"])
def test_features_and_animations_take_the_reading_flags_of_predict(kind, clouds, finished):
    path, array = clouds[kind]
    run, flags = str(finished[0]), ["--kind", kind, "--up", "y"]
    for what, name, more in (("features", "out.png", []), ("animation", "out.gif", ["--frames=2"])):
        out = path.with_name(name)
        argv = [run, str(path), str(out)] if what == "features" else [str(path), str(out)]
        dispatch(["visualize", what, *argv, *flags, *more])
        assert out.read_bytes().startswith((b"\x89PNG", b"GIF"))


@pytest.mark.parametrize("kind", ["points", "voxels"])
def test_pictures_show_the_signal_that_the_library_computes(kind, clouds):
    path, array = clouds[kind]
    view = SignalView(16, 1, kind=kind, up="y")
    found = view.signals(view.load(str(path)))
    expected = shapes_to_signals([array], kind=kind, up="y", resolution=16)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    lying = SignalView(16, 1, kind=kind)
    assert np.abs(lying.signals(lying.load(str(path))) - expected).mean() > 0.01


def test_shapes_that_no_ray_sees_are_not_drawn(finished, tmp_path, capsys):
    sheet, out = tmp_path / "sheet.off", str(tmp_path / "out.png")
    film = str(tmp_path / "out.gif")
    sheet.write_text("OFF\n4 2 0\n0 0 0\n1 0 2\n1 1 2\n0 1 0\n3 0 1 2\n3 0 2 3\n")
    message = ".*sheet.off: blank: at most 0.0.% of the rays.*"
    for argv in (["signal", sheet, out], ["animation", sheet, film, "--frames", "2"]):
        assert_fails(capsys, 1, message, "visualize", list(map(str, argv)))
    argv = ["features", str(finished[0]), str(sheet), out]
    assert_fails(capsys, 1, message, "visualize", argv)
    assert not (tmp_path / "out.png").exists()


def test_every_mistake_has_a_section(finished, shards, tmp_path):
    run, out = str(finished[0]), tmp_path / "page.html"
    files = [str(shards / f"test{number}.tfrecord") for number in (0, 1)]
    dispatch(["visualize", "mistakes", run, str(out), "--shards", *files])
    metrics = finished[2]
    wrong = metrics["test_samples"] - np.trace(metrics["confusion"])
    page = out.read_text()
    assert page.count("<h2>") == page.count("<img ") == wrong > 2
    dispatch(["visualize", "mistakes", run, str(out), "--shards", *files, "--most", "2"])
    assert out.read_text().count("<h2>") == 2


def test_what_cannot_be_drawn_is_named(mesh, finished, tmp_path, capsys):
    run, out = str(finished[0]), str(tmp_path / "out.png")
    for argv, code, message in (
        (
            ["filters", run, "descriptor", out],
            2,
            "no filters in descriptor; there are in: conv0_distance.*",
        ),
        (
            ["features", run, mesh, out, "--layers", "conv9"],
            2,
            "no maps of conv9; there are: sig.*",
        ),
        (["signal", mesh + "x", out], 1, ".*mesh.offx.*"),
        (
            ["animation", mesh, out[:-4] + ".gif", "--layer", "conv0_distance"],
            2,
            "--run, --layer: expected both or none",
        ),
    ):
        assert_fails(capsys, code, message, "visualize", argv)
    assert not (tmp_path / "out.png").exists()
