import keras
import numpy as np
import pytest
from backends import gradients, numpy, recorded
from keras import ops
from reference import analyze, assert_close, band_limited, rotate, synthesize
from scipy.spatial.transform import Rotation

from spherical_cnn import two_branch
from spherical_cnn.choices import BRANCHES
from spherical_cnn.nn import TripletSemiHardLoss

FILTERS = (16, 16, 32, 32, 64, 64, 128, 128)
POOLED = (0, 0, 1, 0, 1, 0, 1, 0)


def small(**options):
    """Two layers from resolution 16, the first pooling, and 3 classes."""
    defaults = {
        "resolution": 16,
        "num_classes": 3,
        "filters": (4, 6),
        "pool_layers": (1, 0),
        "concat_layers": (0, 1),
        "num_anchors": 3,
    }
    return two_branch(**defaults | options)


def random_signal(rng, resolution=16, batch=2):
    return rng.normal(size=(batch, resolution, resolution, 2)).astype("float32")


@pytest.fixture(scope="module")
def original():
    """The network of the paper's ModelNet40 classification."""
    return two_branch(
        64,
        40,
        FILTERS,
        POOLED,
        POOLED,
        num_anchors=8,
        normalization="batch",
        global_average="area",
        final_dense=False,
        extra_logits=True,
    )


@pytest.fixture
def policy(keras_config):
    """Sets the global dtype policy, for one test."""
    return keras_config.set_dtype_policy


def test_original_network_has_492752_trainable_parameters(original):
    assert sum(weight.size for weight in map(np.asarray, original.trainable_weights)) == 492_752


def test_layers_may_have_anchors_of_their_own():
    network = small(num_anchors=[2, None])
    anchors = [network.get_layer(f"conv{i}_incidence").conv.kernel.shape[1] for i in range(2)]
    assert anchors == [2, 4]  # of 8 and of 4 degrees


def test_tables_are_no_weights(original):
    moving_statistics = 2 * 2 * sum(FILTERS)
    assert original.count_params() == 492_752 + moving_statistics
    names = {weight.name for weight in original.weights}
    assert names == {"kernel", "bias", "beta", "moving_mean", "moving_variance", "alpha"}


def test_original_network_ends_at_an_eighth_of_the_resolution(original):
    assert original.get_layer("final_conv").output.shape == (None, 8, 8, 256)
    shapes = {name: output.shape for name, output in original.output.items()}
    assert shapes == {
        "logits": (None, 40),
        "descriptor": (None, 256),
        "logits_branch1": (None, 40),
    }


def test_second_branch_never_sees_the_first_channel(original, rng):
    branches = keras.Model(
        original.input, [original.get_layer(f"conv7_{BRANCHES[j]}").output for j in range(2)]
    )
    signal = random_signal(rng, 64, batch=1)

    def power(signal, branch):
        return ops.sum(ops.square(branches(signal)[branch]))

    to_first, to_second = (
        np.abs(gradients(lambda x, j=j: power(x, j), signal)[0]).max(axis=(0, 1, 2))
        for j in range(2)
    )
    assert np.all(to_first > 0)
    assert to_second[0] == 0
    assert to_second[1] > 0


def test_original_network_is_invariant_under_longitude_rolls_of_its_pooling(original, rng):
    signal = random_signal(rng, 64)
    rolled = np.roll(signal, 3 * 8, axis=2)
    expected = original(signal)
    for name, output in original(rolled).items():
        assert_close(output, expected[name], 1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"pool": "wap", "global_average": "area", "final_pool": "all"},
        {"pool": "avg", "normalization": "batch_renorm"},
        {"pool": "max", "final_dense": False, "nonlinearity": "relu"},
        {"spectral_pooling": True, "normalization": "batch", "final_pool": "magnitudes"},
    ],
)
def test_networks_are_invariant_under_longitude_rolls_of_their_pooling(rng, options):
    model, signal = small(**options), random_signal(rng)
    expected = model(signal)["descriptor"]
    for steps in (2, 6, 10):
        assert_close(model(np.roll(signal, steps, axis=2))["descriptor"], expected, 1e-5)


