import keras
import numpy as np
import pytest
from reference import assert_close

from spherical_cnn.nn import UpAxisChannel

SIGNAL = np.ones((64, 8, 8, 3), "float32")


def test_the_channel_is_the_cosine_of_the_colatitude_or_0(dtype, tolerance):
    maps = UpAxisChannel(dtype=dtype)(SIGNAL.astype(dtype))
    expected = np.cos(np.pi * np.arange(8) / 8)[:, None, None] * np.ones((64, 8, 8, 1))
    assert str(np.asarray(maps).dtype) == dtype
    assert_close(maps, expected, tolerance)
    for training in (False, True):
        np.testing.assert_array_equal(UpAxisChannel(known=False)(SIGNAL, training=training), 0)


@pytest.mark.parametrize(("dropout_rate", "least", "most"), [(0, 0, 0), (0.25, 4, 28), (1, 64, 64)])
def test_training_drops_the_channel_of_a_fraction_of_the_samples(dropout_rate, least, most):
    layer = UpAxisChannel(dropout_rate=dropout_rate, seed=1)
    whole = np.asarray(UpAxisChannel()(SIGNAL))
    first, second = (np.asarray(layer(SIGNAL, training=True)) for _ in range(2))
    for maps in (first, second):
        kept = maps.any(axis=(1, 2, 3))
        np.testing.assert_array_equal(maps, whole * kept[:, None, None, None])
        assert least <= np.sum(~kept) <= most
    assert dropout_rate in (0, 1) or np.abs(first - second).max() > 0
    again = np.asarray(UpAxisChannel(dropout_rate=dropout_rate, seed=1)(SIGNAL, training=True))
    np.testing.assert_array_equal(again, first)


def test_invalid_rates_and_signals_raise():
    with pytest.raises(ValueError, match="dropout_rate must be in 0 … 1. Received: dropout_rate=2"):
        UpAxisChannel(dropout_rate=2)
    with pytest.raises(ValueError, match="UpAxisChannel takes .* Received: input_shape=.*7"):
        UpAxisChannel()(keras.Input((7, 7, 1)))
