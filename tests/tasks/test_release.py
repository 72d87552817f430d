"""A released network is used as the run is, and names no folder."""

import json
import pathlib

import numpy as np
import pytest
from helpers import ROOT, assert_fails, script

from spherical_cnn.signals.procedural import FAMILIES, draw
from spherical_cnn.tasks.align import mesh_bytes
from spherical_cnn.tasks.predict import Predictor
from spherical_cnn.tasks.release import release
from spherical_cnn.training.checkpoints import save_weights
from spherical_cnn.training.config import argument_parser
from spherical_cnn.training.run import restore, run_experiment
from spherical_cnn.training.run_folder import RunError, RunFolder


@pytest.fixture(scope="module")
def released(finished, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights") / "ten-shapes"
    release(finished[0], folder, "Made by this program; no rights reserved.")
    return folder


def test_what_it_holds(finished, released):
    files = {str(p.relative_to(released)) for p in released.rglob("*") if p.is_file()}
    text = {"README.md", "config.json", "metrics.json"}
    assert files == {*text, "checkpoints/final.npz"}
    for name in text:
        content = (released / name).read_text()
        assert str(finished[0].parent) not in content and "/tmp" not in content, name
    card = (released / "README.md").read_text()
    assert card.startswith("# ten-shapes\n") and "no rights reserved" in card
    assert f"{finished[2]['test']:.4f}" in card


def test_the_weights_are_those_of_the_run_in_half_precision(finished, released):
    expected, actual = (restore(folder)[0] for folder in (finished[0], released))
    for mine, theirs in zip(actual.weights, expected.weights, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-7, err_msg=mine.path)


def test_it_is_tested_as_a_run_is(finished, released, shards):
    given = ["--test_only", f"--logdir={released}", f"--dset_dir={shards}"]
    metrics = run_experiment(vars(argument_parser("").parse_args(given)))
    assert metrics["test_loss"] == pytest.approx(finished[2]["test_loss"], 1e-2)
    stored = json.loads((released / "metrics.json").read_text())
    assert stored["test"] == finished[2]["test"]


def test_weights_that_the_network_has_not_are_refused(finished, copied):
    path = copied[0] / "checkpoints" / "final.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez(path, **arrays, **{"weights/conv9_b0/conv/kernel": np.zeros((1, 2, 3))})
    with pytest.raises(RunError, match=r"architecture: for weights/conv9_b0\S+ found \(1, 2, 3\)"):
        restore(copied[0])


def test_refusals(finished, released, tmp_path, capsys):
    with pytest.raises(RunError, match="ten-shapes: expected an absent or empty folder"):
        release(finished[0], released, "")
    with pytest.raises(RunError, match="config.json: not found, expected a run folder"):
        release(tmp_path, tmp_path / "new", "")
    model, _ = restore(finished[0])
    model.weights[0].assign(np.full(model.weights[0].shape, 1e6))
    with pytest.raises(
        RunError, match=r"conv0_b0\S+: found 1e\+06, expected at most 65504, .*half precision"
    ):
        save_weights(RunFolder(tmp_path), "final", model, {})
    assert not list(pathlib.Path(tmp_path).iterdir())


def test_the_network_that_is_released_names_a_chair(tmp_path):
    predictor = Predictor(ROOT / "weights/modelnet40-points", kind="mesh")
    path = tmp_path / "drawn.off"
    path.write_bytes(mesh_bytes(draw("test", list(FAMILIES).index("chair"), 0), path))
    (found,) = predictor.predict([str(path)], rotations=2)
    assert found.classes[0] == "chair" and found.agreement == 1


def test_the_command(finished, tmp_path, capsys):
    folder = tmp_path / "mine"
    script("release")([str(finished[0]), str(folder), "--origin", "Mine."])
    assert capsys.readouterr().out == f"Model card: {folder}/README.md\n"
    message = "the following arguments are required: --origin"
    assert_fails(capsys, 2, message, script("release"), [str(finished[0]), str(folder)])


def test_a_run_that_was_not_tested_is_refused(copied, tmp_path, capsys):
    (copied[0] / "metrics.json").unlink()
    argv = [str(copied[0]), str(tmp_path / "out"), "--origin=ours"]
    message = ".*metrics.json: not found, expected a tested run; train.py --test_only --logdir .*"
    assert_fails(capsys, 1, message, script("release"), argv)
    assert not (tmp_path / "out").exists()
