"""Errors of layers under rotation: where they must vanish, and against the definition."""

import keras
import numpy as np
import pytest
from reference import analyze, band_limited, rotate, synthesize

from spherical_cnn.choices import BRANCHES
from spherical_cnn.errors import RunError
from spherical_cnn.nn import two_branch
from spherical_cnn.nn.layer_errors import error_table, measure, rotated_exactly
from spherical_cnn.reporting.page import table_lines
from spherical_cnn.sphere.rotation import euler_to_matrix, random_rotations

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
        global_average="quadrature",
        final_dense=False,
    )


def signals(rng):
    return synthesize(band_limited(rng, N // 2)).astype("float32")


def test_only_what_breaks_equivariance_shows_an_error(rng):
    pairs = rotated_exactly(signals(rng), ANGLES)
    exact = measure(network("lowpass", "linear"), *pairs, ANGLES)
    assert set(exact["layers"]) == {
        *("signal", "descriptor", "logits"),
        *(f"{name}_{BRANCHES[j]}" for name in ("conv0", "pool0", "conv1") for j in (0, 1)),
    }
    assert all(max(errors) < 1e-5 for errors in exact["layers"].values())
    assert exact["flips"] == [0, 0]
    pooled = measure(network("wap", "linear"), *pairs, ANGLES)["layers"]
    assert max(pooled["conv0_distance"]) < 1e-5 and min(pooled["pool0_distance"]) > 0.05


def test_errors_are_those_of_the_definition(rng):
    model = network()
    start, rotated = rotated_exactly(signals(rng), ANGLES)
    found = measure(model, start, rotated, ANGLES)
    probe = keras.Model(model.input, model.get_layer("pool0_incidence").output)
    classes = np.argmax(model.predict(start, verbose=0)["logits"], axis=-1)
    target = analyze(probe(start))
    for number, (angle, copies) in enumerate(zip(ANGLES, rotated, strict=True)):
        difference = analyze(probe(copies)) - rotate(target, euler_to_matrix(angle))
        expected = np.linalg.norm(difference) / np.linalg.norm(target)
        assert found["layers"]["pool0_incidence"][number] == pytest.approx(expected, rel=1e-4)
        changed = np.argmax(model.predict(copies, verbose=0)["logits"], axis=-1) != classes
        assert found["flips"][number] == np.mean(changed)


def test_outputs_that_are_not_finite_are_refused(rng):
    model = network()
    model.get_layer("logits").set_weights(
        [np.full_like(w, np.nan) for w in model.get_layer("logits").get_weights()]
    )
    with pytest.raises(RunError, match="layer logits: found outputs that are not finite"):
        measure(model, signals(rng), [], [])


def test_the_table_has_medians_and_changed_predictions():
    ways = {
        "exact": {"layers": {"conv0_distance": [0.01, 0.02, 0.09]}, "flips": [0, 0.25]},
        "re-cast": {"layers": {"conv0_distance": [0.5, 0.5, 0.5]}, "flips": [1, 1]},
    }
    assert table_lines(*error_table(ways)) == [
        "| relative error, % | exact | re-cast |",
        "|---|---:|---:|",
        "| conv0_distance | 2.00 | 50.00 |",
        "| predictions changed, % | 12.5 | 100.0 |",
    ]
