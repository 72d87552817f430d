"""Losses of maps, averaged over the sphere."""

import keras
import numpy as np
import pytest
from backends import compiled, gradients, numpy, recorded
from helpers import all_grids
from keras import ops
from reference import band_limited

from spherical_cnn import AreaWeightedLoss, SphericalConv, SphericalGrid, isht


def maps(grid, value):
    return np.full((2, *grid.shape, 3), value, "float32")


@all_grids
@pytest.mark.parametrize("loss", ["mse", keras.losses.Huber(0.5), keras.losses.mean_absolute_error])
def test_a_constant_error_has_the_same_loss_on_every_grid(grid, loss):
    expected = {"mse": 4, "mean_absolute_error": 2}.get(getattr(loss, "__name__", loss), 0.875)
    found = float(AreaWeightedLoss(loss, grid)(maps(grid, 1), maps(grid, 3)))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@all_grids
def test_a_square_error_is_the_power_of_the_error(grid, rng):
    bandwidth = min(grid.exact_degree // 2 + 1, grid.bandwidth)
    coefficients = np.zeros((2, grid.bandwidth, 2 * grid.bandwidth - 1, 2))
    inside = slice(grid.bandwidth - bandwidth, grid.bandwidth + bandwidth - 1)
    coefficients[:, :bandwidth, inside] = band_limited(rng, bandwidth, batch=2)
    error = numpy(isht(coefficients.astype("float32"), grid))
    found = float(AreaWeightedLoss("mse", grid)(0 * error, error))
    power = np.sum(coefficients**2) / (4 * np.pi * 2 * 2)
    np.testing.assert_allclose(found, power, rtol=1e-5)


def test_a_mask_leaves_samples_out_and_labels_may_be_integers(rng):
    grid = SphericalGrid.equiangular(6, 12, "cells")
    loss = AreaWeightedLoss("mse", grid)
    mask = np.ones((2, *grid.shape), "float32")
    mask[:, 3:] = 0
    wrong = maps(grid, 1)
    wrong[:, 3:] = 1e6
    np.testing.assert_allclose(float(loss(maps(grid, 0), wrong, mask)), 0.5, rtol=1e-5)
    labels = rng.integers(0, 3, (2, *grid.shape))
    entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    found = float(AreaWeightedLoss(entropy, grid)(labels, maps(grid, 0)))
    np.testing.assert_allclose(found, np.log(3), rtol=1e-5)


@recorded()
def test_it_compiles_and_its_gradient_is_weighted_by_area():
    grid = SphericalGrid.equiangular(5, 8)
    loss = AreaWeightedLoss("mse", grid)
    zeros, ones = ops.convert_to_tensor(maps(grid, 0)), maps(grid, 1)
    value = compiled(lambda x: loss(zeros, x))(ops.convert_to_tensor(ones))
    np.testing.assert_allclose(numpy(value), 1, rtol=1e-5)
    (found,) = gradients(lambda x: loss(zeros, x), ones)
    expected = 2 * grid.quadrature_weights / (4 * np.pi * 2 * 3)
    np.testing.assert_allclose(found[0, :, 0, 0], expected, rtol=1e-5)


@recorded()
def test_a_model_is_trained_measured_and_saved_with_it(tmp_path, rng):
    grid = SphericalGrid.equiangular(7, 12)
    inputs = keras.Input((*grid.shape, 1))
    model = keras.Model(inputs, SphericalConv(1, grid=grid)(inputs))
    model.compile("sgd", AreaWeightedLoss("mse", grid), metrics=[AreaWeightedLoss("mae", grid)])
    fields = rng.normal(size=(4, *grid.shape, 1)).astype("float32")
    model.fit(fields, 2 * fields, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.loss.grid == grid
    expected = model.evaluate(fields, fields, verbose=0)
    np.testing.assert_allclose(again.evaluate(fields, fields, verbose=0), expected, rtol=1e-5)
    outputs = model.predict(fields, verbose=0)
    errors = np.abs(outputs - fields).mean((0, 2, 3)) @ grid.quadrature_weights
    np.testing.assert_allclose(expected[1], errors * 12 / (4 * np.pi), rtol=1e-5)


def test_losses_without_a_value_for_each_sample_are_refused():
    grid = SphericalGrid(4)
    with pytest.raises(ValueError, match=r"\(batch, 8, 8\). Received: \(2,\) for y_true.shape"):
        loss = AreaWeightedLoss(lambda y, x: ops.mean(x - y, axis=(1, 2, 3)), grid)
        loss(maps(grid, 0), maps(grid, 1))
    with pytest.raises(ValueError, match="needs a loss and the SphericalGrid.* grid=None"):
        AreaWeightedLoss("mse")
