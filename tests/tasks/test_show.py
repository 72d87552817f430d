"""`scnn show`: what its page holds, what it refuses, and how it behaves in a browser."""

import json
import re
import shutil

import numpy as np
import pytest
from helpers import assert_fails, read_shape_page
from scipy import special

from spherical_cnn.cli import dispatch
from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.data.poses import full_turn
from spherical_cnn.errors import ConfigError
from spherical_cnn.shapes.formats.mesh_writing import encode_mesh
from spherical_cnn.shapes.generated.procedural import FAMILIES, draw_mesh
from spherical_cnn.shapes.load import load_mesh
from spherical_cnn.shapes.raycast import RayCaster
from spherical_cnn.shapes.signal import Pose
from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.tasks.show import distinct_tails
from spherical_cnn.training.checkpoints import save_checkpoint
from spherical_cnn.training.network import compiled_model
from spherical_cnn.training.run import Run, load_run
from spherical_cnn.training.run_config import RunConfig
from spherical_cnn.training.run_folder import RunFolder

CONFIG = DatasetConfig(resolution=16, num_points=64)


def write_data(folder):
    data = {"source": "embedded", "classes": list(FAMILIES), "options": CONFIG.to_dict()}
    (folder / "data.json").write_text(json.dumps(data))


@pytest.fixture
def run(finished, tmp_path):
    """A finished run on a dataset of `scnn build`."""
    folder = tmp_path / "run"
    shutil.copytree(finished[0], folder)
    write_data(folder)
    return folder


@pytest.fixture
def points_run(tmp_path):
    """An untrained run that reads points."""
    config = RunConfig(
        model="point_sphere",
        online="embedded",
        dset_dir="",
        input_res=16,
        nfilters=(4, 6),
        pool_layers=(1, 0),
        neighborhoods=(8,),
        point_filters=(8,),
        pair_points=(24, 12),
        pair_neighbors=(8, 6),
        pair_filters=(8, 8),
        dense=16,
        logdir=str(tmp_path / "points"),
    )
    folder = RunFolder(config.logdir)
    folder.write_config(config)
    write_data(tmp_path / "points")
    model = compiled_model(config, CONFIG.num_points, arranged=True)
    save_checkpoint(Run(folder, config, model, {"epoch": 0, "best": 0, "history": []}), "final")
    return tmp_path / "points"


@pytest.fixture
def mesh(tmp_path):
    path = tmp_path / "mesh.off"
    path.write_bytes(encode_mesh(draw_mesh("train", 3, 0), path))
    return path


def show(capsys, *argv):
    """The facts of the page of a command, and the function that reads its arrays."""
    out = argv[0].parent / "page.html"
    dispatch(["show", *map(str, argv), "--output", str(out)])
    page = out.read_text(encoding="utf-8")
    assert capsys.readouterr().out == f"Page: {out} ({len(page) / 1e6:.1f} MB)\n"
    return read_shape_page(page)


def signal(path, rotation, resolution=16, rays=1):
    grid = SphericalGrid.from_resolution(resolution)
    return RayCaster(load_mesh(path)).signal(grid, Pose(rotation), rays)


def test_rotations_make_one_turn_about_an_oblique_axis():
    turn = full_turn(6)
    np.testing.assert_allclose(turn[0], np.eye(3), atol=1e-15)
    np.testing.assert_allclose(turn @ turn[1], np.roll(turn, -1, axis=0), atol=1e-12)
    np.testing.assert_allclose(turn @ [0.6, 0, 0.8], [[0.6, 0, 0.8]] * 6, atol=1e-12)


def test_without_a_run_the_page_has_the_mesh_and_its_signal_in_each_rotation(mesh, capsys):
    facts, array = show(capsys, mesh, "--steps", 3)
    assert facts["answers"] == [] and facts["steps"] == 3
    vertices = array(facts["shape"]["vertices"]).reshape(-1, 3) / 32767
    np.testing.assert_allclose(vertices, load_mesh(mesh).vertices, atol=2e-5)
    expected = np.stack([signal(mesh, rotation, 64, 7) for rotation in full_turn(3)])
    assert len(facts["signal"]) == 2
    for channel, drawn in enumerate(facts["signal"]):
        found = array(drawn["levels"]).reshape(3, 64, 64) / 255 * drawn["high"]
        np.testing.assert_allclose(found, expected[..., channel], atol=drawn["high"] / 500)


