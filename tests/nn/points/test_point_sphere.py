"""The network of points, and what every layer of points keeps."""

import inspect
import json

import keras
import numpy as np
import pytest
from backends import BACKEND, needs_float64, numpy, recorded
from helpers import POINT_LAYERS
from reference import assert_close

import spherical_cnn.nn
from spherical_cnn import point_sphere
from spherical_cnn.nn.losses import SmoothedCrossentropy
from spherical_cnn.shapes.sampling import arrange
from spherical_cnn.sphere.rotation import euler_to_matrix

SMALL = {
    "neighborhoods": (6, 12),
    "point_filters": (8, 6),
    "pair_points": (20, 10),
    "pair_neighbors": (8, 4),
    "pair_filters": (8, 10),
    "shells": 2,
    "shell_channels": 3,
    "bandwidth": 6,
    "filters": (5, 7),
    "degrees": (6, 3),
    "dense": 9,
}
every_layer = pytest.mark.parametrize("name", POINT_LAYERS)


@pytest.fixture
def points(rng):
    return rng.uniform(-0.6, 0.6, size=(3, 40, 3)).astype("float32")


def arranged(points, front=20, neighbors=16):
    rows, near = zip(*(arrange(x, len(x), front, neighbors) for x in points), strict=True)
    return {"points": np.stack(rows), "neighbors": np.stack(near).astype("int32")}


def trained(model, points):
    """Moves the statistics of the normalization."""
    model(points, training=True)
    return model


def test_every_public_layer_of_points_is_tested_here():
    public = {getattr(spherical_cnn.nn, name) for name in spherical_cnn.nn.__all__}
    rooms = "spherical_cnn.nn.points."
    layers = {c for c in public if inspect.isclass(c) and c.__module__.startswith(rooms)}
    assert {type(make()) for make, _ in POINT_LAYERS.values()} == layers


@every_layer
def test_config_names_every_argument_and_survives_json(name):
    layer = POINT_LAYERS[name][0]()
    config = json.loads(json.dumps(layer.get_config()))
    arguments = set(inspect.signature(type(layer)).parameters) - {"args", "kwargs"}
    assert arguments <= set(config)
    assert type(layer).from_config(config).get_config() == layer.get_config()


@every_layer
def test_saved_layer_does_the_same_and_computes_its_shape(name, points, tmp_path):
    make, inputs_of = POINT_LAYERS[name]
    layer, arrays = make(), inputs_of(points)
    expected = numpy(layer(*arrays))
    assert layer.compute_output_shape(*(x.shape for x in arrays)) == expected.shape
    inputs = [keras.Input(x.shape[1:], dtype=str(x.dtype)) for x in arrays]
    model = keras.Model(inputs, layer(*inputs))
    assert model.output_shape == (None, *expected.shape[1:])
    assert keras.backend.standardize_dtype(model.output.dtype) == str(expected.dtype)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(numpy(loaded(arrays)), expected)
    assert_close(loaded([x[:1] for x in arrays]), expected[:1], 1e-6)


@every_layer
@pytest.mark.parametrize(
    ("policy", "tolerance"), [("mixed_float16", 0.02), ("mixed_bfloat16", 0.1)]
)
def test_layers_compute_the_same_in_mixed_precision(keras_config, name, points, policy, tolerance):
    make, inputs_of = POINT_LAYERS[name]
    plain, arrays = make(), inputs_of(points)
    expected = numpy(plain(*arrays))
    keras_config.set_dtype_policy(policy)
    layer = make()
    layer(*arrays)
    layer.set_weights(plain.get_weights())
    assert_close(numpy(layer(*arrays)).astype("float64"), expected, tolerance)


@pytest.mark.parametrize("levels", [0, 1, 2])
def test_orders_change_nothing_and_rotations_little(points, rng, levels):
    level = {
        name: SMALL[name][:levels] for name in ("pair_points", "pair_neighbors", "pair_filters")
    }
    model = trained(point_sphere(4, 40, **{**SMALL, **level}), points)
    expected = numpy(model(points))
    for name, values in numpy(model(points[:, rng.permutation(40)])).items():
        assert_close(values, expected[name], 1e-5)
    rotated = points @ euler_to_matrix([0.4, 1.9, -2.2]).T.astype("float32")
    for name, values in numpy(model(rotated)).items():  # the nonlinearities of the blocks alias
        assert_close(values, expected[name], 0.05)


