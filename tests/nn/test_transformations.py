"""Transforms and layers under `jvp`, `grad`, `vmap` and the compiler of each backend."""

import keras
import numpy as np
import pytest
from backends import (
    compiled,
    gradient,
    jvp,
    mapped,
    needs_float64,
    numpy,
    recorded,
)
from helpers import SHAPE
from keras import ops
from reference import assert_close

from spherical_cnn import (
    SphericalBlock,
    SphericalConv,
    SphericalGrid,
    SphericalPooling,
    fill_missing,
    isht,
    sht,
)
from spherical_cnn.nn import BatchRenormalization, DegreePower, SphericalResampling
from spherical_cnn.nn.normalization import BatchNormalization

GRID = SphericalGrid(SHAPE[1] // 2)
OPTIONS = {"nonlinearity": "relu", "dtype": "float64"}
FUNCTIONS = {
    "sht": lambda: lambda x, **_: sht(x, GRID),
    "sht naive": lambda: lambda x, **_: sht(x, GRID, "naive"),
    "isht": lambda: lambda x, **_: isht(sht(x, GRID), GRID),
    "fill_missing": lambda: lambda x, **_: fill_missing(x, GRID)[0],
}
LAYERS = {
    "conv": lambda: SphericalConv(4, dtype="float64"),
    "block": lambda: SphericalBlock(4, **OPTIONS),
    "block batch": lambda: SphericalBlock(4, normalization="batch", **OPTIONS),
    "block gauss": lambda: SphericalBlock(
        4, normalization="batch", out_grid=SphericalGrid.gauss_legendre(4), **OPTIONS
    ),
    "block renorm": lambda: SphericalBlock(4, normalization="batch_renorm", **OPTIONS),
    "maps batch": lambda: BatchNormalization(dtype="float64"),
    "maps renorm": lambda: BatchRenormalization(dtype="float64"),
    "lowpass": lambda: SphericalPooling(dtype="float64"),
    "resampling": lambda: SphericalResampling(12, dtype="float64"),
    "power": lambda: DegreePower(dtype="float64"),
}
CASES = [(name, False) for name in (*FUNCTIONS, *LAYERS)]
CASES += [(name, True) for name in LAYERS if "batch" in name or "renorm" in name]
every_function = pytest.mark.parametrize("name", [*FUNCTIONS, *LAYERS])
pytestmark = [pytest.mark.slow, needs_float64]


def made(name, training=False):
    """A function of one tensor, which leaves the variables as they are."""
    function = {**FUNCTIONS, **LAYERS}[name]()
    if name in LAYERS:
        function.build(SHAPE)

    def stateless(x):
        with keras.StatelessScope():
            return function(x, training=training) if name in LAYERS else function(x)

    return stateless


def scalar(function):
    """A scalar function with derivatives of all orders; `ops.sin` would round float64 on JAX."""

    def cubes(x):
        values = function(x)
        return ops.sum(values * values * values)

    return cubes


@pytest.fixture
def points(rng):
    """A signal and two directions."""
    return [ops.convert_to_tensor(x) for x in rng.normal(size=(3, *SHAPE))]


def slope(function, x, direction, step=1e-5):
    """The derivative along a direction by differences."""
    after, before = (numpy(function(x + sign * step * direction)) for sign in (1, -1))
    return (after - before) / (2 * step)


@pytest.mark.parametrize(("name", "training"), CASES)
@recorded()
def test_derivatives_of_first_and_second_order_are_the_slopes(name, training, points):
    x, direction, _ = points
    function = made(name, training)
    assert_close(numpy(jvp(function, x, direction)), slope(function, x, direction), 1e-7)
    reverse = gradient(scalar(function))
    actual = numpy(ops.sum(reverse(x) * direction))
    assert_close(actual, slope(scalar(function), x, direction), 1e-7)
    if "renorm" not in name or not training:  # renormalization stops gradients, so slopes differ
        second = slope(reverse, x, direction)
        assert_close(numpy(jvp(reverse, x, direction)), second, 1e-6)
        along = gradient(lambda x: ops.sum(reverse(x) * direction))
        assert_close(numpy(along(x)), second, 1e-6)


@every_function
@recorded()
def test_slices_are_mapped_over(name, points):
    function, signals = made(name), ops.stack(points)
    expected = np.stack([numpy(function(x)) for x in points])
    assert_close(numpy(mapped(function)(signals)), expected, 1e-12)
    reverse = gradient(scalar(function))
    expected = np.stack([numpy(reverse(x)) for x in points])
    assert_close(numpy(mapped(reverse)(signals)), expected, 1e-12)


@every_function
@recorded()
def test_compiled_functions_compute_the_same(name, points):
    function = made(name)
    assert_close(numpy(compiled(function)(points[0])), numpy(function(points[0])), 1e-12)