def test_answers_are_those_of_the_network_in_each_rotation(mesh, run, capsys):
    facts, array = show(capsys, mesh, "--run", run, "--steps", 3)
    (answer,) = facts["answers"]
    model = load_run(run).model
    inputs = np.stack([signal(mesh, rotation) for rotation in full_turn(3)])
    expected = special.softmax(model.predict(inputs, verbose=0)["logits"], axis=1)
    found = array(answer["probabilities"]).reshape(3, -1)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)
    assert answer["name"] == "run" and answer["classes"] == list(FAMILIES)
    assert re.fullmatch(
        r"two_branch with [\d,]+ parameters, trained on shapes in all rotations; it classifies "
        r"[\d.]+ % of its test samples correctly\.",
        answer["about"],
    )
    assert [drawn["title"] for drawn in answer["maps"]] == ["conv0_distance", "conv1_distance"]
    drawn = facts["signal"][0]
    found = array(drawn["levels"]).reshape(3, 16, 16) / 255 * drawn["high"]
    np.testing.assert_allclose(found, inputs[..., 0], atol=drawn["high"] / 500)


def test_several_runs_and_chosen_layers(mesh, run, points_run, capsys):
    given = ["--run", points_run, "--run", run, "--layers", "conv1_incidence", "sphere"]
    facts, _ = show(capsys, mesh, *given, "--steps", 2)
    titles = [[drawn["title"] for drawn in one["maps"]] for one in facts["answers"]]
    assert [one["name"] for one in facts["answers"]] == ["points", "run"]
    assert titles == [["sphere"], ["conv1_incidence"]]
    assert len(facts["signal"][0]["colatitude"]) == 16  # that of the run which reads signals


@pytest.mark.slow
def test_a_run_that_reads_points_shows_its_maps_and_a_signal_that_it_does_not_read(
    mesh, points_run, capsys
):
    facts, array = show(capsys, mesh, "--run", points_run, "--steps", 3)
    (answer,) = facts["answers"]
    assert [drawn["title"] for drawn in answer["maps"]] == ["sphere", "conv0", "conv1"]
    assert answer["about"].endswith("trained on shapes in all rotations, not tested.")
    shares = array(answer["probabilities"]).reshape(3, -1)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert len(facts["signal"][0]["colatitude"]) == 64


def test_points_and_voxels_are_shown_too(tmp_path, capsys, rng, points_run):
    np.save(tmp_path / "points.npy", rng.normal(size=(300, 3)))
    facts, _ = show(capsys, tmp_path / "points.npy", "--steps", 2, "--center", "area")
    assert facts["shape"]["about"] == "300 points" and len(facts["signal"]) == 2
    cells = np.zeros((6, 6, 6), np.uint8)
    cells[1:5, 1:5, 2:4] = 1
    np.save(tmp_path / "cells.npy", cells)
    facts, _ = show(capsys, tmp_path / "cells.npy", "--steps", 2, "--kind", "voxels", "--up", "y")
    assert facts["shape"]["faces"]["count"] > 0


def test_points_without_a_surface_have_answers_and_a_note(tmp_path, points_run, capsys):
    path = tmp_path / "two.npy"
    np.save(path, np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]))
    facts, _ = show(capsys, path, "--run", points_run, "--steps", 2)
    assert facts["signal"] == []
    (answer,) = facts["answers"]
    assert [drawn["title"] for drawn in answer["maps"]] == ["sphere", "conv0", "conv1"]
    assert answer["about"].endswith("trained on shapes in all rotations, not tested.")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<p class=note>The shape has no signal on the sphere: " in page


