"""A run that is tested on shapes: the accuracy of their signals, classes by name or number."""

import json
import os
import shutil
import tempfile

import numpy as np
import pytest
from helpers import assert_fails, files, run
from scipy import special

from spherical_cnn.cli import dispatch, exit_code
from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.data.poses import add_views, draw_poses
from spherical_cnn.data.sources import Item, Source, find_shapes
from spherical_cnn.errors import ConfigError
from spherical_cnn.shapes.load import to_mesh
from spherical_cnn.shapes.raycast import RayCaster
from spherical_cnn.sphere import SphericalGrid
from spherical_cnn.tasks.evaluate import _labels, evaluate_shapes
from spherical_cnn.training.run import load_run
from spherical_cnn.training.run_folder import RunFolder

pytest.importorskip("embreex")


def test_shapes_are_cast_and_classified(finished, capsys):
    run = str(finished[0])
    flags = ["--embedded_shapes=0,0,12", "--test_copies=2", "--rays_per_sample=7"]
    assert exit_code(["evaluate", run, "embedded", *flags, "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert exit_code(["evaluate", run, "embedded", *flags]) == 0
    assert f"rotation so3, 24 samples, 0 shapes skipped, accuracy {results['test']:.4f}" in (
        capsys.readouterr().out
    )
    config = DatasetConfig(
        resolution=16, test_copies=2, rays_per_sample=7, embedded_shapes=(0, 0, 12)
    )
    assert results["dataset"] == config.to_dict()
    found = find_shapes("embedded", embedded_shapes=(0, 0, 12))
    model = load_run(run).model
    confusion = np.zeros((10, 10), int)
    for item in found.items:
        ray_caster = RayCaster(to_mesh(item.origin.shape(**config.reading)))
        for pose in draw_poses(config, "test", item.name):
            logits = model(ray_caster.signal(SphericalGrid(8), pose, 7)[None])["logits"]
            confusion[found.classes.index(item.class_name), np.argmax(logits)] += 1
    assert results["confusion"] == confusion.tolist()
    assert results["test"] == pytest.approx(np.trace(confusion) / 24)


def test_views_are_averaged_and_reported_apart(finished, capsys):
    run = str(finished[0])
    flags = ["--embedded_shapes=0,0,12", "--test_copies=2", "--shift_range=0.2"]
    assert exit_code(["evaluate", run, "embedded", *flags, "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert exit_code(["evaluate", run, "embedded", *flags, "--tta=3"]) == 0
    printed = capsys.readouterr().out
    assert f"24 samples, 0 shapes skipped, accuracy {alone['test']:.4f}" in printed
    config = DatasetConfig(resolution=16, test_copies=2, shift_range=0.2)
    model, correct = load_run(run).model, 0
    found = find_shapes("embedded", embedded_shapes=(0, 0, 12))
    for item in found.items:
        ray_caster = RayCaster(to_mesh(item.origin.shape(**config.reading)))
        poses = add_views(draw_poses(config, "test", item.name), 3, config, item.name)
        signals = np.stack([ray_caster.signal(SphericalGrid(8), pose) for pose in poses])
        mean = special.softmax(np.asarray(model(signals)["logits"]), -1).reshape(2, 3, -1).mean(1)
        correct += (mean.argmax(1) == found.classes.index(item.class_name)).sum()
    assert f"mean of 3 views of each sample: accuracy {correct / 24:.4f}" in printed
    assert_fails(
        capsys, 2, "--tta: without --shift_range.*", "evaluate", [run, "embedded", "--tta=2"]
    )


@pytest.mark.parametrize("rotation", ["none", "z", "so3"])
def test_the_up_axis_is_known_except_for_so3_rotations(finished, monkeypatch, rotation):
    asked = []

    def load(path, upright):
        asked.append(upright)
        return load_run(path, upright)

    monkeypatch.setattr("spherical_cnn.tasks.evaluate.load_run", load)
    given = {"embedded_shapes": (0, 0, 2), "test_rotation": rotation}
    evaluate_shapes(str(finished[0]), "embedded", given)
    assert asked == [rotation != "so3"]


def test_bad_sources_are_named(finished, tmp_path, capsys):
    run = str(finished[0])
    assert_fails(capsys, 2, "nothing: expected a folder.*", "evaluate", [run, "nothing"])
    absent = str(tmp_path / "absent")
    assert_fails(capsys, 1, ".*not found.*", "evaluate", [absent, "embedded"])


def test_nearly_blank_shapes_count_and_are_named(finished, tmp_path, capsys):
    folder = tmp_path / "shapes/bed/test"
    folder.mkdir(parents=True)
    (folder / "sheet.off").write_text("OFF\n3 1 0\n0 0 0\n1 0 2\n0 1 0\n3 0 1 2\n")
    (folder / "solid.off").write_text(
        "OFF\n4 4 0\n0 0 0\n1 0 0\n0 2 0\n0 0 3\n3 0 2 1\n3 0 1 3\n3 0 3 2\n3 1 2 3\n"
    )
    results = evaluate_shapes(str(finished[0]), folder.parents[1], {})
    assert results["blank"] == ["bed/test/sheet.off"] and results["test_samples"] == 2
    dispatch(["evaluate", str(finished[0]), str(folder.parents[1])])
    out = capsys.readouterr().out
    assert "nearly blank: bed/test/sheet.off" in out and ", 1 nearly blank, accuracy" in out


def test_labels_go_by_the_names_of_the_run_and_by_number_without_names():
    def source(classes, used):
        items = [Item("test", name, f"{name}/0", None) for name in used]
        return Source("shapes.npz", items, classes, [], "")

    run = ["bed", "chair", "desk"]
    assert _labels(source(["chair", "desk"], ["desk"]), run, 3)["desk"] == 2
    assert _labels(source(["class_0", "class_1"], ["class_1"]), run, 3)["class_1"] == 1
    assert _labels(source(["a", "b"], ["b"]), [], 3)["b"] == 1
    with pytest.raises(ConfigError, match="npz: found classes sofa; expected some of the run's 3"):
        _labels(source(["chair", "sofa"], ["chair", "sofa"]), run, 3)
    with pytest.raises(ConfigError, match="expected some of the run's 2"):
        _labels(source(["a", "b", "c"], ["a"]), [], 2)


def test_a_run_keeps_what_the_manifest_says_of_its_dataset(copied, shards, tmp_path):
    folder, flags = copied
    assert RunFolder(folder).read_data() == {"source": None, "classes": [], "options": {}}
    data = tmp_path / "data"
    shutil.copytree(shards, data)
    options = {"resolution": 16, "rings": 2}  # as an earlier version names them
    manifest = {"source": "s", "classes": ["a"], "options": options, "shards": {}}
    (data / "manifest.json").write_text(json.dumps(manifest))
    run(*flags, f"--dset_dir={data}")
    assert RunFolder(folder).read_data() == {
        "source": "s",
        "classes": ["a"],
        "options": {"resolution": 16, "rays_per_sample": 19},
    }


def test_nothing_but_the_results_comes_of_an_evaluation(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/absent")  # a temporary file would be an error
    monkeypatch.chdir(tmp_path)
    written, write = [], os.replace
    monkeypatch.setattr(os, "replace", lambda *paths: written.append(paths) or write(*paths))
    before = files(finished[0])
    results = evaluate_shapes(str(finished[0]), "embedded", {"embedded_shapes": (0, 0, 3)})
    assert results["test_samples"] == 3
    assert files(finished[0]) == before and files(tmp_path) == {} and written == []
