"""A run tested on shapes: the same as testing it on their signals, classes by name or number."""

import json
import types

import numpy as np
import pytest
from helpers import assert_fails, script

from spherical_cnn.cli import exit_code
from spherical_cnn.data.config import Recipe, draw_poses
from spherical_cnn.data.records.codec import split_complex
from spherical_cnn.data.sources import find_shapes
from spherical_cnn.options import ConfigError
from spherical_cnn.sphere import SphericalGrid
from spherical_cnn.tasks.evaluate import _labels, evaluate_shapes
from spherical_cnn.training.run import restore
from spherical_cnn.training.run_folder import RunFolder

pytest.importorskip("embreex")


def test_shapes_are_cast_and_classified(finished, capsys):
    run = str(finished[0])
    flags = ["--embedded_shapes=0,0,12", "--test_copies=2", "--rings=1"]
    assert exit_code(script("evaluate"), [run, "embedded", *flags, "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert exit_code(script("evaluate"), [run, "embedded", *flags]) == 0
    assert f"rotation so3, 24 samples, 0 shapes left out, accuracy {results['test']:.4f}" in (
        capsys.readouterr().out
    )
    recipe = Recipe(resolution=16, test_copies=2, rings=1, embedded_shapes=(0, 0, 12))
    assert results["recipe"] == recipe.to_json()
    found = find_shapes("embedded", embedded_shapes=(0, 0, 12))
    model, config = restore(run)
    confusion = np.zeros((10, 10), int)
    for item in found.items:
        caster = item.caster(**recipe.reading)
        for pose in draw_poses(recipe, "test", item.name):
            samples = caster.signal(SphericalGrid(8), pose, 1)
            logits = model(split_complex(samples[None, ..., None]))["logits"]
            confusion[found.classes.index(item.class_name), np.argmax(logits)] += 1
    assert results["confusion"] == confusion.tolist()
    assert results["test"] == pytest.approx(np.trace(confusion) / 24)


@pytest.mark.parametrize("rotation", ["none", "z", "so3"])
def test_the_network_is_told_which_way_is_up_but_for_any_rotation(finished, monkeypatch, rotation):
    asked = []

    def restored(path, upright):
        asked.append(upright)
        return restore(path, upright)

    monkeypatch.setattr("spherical_cnn.tasks.evaluate.restore", restored)
    given = {"embedded_shapes": (0, 0, 2), "test_rotation": rotation}
    evaluate_shapes(str(finished[0]), "embedded", given)
    assert asked == [rotation != "so3"]


def test_bad_sources_are_named(finished, tmp_path, capsys):
    run = str(finished[0])
    assert_fails(capsys, 2, "nothing: expected a folder.*", script("evaluate"), [run, "nothing"])
    absent = str(tmp_path / "absent")
    assert_fails(capsys, 1, ".*not found.*", script("evaluate"), [absent, "embedded"])


def test_nearly_blank_shapes_count_and_are_named(finished, tmp_path, capsys):
    folder = tmp_path / "shapes/bed/test"
    folder.mkdir(parents=True)
    (folder / "sheet.off").write_text("OFF\n3 1 0\n0 0 0\n1 0 2\n0 1 0\n3 0 1 2\n")
    (folder / "solid.off").write_text(
        "OFF\n4 4 0\n0 0 0\n1 0 0\n0 2 0\n0 0 3\n3 0 2 1\n3 0 1 3\n3 0 3 2\n3 1 2 3\n"
    )
    results = evaluate_shapes(str(finished[0]), folder.parents[1], {})
    assert results["blank"] == ["bed/test/sheet.off"] and results["test_samples"] == 2
    script("evaluate")([str(finished[0]), str(folder.parents[1])])
    out = capsys.readouterr().out
    assert "nearly blank: bed/test/sheet.off" in out and ", 1 nearly blank, accuracy" in out


def test_labels_go_by_the_names_of_the_run_and_by_number_without_names():
    def source(classes, used):
        return types.SimpleNamespace(
            classes=classes, items=[types.SimpleNamespace(class_name=name) for name in used]
        )

    run = ["bed", "chair", "desk"]
    assert _labels(source(["chair", "desk"], ["desk"]), run, 3)["desk"] == 2
    assert _labels(source(["class_0", "class_1"], ["class_1"]), run, 3)["class_1"] == 1
    assert _labels(source(["a", "b"], ["b"]), [], 3)["b"] == 1
    with pytest.raises(ConfigError, match="sofa; expected some of the run's 3: bed, chair, desk"):
        _labels(source(["chair", "sofa"], ["chair", "sofa"]), run, 3)
    with pytest.raises(ConfigError, match="expected some of the run's 2"):
        _labels(source(["a", "b", "c"], ["a"]), [], 2)


def test_a_run_keeps_what_the_manifest_says_of_its_data(tmp_path):
    run = RunFolder(tmp_path / "run")
    run.write_data(str(tmp_path))
    assert run.read_data() == {"source": None, "classes": [], "options": {}}
    manifest = {"source": "s", "classes": ["a"], "options": {"rings": 2}, "shards": {}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    run.write_data(str(tmp_path))
    assert run.read_data() == {"source": "s", "classes": ["a"], "options": {"rings": 2}}
