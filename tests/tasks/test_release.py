"""A released network is used like its run, and names no folder."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest
from helpers import ROOT, assert_fails, parse_run, run

from spherical_cnn.cli import dispatch
from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.errors import RunError
from spherical_cnn.shapes.formats.mesh_writing import encode_mesh
from spherical_cnn.shapes.generated.procedural import FAMILIES, draw_mesh
from spherical_cnn.tasks import release as release_task
from spherical_cnn.tasks.predict import Predictor
from spherical_cnn.tasks.release import release
from spherical_cnn.training import report
from spherical_cnn.training.checkpoints import save_weights
from spherical_cnn.training.run import load_run
from spherical_cnn.training.run_config import RunConfig
from spherical_cnn.training.run_folder import RunFolder


@pytest.fixture(scope="module")
def released(finished, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights") / "ten-shapes"
    release(finished[0], folder, "Made by this program; no rights reserved.")
    return folder


def test_a_release_holds_what_use_and_testing_need(finished, released):
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
    expected, actual = (load_run(folder).model for folder in (finished[0], released))
    for mine, theirs in zip(actual.weights, expected.weights, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-7, err_msg=mine.path)


def test_a_released_network_is_tested_like_a_run(finished, released, shards):
    given = ["--test_only", f"--logdir={released}", f"--dset_dir={shards}"]
    metrics = run(*given)
    assert metrics["test_loss"] == pytest.approx(finished[2]["test_loss"], 1e-2)
    stored = json.loads((released / "metrics.json").read_text())
    assert stored["test"] == finished[2]["test"]


def flags_of(card):
    """The flags of the last block of code of a model card."""
    return card.split("```")[-2].split("\n")[1:-1]


def test_a_card_has_only_options_that_differ_from_their_defaults(finished, released):
    flags = flags_of((released / "README.md").read_text())
    config = load_run(finished[0]).config
    changed = {"logdir": "", "dset_dir": RunConfig().dset_dir, "run_id": "ten-shapes"}
    assert parse_run(flags) == dataclasses.replace(config, **changed)
    given, defaults = parse_run(flags).to_dict(), RunConfig().to_dict()
    differ = [name for name in given if given[name] != defaults[name]]
    assert [flag.removeprefix("--").partition("=")[0] for flag in flags] == differ


def test_a_card_of_a_run_on_online_data_names_online_and_no_folder(copied, tmp_path):
    path = copied[0] / "config.json"
    stored = json.loads(path.read_text())
    stored["options"] |= {"online": str(tmp_path / "shapes.npz"), "dset_dir": ""}
    path.write_text(json.dumps(stored))
    dataset = DatasetConfig(resolution=16, rays_per_sample=7, data_seed=5)
    made = {"classes": list(FAMILIES), "options": dataset.to_dict()}
    (copied[0] / "data.json").write_text(
        json.dumps({"source": str(tmp_path / "shapes.npz"), **made})
    )
    release(copied[0], tmp_path / "online", "Ours.")
    card = (tmp_path / "online/README.md").read_text()
    flags = flags_of(card)
    assert "--online=shapes.npz" in flags and str(tmp_path) not in card
    assert not [flag for flag in flags if flag.startswith(("--dset", "--logdir"))]
    assert "source: shapes.npz\n" in card and "rays_per_sample: 7\n" in card
    assert load_run(tmp_path / "online").config.online == "shapes.npz"


def test_the_card_of_the_released_network_is_what_release_writes(monkeypatch):
    folder = ROOT / "weights/modelnet40-points"
    version = json.loads((folder / "config.json").read_text())["version"]
    monkeypatch.setattr(report, "__version__", version)
    card = (folder / "README.md").read_text()
    loaded = load_run(folder)
    loaded.config = dataclasses.replace(loaded.config, online=loaded.dataset["source"])
    origin = card.split("## Shapes\n\n")[1].split("\n\n## ")[0]
    assert card == release_task._card(loaded, loaded.dataset, loaded.folder.read_metrics(), origin)


def test_weights_that_the_network_has_not_are_refused(finished, copied):
    path = copied[0] / "checkpoints" / "final.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez(path, **arrays, **{"weights/conv9_distance/conv/kernel": np.zeros((1, 2, 3))})
    with pytest.raises(
        RunError, match=r"architecture: for weights/conv9_distance\S+ found \(1, 2, 3\)"
    ):
        load_run(copied[0])


def test_releases_that_cannot_be_made_are_refused(finished, released, tmp_path, capsys):
    with pytest.raises(RunError, match="ten-shapes: expected an absent or empty folder"):
        release(finished[0], released, "")
    with pytest.raises(RunError, match="config.json: not found, expected a run folder"):
        release(tmp_path, tmp_path / "new", "")
    changed = load_run(finished[0])
    weight = changed.model.weights[0]
    weight.assign(np.full(weight.shape, 1e6))
    with pytest.raises(
        RunError, match=r"conv0_distance\S+: found 1e\+06, expected at most 65504, .*half precision"
    ):
        save_weights(changed, "final", RunFolder(tmp_path))
    assert not list(pathlib.Path(tmp_path).iterdir())


def test_the_network_that_is_released_names_a_chair(tmp_path):
    predictor = Predictor(ROOT / "weights/modelnet40-points", kind="mesh")
    path = tmp_path / "drawn.off"
    path.write_bytes(encode_mesh(draw_mesh("test", list(FAMILIES).index("chair"), 0), path))
    (found,) = predictor.predict([str(path)], rotations=2)
    assert found.classes[0] == "chair" and found.agreement == 1


def test_the_command_says_where_the_card_is(finished, tmp_path, capsys):
    folder = tmp_path / "mine"
    dispatch(["release", str(finished[0]), str(folder), "--origin", "Mine."])
    assert capsys.readouterr().out == f"Model card: {folder}/README.md\n"
    message = "the following arguments are required: --origin"
    assert_fails(capsys, 2, message, "release", [str(finished[0]), str(folder)])


def test_a_run_that_was_not_tested_is_refused(copied, tmp_path, capsys):
    (copied[0] / "metrics.json").unlink()
    argv = [str(copied[0]), str(tmp_path / "out"), "--origin=ours"]
    message = ".*metrics.json: not found, expected a tested run; scnn test --logdir .* tests it"
    assert_fails(capsys, 1, message, "release", argv)
    assert not (tmp_path / "out").exists()
