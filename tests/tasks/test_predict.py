"""`scnn predict`: classes of files, with their uncertainty; refusals; exports."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from helpers import assert_fails, box, write_off
from scipy import special

from spherical_cnn.cli import exit_code
from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.presets import DEFAULT, Preset
from spherical_cnn.shapes.formats.mesh_writing import encode_mesh
from spherical_cnn.shapes.generated.primitives import box as box_mesh
from spherical_cnn.shapes.generated.procedural import FAMILIES, draw_mesh, name_shape
from spherical_cnn.shapes.load import load_mesh
from spherical_cnn.shapes.raycast import RayCaster
from spherical_cnn.shapes.signal import Mesh, Pose
from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.sphere.rotation import euler_to_matrix, random_rotations
from spherical_cnn.tasks import predict as prediction
from spherical_cnn.tasks.predict import Prediction, Predictor, prediction_table
from spherical_cnn.training.run import load_run

CONFIG = DatasetConfig(resolution=16, rays_per_sample=7, rotation="so3", data_seed=3)


@pytest.fixture
def run(finished, tmp_path):
    """A finished run on a dataset of `scnn build`."""
    folder = tmp_path / "run"
    shutil.copytree(finished[0], folder)
    data = {"source": "embedded", "classes": list(FAMILIES), "options": CONFIG.to_dict()}
    (folder / "data.json").write_text(json.dumps(data))
    return folder


@pytest.fixture
def shapes(tmp_path):
    """A folder of meshes, and a file among them that is none."""
    folder = tmp_path / "shapes"
    (folder / "more").mkdir(parents=True)
    for index in range(10):
        path = folder / ("more" if index > 5 else "") / f"{name_shape(index)[1]}{index}.off"
        path.write_bytes(encode_mesh(draw_mesh("test", index, 0), path))
    (folder / "readme.txt").write_text("not a shape")
    return folder


def test_predictions_are_means_over_rotations(run, shapes, capsys):
    argv = [str(run), str(shapes), "--rotations=3", "--top=2"]
    assert exit_code(["predict", *argv, "--workers=2", "--json"]) == 0
    predictions = json.loads(capsys.readouterr().out)
    assert exit_code(["predict", *argv]) == 0
    paths = sorted(map(str, shapes.rglob("*.off")))
    assert sorted(one["path"] for one in predictions) == paths
    model = load_run(run).model
    angles = random_rotations(3, np.random.default_rng(3))
    angles[0] = 0
    for one in predictions:
        ray_caster = RayCaster(load_mesh(one["path"]))
        found = [ray_caster.signal(SphericalGrid(8), Pose(m), 7) for m in euler_to_matrix(angles)]
        logits = model.predict(np.stack(found), verbose=0)["logits"]
        expected = special.softmax(logits, axis=1)
        order = np.argsort(-expected.mean(axis=0))[:2]
        assert one["classes"] == [list(FAMILIES)[label] for label in order]
        np.testing.assert_allclose(one["probabilities"], expected.mean(axis=0)[order], rtol=1e-4)
        assert one["agreement"] == np.mean(expected.argmax(axis=1) == order[0])
        assert one["spread"] == pytest.approx(expected[:, order[0]].std(), abs=1e-5)
    printed = capsys.readouterr().out
    for one in predictions:
        assert f"| {one['path']} | {one['classes'][0]} | {one['probabilities'][0]:.2f}" in printed


def test_a_bad_file_is_named_and_the_others_are_predicted(run, shapes, tmp_path, capsys):
    (shapes / "broken.off").write_text("OFF\n1 2 3\n")
    argv = [str(run), str(shapes), str(tmp_path / "absent.off"), "--rotations=1"]
    assert exit_code(["predict", *argv]) == 1
    out, error = capsys.readouterr()
    assert error == "error: 2 of 12 files could not be classified\n"
    assert "broken.off | error: not a readable .off file: 1 vertices, 2 faces announced" in out
    assert "absent.off | error: No such file or directory" in out
    assert out.count("\n") == 2 + 12


def test_shapes_that_rays_miss_are_refused_or_noted(run, tmp_path, capsys):
    corners = euler_to_matrix([0.3, 1.1, 2.0]) @ [[-1, 1, 1, -1], [-1, -1, 1, 1], [0] * 4]
    box = box_mesh([0, 0, 0], [0.02] * 3)
    parts = np.concatenate([box.vertices + [0, 0, 1], box.vertices - [0, 0, 1]])
    for name, mesh in (
        ("sheet", Mesh(corners.T + 3, np.array([[0, 1, 2], [0, 2, 3]]))),
        ("parts", Mesh(parts, np.concatenate([box.faces, box.faces + len(box.vertices)]))),
        ("box", box),
    ):
        path = tmp_path / f"{name}.off"
        path.write_bytes(encode_mesh(mesh, path))
    files = [str(tmp_path / f"{name}.off") for name in ("sheet", "parts", "box")]
    assert exit_code(["predict", str(run), *files, "--json"]) == 1
    out, error = capsys.readouterr()
    sheet, parts, box = json.loads(out)
    assert sheet["error"].startswith("blank: at most 0.0")
    assert error == "error: 1 of 3 files could not be classified\n"
    assert parts["note"].startswith("nearly blank in 3 of 4 poses: 0.") and parts["classes"]
    assert box["note"] == box["error"] == ""
    exit_code(["predict", str(run), *files[1:]])
    assert "| spread | next | note |" in capsys.readouterr().out


def test_outputs_that_are_not_finite_are_no_prediction(run, shapes, monkeypatch):
    predictor = Predictor(run)
    nothing = {"logits": np.full((2, len(FAMILIES)), np.nan)}
    monkeypatch.setattr(prediction, "predict_dict", lambda *_: nothing)
    (one,) = predictor.predict([str(next(shapes.glob("*.off")))], rotations=2)
    assert one.error.startswith("the network's outputs are not finite") and not one.classes


def test_a_file_of_another_kind_says_which_flag_reads_it(run, shapes):
    path = str(next(shapes.glob("*.off")))
    (one,) = Predictor(run, kind="points").predict([path], rotations=1)
    assert re.fullmatch("found suffix '.off', .*read as points; --kind auto .*", one.error)


def test_refused_requests_and_runs_name_what_is_wrong(run, shapes, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    mesh = str(next(shapes.glob("*.off")))
    for argv, code, message in (
        ([str(run)], 2, "expected files or --export.*"),
        ([str(run), mesh, "--rotations=0"], 2, ".*--rotations and --top of at least 1"),
        (
            [str(run), str(tmp_path / "empty")],
            2,
            ".*empty: found no shapes, expected files .*.off.*",
        ),
        ([str(run), mesh, "--up=w"], 2, "--up: expected x or y or z. Received: 'w'"),
    ):
        assert_fails(capsys, code, message, "predict", argv)
    data = json.loads((run / "data.json").read_text())
    data["options"]["resolution"] = 32
    (run / "data.json").write_text(json.dumps(data))
    message = ".*data.json: signals of resolution 32, expected 16 as in .*config.json"
    assert_fails(capsys, 1, message, "predict", [str(run), mesh])
    data["options"] = {**data["options"], "resolution": 16, "colour": 1}
    (run / "data.json").write_text(json.dumps(data))
    message = ".*data.json: unknown options: colour"
    assert_fails(capsys, 1, message, "predict", [str(run), mesh])
    (run / "data.json").unlink()
    message = ".*data.json: not found, so it is not known how the signals.*"
    assert_fails(capsys, 1, message, "predict", [str(run), mesh])


def test_a_run_on_upright_shapes_classifies_without_rotations(run, shapes):
    data = json.loads((run / "data.json").read_text())
    data["options"]["rotation"] = "none"
    (run / "data.json").write_text(json.dumps(data))
    paths = [str(path) for path in shapes.glob("*.off")]
    for one in Predictor(run).predict(paths, rotations=3):
        assert one.agreement == 1 and one.spread < 1e-6


def test_tables_name_the_next_classes():
    good = Prediction("a.off", ["bed", "sofa"], [0.75, 0.2], 1.0, 0.125, "")
    bad = Prediction("b.off", [], [], 0.0, 0.0, "empty")
    header, rows = prediction_table([good, bad])
    assert [len(row) for row in rows] == [len(header)] * 2
    assert rows[0] == ["a.off", "bed", "0.75", "1.00", "0.12", "sofa 0.20"]
    assert rows[1][1] == "error: empty"


EXPORTED = """
import sys
import numpy as np
import tensorflow as tf
served = tf.saved_model.load(sys.argv[1])
signals = np.load(sys.argv[2])
outputs = served.serve(signals)
np.savez(sys.argv[3], **{name: value.numpy() for name, value in outputs.items()})
"""


@pytest.mark.slow
def test_an_export_runs_in_bare_tensorflow(run, tmp_path):
    assert exit_code(["predict", str(run), f"--export={tmp_path / 'saved'}"]) == 0
    signals = np.random.default_rng(0).random((3, 16, 16, 2), np.float32)
    np.save(tmp_path / "signals.npy", signals)
    paths = [tmp_path / name for name in ("saved", "signals.npy", "outputs.npz")]
    subprocess.run([sys.executable, "-c", EXPORTED, *paths], check=True, cwd=tmp_path)
    model = load_run(run).model
    expected = model.predict(signals, verbose=0)
    with np.load(tmp_path / "outputs.npz") as outputs:
        assert set(outputs.files) == set(expected)
        for name in outputs.files:
            np.testing.assert_allclose(outputs[name], expected[name], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_an_onnx_file_runs_in_onnxruntime(run, tmp_path):
    pytest.importorskip("tf2onnx")
    runtime = pytest.importorskip("onnxruntime")
    path = str(tmp_path / "model.onnx")
    assert exit_code(["predict", str(run), f"--export={path}"]) == 0
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    signals = np.random.default_rng(0).random((3, 16, 16, 2), np.float32)
    names = [output.name for output in session.get_outputs()]
    outputs = session.run(names, {"signal": signals})
    model = load_run(run).model
    expected = model.predict(signals, verbose=0)
    assert set(names) == set(expected)
    for name, found in zip(names, outputs, strict=True):
        np.testing.assert_allclose(found, expected[name], rtol=1e-4, atol=1e-5)


def test_without_a_run_the_network_is_a_preset_and_named(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Preset, "folder", property(lambda preset: str(run)))
    monkeypatch.chdir(tmp_path)
    write_off(tmp_path / "box.off", *box((1, 2, 3.5)))
    assert exit_code(["predict", "box.off", "--rotations=2"]) == 0
    network, header, line, row = capsys.readouterr().out.splitlines()
    assert network == f"network: {DEFAULT}; see scnn presets" and row.startswith("| box.off | ")
    for argv in ([DEFAULT, "--rotations=2", "box.off"], [str(run), "box.off", "--rotations=2"]):
        assert exit_code(["predict", *argv]) == 0
        assert capsys.readouterr().out.splitlines() == [header, line, row]
    assert exit_code(["predict", "--json", "--rotations=2", "box.off"]) == 0
    printed = capsys.readouterr()
    assert printed.err == network + "\n"
    (found,) = json.loads(printed.out)
    assert row.split(" | ")[1] == found["classes"][0]


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["runs/absent", "box.off"], 2, "runs/absent: expected a run folder, a preset .*, a shape"),
        ([], 2, "expected files or --export.*"),
        (["modelnet40-points"], 2, "expected files or --export.*"),
        (["empty", "box.off"], 2, "empty: found no shapes, expected files .*"),
    ],
)
def test_what_is_neither_run_nor_shape_is_refused(argv, code, message, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    argv = [str(tmp_path / "empty") if argument == "empty" else argument for argument in argv]
    assert_fails(capsys, code, f"(.*/)?{message}.*", "predict", argv)
