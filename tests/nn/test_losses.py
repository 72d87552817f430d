import numpy as np
import pytest
from backends import gradients, needs_float64, numpy
from keras import ops
from reference import assert_close

from spherical_cnn.nn import TripletSemiHardLoss


def triple_loop(labels, descriptors, margin):
    """The loss by its definition, one anchor and positive at a time."""
    rows = descriptors / np.linalg.norm(descriptors, axis=1, keepdims=True)
    distance = np.sum((rows[:, None] - rows) ** 2, axis=-1)
    hinges = []
    for anchor, label in enumerate(labels):
        others = [distance[anchor, n] for n in range(len(labels)) if labels[n] != label]
        for positive in range(len(labels)):
            if positive != anchor and labels[positive] == label:
                to_positive = distance[anchor, positive]
                farther = [d for d in others if d > to_positive]
                negative = min(farther) if farther else max(others)
                hinges.append(max(0.0, margin + to_positive - negative))
    return np.mean(hinges)


def value_and_gradient(labels, descriptors, **options):
    loss = TripletSemiHardLoss(dtype="float64", **options)
    (gradient,) = gradients(lambda x: loss(np.asarray(labels), x), descriptors)
    return float(loss(np.asarray(labels), ops.convert_to_tensor(descriptors))), gradient


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("margin", [0.2, 1.0])
def test_loss_is_the_mean_over_semi_hard_triplets(rng, classes, margin):
    for _ in range(5):
        labels, descriptors = rng.integers(classes, size=16), rng.normal(size=(16, 3))
        value, _ = value_and_gradient(labels, descriptors, margin=margin)
        np.testing.assert_allclose(value, triple_loop(labels, descriptors, margin), rtol=1e-10)


def test_farthest_negative_counts_where_none_is_farther_than_the_positive():
    # Distances: 4 between the positives; 2 and 0.8, 2 and 3.2 from them to the negatives.
    descriptors = np.array([[1, 0], [-1, 0], [0, 1], [0.6, 0.8]])
    value, _ = value_and_gradient([0, 0, 1, 2], descriptors)
    np.testing.assert_allclose(value, ((1 + 4 - 2) + (1 + 4 - 3.2)) / 2)


def test_gradient_is_that_of_finite_differences(rng):
    labels, descriptors, step = [0, 0, 1, 1, 2, 2], rng.normal(size=(6, 3)), 1e-6
    _, gradient = value_and_gradient(labels, descriptors)
    numeric = np.zeros_like(descriptors)
    for index in np.ndindex(descriptors.shape):
        shift = np.zeros_like(descriptors)
        shift[index] = step
        ahead, behind = (triple_loop(labels, descriptors + s, 1.0) for s in (shift, -shift))
        numeric[index] = (ahead - behind) / (2 * step)
    assert_close(gradient, numeric, 1e-7)


def test_loss_ignores_the_length_of_descriptors_and_the_shape_of_labels(rng):
    labels, descriptors = rng.integers(3, size=12), rng.normal(size=(12, 4))
    value, _ = value_and_gradient(labels, descriptors)
    scaled, _ = value_and_gradient(labels[:, None], descriptors * rng.uniform(1, 5, (12, 1)))
    np.testing.assert_allclose(scaled, value, rtol=1e-10)


@pytest.mark.parametrize("count", [1, 5])
def test_batch_without_positives_contributes_exactly_nothing(rng, count):
    value, gradient = value_and_gradient(np.arange(count), rng.normal(size=(count, 4)))
    assert value == 0
    np.testing.assert_array_equal(gradient, np.zeros((count, 4)))


def test_batch_of_one_class_pulls_its_members_together(rng):
    descriptors = rng.normal(size=(6, 4))
    rows = descriptors / np.linalg.norm(descriptors, axis=1, keepdims=True)
    distance = np.sum((rows[:, None] - rows) ** 2, axis=-1)
    value, _ = value_and_gradient(np.zeros(6), descriptors)
    np.testing.assert_allclose(value, 1 + distance.sum() / 30, rtol=1e-10)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    "blank", [[0], [0, 3], [0, 1, 2], range(6)], ids=["one", "two classes", "a class", "all"]
)
def test_no_gradient_reaches_descriptors_of_zeros(rng, blank, dtype):
    descriptors = rng.normal(size=(6, 4)).astype(dtype)
    descriptors[list(blank)] = 0
    loss, labels = TripletSemiHardLoss(), np.array([0, 0, 0, 1, 1, 1])
    (gradient,) = gradients(lambda x: loss(labels, x), descriptors)
    assert np.isfinite(numpy(loss(labels, descriptors)))
    assert np.all(np.isfinite(gradient))
    np.testing.assert_array_equal(gradient[list(blank)], 0)
    assert np.any(gradient) == (len(blank) < 6)


@needs_float64
def test_gradient_of_the_other_descriptors_is_that_of_finite_differences(rng):
    labels, descriptors, step = [0, 0, 0, 1, 1, 1], rng.normal(size=(6, 3)), 1e-6
    descriptors[1] = 0
    value, gradient = value_and_gradient(labels, descriptors)
    for index in np.ndindex(descriptors.shape):
        shift = np.zeros_like(descriptors)
        shift[index] = step if index[0] != 1 else 0
        ahead, _ = value_and_gradient(labels, descriptors + shift)
        behind, _ = value_and_gradient(labels, descriptors - shift)
        np.testing.assert_allclose(gradient[index], (ahead - behind) / (2 * step), atol=1e-7)


@pytest.mark.parametrize("size", [1e-10, 1e-3, 1e10])
def test_short_and_long_descriptors_have_the_value_of_any_others(rng, size):
    labels, descriptors = [0, 0, 0, 1, 1, 1], rng.normal(size=(6, 4)).astype("float32")
    loss = TripletSemiHardLoss()
    expected = float(loss(np.array(labels), descriptors))
    actual = float(loss(np.array(labels), descriptors * np.float32(size)))
    np.testing.assert_allclose(actual, expected, rtol=1e-5)
    (gradient,) = gradients(lambda x: loss(np.array(labels), x), descriptors * np.float32(size))
    assert np.all(np.isfinite(gradient))


def test_equal_descriptors_attract_and_repel_nothing(rng):
    descriptors = np.repeat(rng.normal(size=(1, 4)), 6, axis=0).astype("float32")
    loss, labels = TripletSemiHardLoss(), np.array([0, 0, 0, 1, 1, 1])
    np.testing.assert_allclose(float(loss(labels, descriptors)), 1, rtol=1e-6)
    (gradient,) = gradients(lambda x: loss(labels, x), descriptors)
    np.testing.assert_allclose(gradient, 0, atol=1e-6)


def test_loss_of_an_empty_batch_is_zero():
    loss = TripletSemiHardLoss()
    empty = np.zeros((0, 4), "float32")
    assert float(loss(np.zeros(0, "int32"), empty)) == 0
    (gradient,) = gradients(lambda x: loss(np.zeros(0, "int32"), x), empty)
    assert gradient.shape == (0, 4)


def test_float32_agrees_with_float64(rng):
    labels, descriptors = rng.integers(3, size=16), rng.normal(size=(16, 8))
    value, _ = value_and_gradient(labels, descriptors)
    low = TripletSemiHardLoss()(labels, descriptors.astype("float32"))
    np.testing.assert_allclose(low, value, rtol=1e-5)