def test_without_aliasing_rotations_change_the_descriptor_less(rng):
    coefficients = band_limited(rng, 8)
    matrices = Rotation.random(2, rng=rng).as_matrix()
    errors, sizes = [], []
    for dealias in (False, True):
        keras.utils.set_random_seed(0)
        model = small(
            pool="lowpass", global_average="quadrature", final_dense=False, dealias=dealias
        )
        start = np.asarray(model(synthesize(coefficients))["descriptor"])
        rotated = [model(synthesize(rotate(coefficients, m)))["descriptor"] for m in matrices]
        errors.append(np.linalg.norm(np.stack(numpy(rotated)) - start) / np.linalg.norm(start))
        sizes.append(model.count_params())
    assert errors[1] < errors[0] / 2 and sizes[0] == sizes[1]
    assert model.get_layer("conv0_distance").output.shape == (None, 24, 24, 4)


def test_smooth_nonlinearities_alias_less(rng):
    coefficients = band_limited(rng, 8)
    matrices = Rotation.random(2, rng=rng).as_matrix()
    kinds = (
        {"nonlinearity": "relu"},
        {"nonlinearity": "smooth_leaky_relu"},
        {"nonlinearity": "relu", "map_grid": "gauss_legendre"},
        {"nonlinearity": "smooth_leaky_relu", "map_grid": "gauss_legendre"},
    )
    errors = np.zeros((3, len(kinds)))  # weights differ from backend to backend
    for seed, kind in np.ndindex(*errors.shape):
        keras.utils.set_random_seed(seed)
        model = small(
            pool="lowpass",
            global_average="quadrature",
            final_dense=False,
            dealias=True,
            normalization="batch",
            **kinds[kind],
        )
        model(synthesize(band_limited(rng, 8, batch=8)), training=True)
        start = numpy(model(synthesize(coefficients))["descriptor"])
        rotated = [model(synthesize(rotate(coefficients, m)))["descriptor"] for m in matrices]
        errors[seed, kind] = np.linalg.norm(numpy(rotated) - start) / np.linalg.norm(start)
    relu, smooth, relu_of_fewer, smooth_of_fewer = errors.mean(0)
    assert smooth < relu / 1.2 and smooth_of_fewer < relu_of_fewer / 1.2
    shapes = [model.get_layer(f"conv{i}_distance").output.shape[1:3] for i in (0, 1)]
    assert shapes == [(12, 20), (6, 8)]  # of 8 degrees 4 are read; of 4 degrees, the mean


@pytest.mark.parametrize("map_grid", ["driscoll_healy", "gauss_legendre"])
def test_a_network_with_the_up_channel_sees_rotations_that_change_the_up_axis(rng, map_grid):
    options = {
        "pool": "lowpass",
        "global_average": "quadrature",
        "dealias": True,
        "map_grid": map_grid,
        "final_dense": False,
    }
    on, masked = (small(up_channel=value, **options) for value in ("on", "masked"))
    masked.set_weights(on.get_weights())
    coefficients = band_limited(rng, 8)
    start = synthesize(coefficients)
    rotated = synthesize(rotate(coefficients, Rotation.random(rng=rng).as_matrix()))
    errors = []
    for model in (on, masked):
        before = np.asarray(model(start)["descriptor"])
        for steps in (4, 12):
            assert_close(model(np.roll(start, steps, axis=2))["descriptor"], before, 1e-5)
        errors.append(np.linalg.norm(numpy(model(rotated)["descriptor"]) - before))
        errors[-1] /= np.linalg.norm(before)
    assert errors[1] < errors[0] / 4
    without = small(**options)
    added = on.count_params() - without.count_params()
    assert added == 3 * (4 + 4 + 6 + 6)


@pytest.mark.parametrize("pool", ["wap", "avg", "max"])
def test_rolls_that_split_the_pooled_windows_change_the_descriptor(rng, pool):
    model, signal = small(pool=pool), random_signal(rng)
    expected = np.asarray(model(signal)["descriptor"])
    rolled = np.asarray(model(np.roll(signal, 1, axis=2))["descriptor"])
    assert np.abs(rolled - expected).max() > 1e-3 * np.abs(expected).max()


