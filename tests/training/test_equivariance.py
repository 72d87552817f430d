"""Errors of layers under rotation: where they must vanish, and against the definition."""

import types

import keras
import numpy as np
import pytest
from reference import analyse, band_limited, rotate, synthesise

from spherical_cnn.data.config import Recipe
from spherical_cnn.nn import two_branch
from spherical_cnn.options import ConfigError
from spherical_cnn.reporting.page import table_lines
from spherical_cnn.signals.signal import ShapeError
from spherical_cnn.sphere.rotation import euler_to_matrix, random_rotations
from spherical_cnn.tasks import casting
from spherical_cnn.tasks.casting import cast_signals, find_casters
from spherical_cnn.training import equivariance
from spherical_cnn.training.run_folder import RunError

N = 16
ANGLES = random_rotations(2, np.random.default_rng(1))


def network(pool="wap", nonlinearity="prelu"):
    return two_branch(
        N,
        5,
        (4, 4),
        (1, 0),
        (0, 1),
        num_anchors=3,
        pool=pool,
        nonlinearity=nonlinearity,
        quadrature=True,
        final_dense=False,
    )


def signals(rng):
    return synthesise(band_limited(rng, N // 2)).astype("float32")


def test_only_what_breaks_equivariance_shows_an_error(rng):
    pairs = equivariance.exact_turns(signals(rng), ANGLES)
    exact = equivariance.measure(network("lowpass", "linear"), *pairs, ANGLES)
    assert set(exact["layers"]) == {
        *("signal", "descriptor", "logits"),
        *(f"{name}_b{j}" for name in ("conv0", "pool0", "conv1") for j in (0, 1)),
    }
    assert all(max(errors) < 1e-5 for errors in exact["layers"].values())
    assert exact["flips"] == [0, 0]
    pooled = equivariance.measure(network("wap", "linear"), *pairs, ANGLES)["layers"]
    assert max(pooled["conv0_b0"]) < 1e-5 and min(pooled["pool0_b0"]) > 0.05


def test_errors_are_those_of_the_definition(rng):
    model = network()
    start, turned = equivariance.exact_turns(signals(rng), ANGLES)
    found = equivariance.measure(model, start, turned, ANGLES)
    probe = keras.Model(model.input, model.get_layer("pool0_b1").output)
    classes = np.argmax(model.predict(start, verbose=0)["logits"], axis=-1)
    target = analyse(probe(start))
    for number, (angle, copies) in enumerate(zip(ANGLES, turned, strict=True)):
        difference = analyse(probe(copies)) - rotate(target, euler_to_matrix(angle))
        expected = np.linalg.norm(difference) / np.linalg.norm(target)
        assert found["layers"]["pool0_b1"][number] == pytest.approx(expected, rel=1e-4)
        changed = np.argmax(model.predict(copies, verbose=0)["logits"], axis=-1) != classes
        assert found["flips"][number] == np.mean(changed)


def test_shapes_turned_by_a_step_of_the_grid_give_the_turned_signal():
    casters = list(find_casters("embedded", Recipe(embedded_shapes=(0, 0, 3)), 3).values())
    angles = np.array([[2 * np.pi / N * 3, 0, 0], ANGLES[0]])
    start = cast_signals(casters, N)
    turned = [cast_signals(casters, N, rotation=matrix) for matrix in euler_to_matrix(angles)]
    assert start.shape == (3, N, N, 2)
    np.testing.assert_allclose(turned[0], np.roll(start, 3, axis=2), atol=1e-4)
    step, other = equivariance.measure(network(), start, turned, angles)["layers"]["signal"]
    assert step < 1e-3 < 0.02 < other < 1


def test_classes_take_turns_and_train_stands_in_for_a_missing_test_split(tmp_path):
    recipe = Recipe(embedded_shapes=(12, 0, 0))
    assert len(find_casters("embedded", recipe, 20)) == 12
    folder = tmp_path / "chair" / "test"
    folder.mkdir(parents=True)
    (folder / "a.off").write_text("no mesh")
    with pytest.raises(
        ConfigError, match="no shape that can be cast; the first, chair/test/a.off: "
    ):
        find_casters(tmp_path, recipe, 3)


def test_shapes_that_no_ray_sees_are_skipped(tmp_path, monkeypatch):
    said: list[str] = []
    monkeypatch.setattr(casting.logger, "warning", said.append)
    folder = tmp_path / "chair" / "test"
    folder.mkdir(parents=True)
    (folder / "a.off").write_text("no mesh")
    (folder / "b.off").write_text("OFF\n3 1 0\n0 0 0\n1 0 2\n0 1 0\n3 0 1 2\n")
    config = types.SimpleNamespace(seed=0, input_res=N)
    probe = equivariance.Probe(shapes=4, rotations=1)
    with pytest.raises(ShapeError, match="no ray meets any of 1 shapes"):
        equivariance.measure_shapes(network(), config, tmp_path, Recipe(), probe)
    assert said[0].startswith("skipped: chair/test/a.off: ")
    assert said[1].startswith("skipped: chair/test/b.off: blank: at most")


def test_outputs_that_are_not_finite_are_refused(rng):
    model = network()
    model.get_layer("logits").set_weights(
        [np.full_like(w, np.nan) for w in model.get_layer("logits").get_weights()]
    )
    with pytest.raises(RunError, match="layer logits: found outputs that are not finite"):
        equivariance.measure(model, signals(rng), [], [])


def test_the_table_has_medians_and_changed_predictions():
    ways = {
        "exact": {"layers": {"conv0_b0": [0.01, 0.02, 0.09]}, "flips": [0, 0.25]},
        "re-cast": {"layers": {"conv0_b0": [0.5, 0.5, 0.5]}, "flips": [1, 1]},
    }
    assert table_lines(*equivariance.error_table(ways)) == [
        "| relative error, % | exact | re-cast |",
        "|---|---:|---:|",
        "| conv0_b0 | 2.00 | 50.00 |",
        "| predictions changed, % | 12.5 | 100.0 |",
    ]
