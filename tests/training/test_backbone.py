"""A finished run as a frozen backbone of another network."""

import keras
import numpy as np

from spherical_cnn import SphericalGrid, sample_function
from spherical_cnn.training.run import load_run


def test_a_new_head_learns_on_the_descriptor_of_a_run(finished, tmp_path, rng):
    model = load_run(finished[0]).model
    backbone = keras.Model(model.input, model.output["descriptor"])
    backbone.trainable = False
    before = backbone.get_weights()
    classifier = keras.Sequential([backbone, keras.layers.Dense(2)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier.compile(keras.optimizers.Adam(0.05), loss)
    grid = SphericalGrid.from_resolution(16)
    sizes = np.concatenate([rng.uniform(0.2, 0.4, 12), rng.uniform(0.8, 1, 12)])
    signals = [sample_function(lambda u, s=s: s + 0 * u[..., :2], grid) for s in sizes]
    signals, labels = np.stack(signals).astype("float32"), np.repeat([0, 1], 12)
    classifier.fit(signals, labels, batch_size=8, epochs=40, verbose=0)
    assert len(classifier.trainable_weights) == 2
    for own, start in zip(backbone.get_weights(), before, strict=True):
        np.testing.assert_array_equal(own, start)
    logits = classifier.predict(signals, verbose=0)
    assert np.mean(logits.argmax(-1) == labels) == 1
    classifier.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(signals, verbose=0), logits, rtol=1e-4, atol=1e-5)
    assert again.layers[0].name == backbone.name and not again.layers[0].trainable