def test_networks_of_both_transform_methods_agree(rng):
    separable, naive = small(method="sep"), small(method="naive")
    naive.set_weights(separable.get_weights())
    signal = random_signal(rng)
    assert_close(naive(signal)["logits"], separable(signal)["logits"], 1e-5)


@pytest.mark.parametrize(
    ("final_pool", "features"),
    [("gap", 12), ("max", 12), ("magnitudes", 4 * 12), ("all", 12 + 12 + 4 * 12)],
)
@pytest.mark.parametrize("average", ["grid", "area"])
def test_final_pool_decides_the_descriptor(final_pool, features, average):
    options = {"final_pool": final_pool, "global_average": average}
    pooled = small(final_dense=False, **options)
    assert pooled.output["descriptor"].shape == (None, features)
    assert small(**options).output["descriptor"].shape == (None, 64)


@pytest.mark.parametrize("average", ["grid", "area"])
def test_descriptor_is_mean_maximum_and_power_of_the_last_features(rng, average):
    model = small(final_pool="all", final_dense=False, global_average=average)
    signal = random_signal(rng)
    maps = np.asarray(keras.Model(model.input, model.get_layer("final_conv").output)(signal))
    if average == "area":
        maps = np.sin(np.pi * np.arange(0.5, 8) / 8)[:, None, None] * maps
    power = np.square(analyze(maps)).sum(axis=2).reshape(2, -1)
    expected = np.concatenate([maps.mean(axis=(1, 2)), maps.max(axis=(1, 2)), power], axis=-1)
    assert_close(model(signal)["descriptor"], expected, 1e-5)


def test_dense_descriptor_passes_the_nonlinearity(rng):
    signal = random_signal(rng)
    assert np.min(numpy(small(nonlinearity="relu")(signal)["descriptor"])) == 0
    assert np.min(numpy(small(nonlinearity="prelu")(signal)["descriptor"])) < 0


def test_extra_logits_read_the_second_branch(rng):
    model = small(extra_logits=True, final_dense=False)
    signal = random_signal(rng)
    other = signal + np.array([1, 0], "float32")
    before, after = numpy(model(signal)), numpy(model(other))
    np.testing.assert_array_equal(after["logits_branch1"], before["logits_branch1"])
    assert np.abs(after["logits"] - before["logits"]).max() > 1e-4


def test_regularization_is_the_mean_over_the_convolutions():
    model = small(regularization=0.3)
    kernels = [
        model.get_layer(f"conv{i}_{BRANCHES[j]}").conv.kernel for i in range(2) for j in range(2)
    ]
    halves = [0.5 * np.sum(np.square(kernel)) for kernel in kernels]
    np.testing.assert_allclose(sum(model.losses), 0.3 * np.mean(halves), rtol=1e-6)
    assert not small().losses


def test_dropout_acts_in_training_only(rng):
    model, plain = small(dropout=True), small()
    plain.set_weights(model.get_weights())
    signal = random_signal(rng)
    np.testing.assert_array_equal(model(signal)["logits"], plain(signal)["logits"])
    first, second = (np.asarray(model(signal, training=True)["descriptor"]) for _ in range(2))
    assert np.abs(first - second).max() > 0
    dropped = np.mean(numpy(model(signal, training=True)["descriptor"]) == 0)
    assert 0.3 < dropped < 0.7


@pytest.mark.parametrize("planar", [False, True])
def test_each_block_has_its_own_copy_of_a_normalization_layer(planar, tmp_path, rng):
    given = keras.layers.BatchNormalization(momentum=0.6, scale=False)
    model = small(normalization=given, planar=planar)
    assert not given.built
    means = [v for v in model.non_trainable_variables if "moving_mean" in v.path]
    assert len(means) == 4 and len({v.path for v in means}) == 4
    signal = rng.normal(size=(4, *model.input.shape[1:])).astype("float32")
    model(signal, training=True)
    fresh = [np.linalg.norm(numpy(v.value)) for v in means]
    assert min(fresh) > 0
    expected = numpy(model(signal)["logits"])
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert_close(numpy(again(signal)["logits"]), expected, 1e-5)


