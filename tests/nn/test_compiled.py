"""`jit_compile=True`, on every backend."""

import keras
import numpy as np
import pytest
from backends import BACKEND, numpy, recorded
from helpers import LAYERS, SHAPE
from reference import assert_close

from spherical_cnn.nn import TripletSemiHardLoss

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The .grad attribute", "ignore:Some donated buffers"),
]
STEP = [
    name for name in LAYERS if name not in ("up_axis", "rotation")
]  # which draw other numbers compiled


def classifier(name, **options):
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [keras.Input(SHAPE[1:]), LAYERS[name](), keras.layers.Flatten(), keras.layers.Dense(4)]
    )
    model.compile(keras.optimizers.SGD(0.01), TripletSemiHardLoss(), **options)
    return model


# Every layer takes torch's compiler half a minute; the others share what these three use.
@pytest.mark.parametrize("name", ["block_renorm", "power", "max"] if BACKEND == "torch" else STEP)
@recorded()
def test_compiled_step_and_prediction_are_the_plain_ones(name, rng):
    signal, labels = rng.normal(size=(4, *SHAPE[1:])).astype("float32"), np.array([0, 0, 1, 1])
    plain, compiled = classifier(name, run_eagerly=True), classifier(name, jit_compile=True)
    losses = [model.train_on_batch(signal, labels) for model in (plain, compiled)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    for actual, expected in zip(compiled.get_weights(), plain.get_weights(), strict=True):
        assert_close(actual, expected, 1e-4)
    assert_close(compiled.predict(signal, verbose=0), numpy(plain(signal)), 1e-4)