@needs_float64
def test_rotations_change_no_features_of_points_in_float64(keras_config, points):
    keras_config.set_floatx("float64")
    keras_config.set_dtype_policy("float64")
    points = points.astype("float64")
    model = trained(point_sphere(4, 40, **SMALL), points)
    model = keras.Model(model.input, [model.get_layer(f"pooled{i}").output for i in range(3)])
    rotated = points @ euler_to_matrix([0.4, 1.9, -2.2]).T
    for found, expected in zip(numpy(model(rotated)), numpy(model(points)), strict=True):
        assert_close(found, expected, 1e-11)


def test_arranged_points_give_the_same(points):
    model = trained(point_sphere(4, 40, **SMALL), points)
    other = point_sphere(4, 40, **SMALL, arranged=True)
    assert [w.path for w in other.weights] == [w.path for w in model.weights]
    other.set_weights(model.get_weights())
    for name, values in numpy(other(arranged(points))).items():
        assert_close(values, numpy(model(points)[name]), 1e-5)


def test_padding_with_nan_changes_nothing(points):
    model = trained(point_sphere(4, 40, **SMALL), points)
    wider = point_sphere(4, 50, **SMALL)
    wider.set_weights(model.get_weights())
    padded = np.concatenate([points, np.full((3, 10, 3), np.nan, "float32")], 1)
    for name, values in numpy(wider(padded)).items():
        assert_close(values, numpy(model(points)[name]), 1e-5)


def test_a_cloud_without_points_gives_finite_numbers(points):
    model = trained(point_sphere(4, 40, **SMALL), points)
    found = numpy(model(np.full((1, 40, 3), np.nan, "float32")))
    assert all(np.isfinite(values).all() for values in found.values())


def test_the_network_has_under_a_million_parameters_and_names_its_outputs():
    model = point_sphere(40, arranged=True)
    assert model.count_params() < 1_000_000
    shapes = {name: x.shape for name, x in zip(model.output_names, model.outputs, strict=True)}
    assert shapes == {"logits": (None, 40), "descriptor": (None, 256)}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Some donated buffers", "ignore:The .grad attribute")
@pytest.mark.skipif(BACKEND == "torch", reason="torch's compiler takes minutes")
@recorded()
def test_compiled_step_is_the_plain_one(points):
    labels, losses, weights = np.array([0, 1, 3]), [], []
    for options in ({"run_eagerly": True}, {"jit_compile": True}):
        keras.utils.set_random_seed(7)
        model = point_sphere(4, 40, **SMALL, dropout=0.0, arranged=True)
        model.compile(keras.optimizers.SGD(0.01), {"logits": SmoothedCrossentropy(0.1)}, **options)
        losses.append(model.train_on_batch(arranged(points), {"logits": labels}))
        weights.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    assert_close(*weights, 1e-4)


def test_smoothed_crossentropy_is_that_of_smoothed_labels(rng):
    logits, labels = rng.normal(size=(5, 4)).astype("float32"), np.array([0, 3, 1, 1, 2])
    expected = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    found = SmoothedCrossentropy(0.1)
    copy = keras.losses.deserialize(keras.losses.serialize(found))
    for loss in (found, copy):
        assert_close(loss(labels, logits), expected(np.eye(4)[labels], logits), 1e-6)
    with pytest.raises(ValueError, match="label_smoothing must be at least 0 and below 1"):
        SmoothedCrossentropy(1)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"pair_points": (20,)}, "pair_points, pair_neighbors, pair_filters need one entry per"),
        ({"degrees": (6,)}, "filters, degrees need one entry per layer"),
        ({"pair_points": (20, 30)}, "pair_points must not increase"),
        ({"pair_neighbors": (8, 21)}, "pair_points must not increase"),
    ],
)
def test_invalid_options_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        point_sphere(4, 40, **{**SMALL, **changed})