def compiled(**options):
    keras.utils.set_random_seed(7)
    model = small(
        resolution=8, filters=(4,), pool_layers=(1,), concat_layers=(1,), normalization="batch"
    )
    model.compile(
        keras.optimizers.SGD(0.1),
        {
            "logits": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            "descriptor": TripletSemiHardLoss(),
        },
        **options,
    )
    return model


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute", "ignore:Some donated buffers")
@recorded()
def test_compiled_training_step_equals_the_plain_one(rng):
    signal, labels = random_signal(rng, 8, batch=4), np.array([0, 1, 0, 1])
    targets = {"logits": labels, "descriptor": labels}
    plain, jitted = compiled(run_eagerly=True), compiled(jit_compile=True)
    before = plain.get_weights()
    for _ in range(2):
        expected = plain.train_on_batch(signal, targets)
        np.testing.assert_allclose(jitted.train_on_batch(signal, targets), expected, rtol=1e-4)
    for old, new, other in zip(before, plain.get_weights(), jitted.get_weights(), strict=True):
        assert np.abs(new - old).max() > 0
        assert_close(other, new, 1e-4)


@pytest.mark.parametrize(
    ("name", "normalization"), [("mixed_bfloat16", "batch"), ("mixed_float16", "batch_renorm")]
)
def test_mixed_precision_trains_with_float32_logits(rng, policy, name, normalization):
    policy(name)
    model = small(normalization=normalization, final_pool="all", extra_logits=True)
    assert model.get_layer("conv0_distance").compute_dtype == name.removeprefix("mixed_")
    signal, fixed = random_signal(rng), [w.value for w in model.non_trainable_variables]

    def loss(*weights):
        outputs, _ = model.stateless_call(weights, fixed, signal, training=True)
        return sum(ops.mean(ops.square(output)) for output in outputs.values())

    outputs = numpy(model(signal, training=True))
    assert all(output.dtype == "float32" for output in outputs.values())
    assert all(np.isfinite(output).all() for output in outputs.values())
    for gradient in gradients(loss, *(numpy(w.value) for w in model.trainable_variables)):
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("name", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_stays_near_single_precision(rng, policy, name):
    signal, single = random_signal(rng), small()
    policy(name)
    mixed = small()
    mixed.set_weights(single.get_weights())
    # bfloat16 has eight bits; how sums of them are rounded depends on the processor.
    assert_close(mixed(signal)["logits"], single(signal)["logits"], 0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filters": (4,)}, r"one entry per layer. Received: lengths \[1, 2, 2\]"),
        ({"filters": (), "pool_layers": (), "concat_layers": ()}, "one entry per layer"),
        ({"pool_layers": (0, 2)}, r"pool_layers takes 0 and 1. Received: \(0, 2\)"),
        ({"concat_layers": (0, -1)}, r"concat_layers takes 0 and 1. Received: \(0, -1\)"),
        ({"resolution": 18}, "1 poolings need a resolution divisible by 4. Received: .*=18"),
        ({"resolution": 20, "dealias": True}, "by 8. Received: resolution=20, dealias=True"),
        ({"map_grid": "hexagons"}, "map_grid must be one of .* Received: 'hexagons'"),
        ({"map_grid": "gauss_legendre"}, "needs dealias=True, .*Received: dealias=False"),
        ({"resolution": 0}, "divisible by 4. Received: resolution=0"),
        ({"final_pool": "sum"}, "final_pool must be one of .* Received: 'sum'"),
        ({"up_channel": "up"}, "up_channel must be one of .* Received: 'up'"),
        ({"pool": "sum"}, "pool must be one of .* Received: pool='sum'"),
        ({"normalization": "layer"}, "Received: normalization='layer'"),
        ({"nonlinearity": "nope"}, "nope"),
        ({"method": "fft"}, "method must be one of .* Received: method='fft'"),
        ({"num_anchors": 0}, "num_anchors must be positive or None. Received: num_anchors=0"),
        ({"num_anchors": [3]}, r"one entry, or one per layer, 2. Received: num_anchors=\[3\]"),
    ],
)
def test_network_refuses_unknown_options(options, message):
    with pytest.raises(ValueError, match=message):
        small(**options)
