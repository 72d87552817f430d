"""Public functions take symbolic Keras tensors, as those of `keras.ops` do."""

import keras
import numpy as np
import pytest
from backends import numpy
from keras import ops
from reference import assert_close

from spherical_cnn import fill_missing, isht, sht
from spherical_cnn.sphere import SphericalGrid

GRID = SphericalGrid.equiangular(7, 12, "cells", start=5.0, ascending=True)
FUNCTIONS = {
    "sht": sht,
    "sht naive": lambda x, grid: sht(x, grid, method="naive"),
    "isht": lambda x, grid: isht(sht(x, grid), grid),
    "fill_missing": lambda x, grid: list(fill_missing(x, grid)),
}


@pytest.fixture
def field(rng):
    return rng.normal(size=(3, *GRID.shape, 2)).astype("float32")


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_functional_model_computes_the_same_before_and_after_it_is_saved(
    function, field, tmp_path
):
    inputs = keras.Input((*GRID.shape, 2))
    model = keras.Model(inputs, function(inputs, GRID))
    expected = function(field, GRID)
    shapes = keras.tree.map_structure(lambda x: (None, *x.shape[1:]), expected)
    assert model.output_shape == shapes
    model.save(tmp_path / "model.keras")
    for one in (model, keras.models.load_model(tmp_path / "model.keras")):
        actual = one.predict(field, verbose=0)
        keras.tree.map_structure(lambda a, e: assert_close(a, numpy(e), 1e-6), actual, expected)
    assert not model.weights


def test_gaps_are_filled_alike_in_tensors_and_arrays(field):
    field[1, 2:5, 4:9, 1] = np.nan
    field[0, ..., 0] = np.inf
    for dtype in ("float32", "float16"):
        expected = fill_missing(field.astype(dtype), GRID)
        actual = fill_missing(ops.convert_to_tensor(field.astype(dtype)), GRID)
        assert all(ops.is_tensor(x) for x in actual)
        for a, e in zip(numpy(actual), expected, strict=True):
            assert a.dtype == e.dtype == dtype
            assert_close(a, e, {"float32": 1e-6, "float16": 1e-3}[dtype])


def test_symbolic_tensors_are_refused_like_others():
    for function in (sht, isht, fill_missing):
        with pytest.raises(ValueError, match=r"Received: .*\(None, 9, 9, 2\)"):
            function(keras.Input((9, 9, 2)), GRID)
    match = "check needs the values of the signal.*Received: check=True, signal=<KerasTensor"
    with pytest.raises(ValueError, match=match):
        sht(keras.Input((*GRID.shape, 2)), GRID, check=True)
