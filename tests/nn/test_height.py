import keras
import numpy as np
import pytest
from reference import assert_close

from spherical_cnn.nn import Height

SIGNAL = np.ones((64, 8, 8, 3), "float32")


def test_height_is_the_cosine_of_the_colatitude_or_nothing(dtype, tolerance):
    maps = Height(dtype=dtype)(SIGNAL.astype(dtype))
    expected = np.cos(np.pi * np.arange(8) / 8)[:, None, None] * np.ones((64, 8, 8, 1))
    assert str(np.asarray(maps).dtype) == dtype
    assert_close(maps, expected, tolerance)
    for training in (False, True):
        np.testing.assert_array_equal(Height(told=False)(SIGNAL, training=training), 0)


@pytest.mark.parametrize(("withheld", "least", "most"), [(0, 0, 0), (0.25, 4, 28), (1, 64, 64)])
def test_in_training_a_share_of_the_samples_is_not_told(withheld, least, most):
    layer, whole = Height(withheld=withheld, seed=1), np.asarray(Height()(SIGNAL))
    first, second = (np.asarray(layer(SIGNAL, training=True)) for _ in range(2))
    for maps in (first, second):
        told = maps.any(axis=(1, 2, 3))
        np.testing.assert_array_equal(maps, whole * told[:, None, None, None])
        assert least <= np.sum(~told) <= most
    assert withheld in (0, 1) or np.abs(first - second).max() > 0
    again = np.asarray(Height(withheld=withheld, seed=1)(SIGNAL, training=True))
    np.testing.assert_array_equal(again, first)


def test_bad_shares_and_signals_are_refused():
    with pytest.raises(ValueError, match="withheld must be in 0 … 1. Received: withheld=2"):
        Height(withheld=2)
    with pytest.raises(ValueError, match="Height takes .* Received: input_shape=.*7"):
        Height()(keras.Input((7, 7, 1)))