def test_what_cannot_be_shown_is_named(mesh, run, tmp_path, capsys):
    out, sheet = tmp_path / "page.html", tmp_path / "sheet.off"
    sheet.write_text("OFF\n4 2 0\n0 0 0\n1 0 2\n1 1 2\n0 1 0\n3 0 1 2\n3 0 2 3\n")
    wanted = ["--output", out]
    for argv, code, message in (
        ([mesh, "--output", tmp_path / "page.pdf"], 2, ".*page.pdf: expected a name .* .html"),
        ([mesh, "--steps", 1, *wanted], 2, "--steps: expected 2 to 360. Received: 1"),
        ([mesh, "--layers", "conv0", *wanted], 2, "--layers: expected --run RUN, .*"),
        ([mesh, "--center", "top", *wanted], 2, "--center: expected sphere or .*"),
        ([mesh, "--run", run, run, *wanted], 2, "--run: expected different runs. Received: .*"),
        (
            [mesh, "--run", run, "--layers", "conv9", *wanted],
            2,
            "--layers: no maps of conv9; there are: signal, .*conv1_distance.*",
        ),
        ([mesh, "--kind", "points", *wanted], 1, ".*mesh.off: found suffix '.off', expected .*"),
        ([sheet, *wanted], 1, ".*sheet.off: blank: at most 0.0.% of the rays.*"),
        ([sheet, "--run", run, *wanted], 1, ".*sheet.off: blank: at most 0.0.% of the rays.*"),
        ([tmp_path / "absent.off", *wanted], 1, ".*absent.off.*"),
        ([mesh, "--run", tmp_path / "none", *wanted], 1, ".*config.json: not found, expected .*"),
    ):
        assert_fails(capsys, code, message, "show", list(map(str, argv)))
    assert not out.exists()


def test_runs_are_named_by_the_ends_of_their_paths():
    assert distinct_tails([]) == []
    assert distinct_tails(["a/b/z-0"]) == ["z-0"]
    assert distinct_tails(["a/m/z-0", "a/n/z-0/"]) == ["m/z-0", "n/z-0"]
    with pytest.raises(ConfigError, match="--run: expected different runs"):
        distinct_tails(["a/b", "a/./b"])


CANVASES = """() => [...document.querySelectorAll("canvas")].map((canvas) => {
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [canvas.width, canvas.height];
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  const { data } = context.getImageData(0, 0, copy.width, copy.height);
  let [drawn, sum] = [0, 0];
  data.forEach((value, index) => {
    if (index % 4 === 3) drawn += value > 0;
    sum = (sum * 31 + value) % 1000000007;
  });
  return { drawn: drawn / (canvas.width * canvas.height), sum };
})"""


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as started:
        flags = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        browser = started.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


@pytest.mark.slow
def test_in_a_browser_the_slider_rotates_all_pictures(mesh, run, browser, tmp_path, capsys):
    playwright = pytest.importorskip("playwright.sync_api")
    facts, _ = show(capsys, mesh, "--run", run, "--steps", 6)
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    problems, requests = [], []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    address = (tmp_path / "page.html").as_uri()
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    milliseconds = page.evaluate("document.documentElement.dataset.ready")
    size = (tmp_path / "page.html").stat().st_size
    with capsys.disabled():
        print(f"\npage of {size / 1e6:.1f} MB, drawn {milliseconds} ms after the start of loading")
    assert size < 10e6

    def state():
        return page.evaluate(CANVASES), page.inner_text(".verdict b"), page.inner_text("#degrees")

    first, verdict, degrees = state()
    assert len(first) == 1 + 2 + len(facts["answers"][0]["maps"])
    assert all(0.05 < one["drawn"] < 0.95 for one in first) and degrees == "0°"
    page.focus("#angle")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    moved, _, degrees = state()
    assert degrees == "120°"
    assert all(one["sum"] != other["sum"] for one, other in zip(first, moved, strict=True))
    page.check("#undo")  # the shape is back in its first pose; maps are rotated
    back = state()[0]
    assert back[0]["sum"] == first[0]["sum"]
    assert all(one["sum"] != other["sum"] for one, other in zip(back[1:], moved[1:], strict=True))
    page.uncheck("#undo")
    page.evaluate("document.getElementById('angle').value = 0")
    page.dispatch_event("#angle", "input")
    assert state() == (first, verdict, "0°")
    middle = page.locator("canvas").nth(1).bounding_box()
    page.mouse.move(middle["x"] + 60, middle["y"] + 60)
    page.mouse.down()
    page.mouse.move(middle["x"] + 90, middle["y"] + 75)
    page.mouse.up()
    dragged = state()[0]
    assert all(one["sum"] != other["sum"] for one, other in zip(first, dragged, strict=True))
    page.click("#play")
    playwright.expect(page.locator("#degrees")).not_to_have_text("0°")
    assert problems == [] and requests == [address]
    page.close()
