"""Convolution, normalization and nonlinearity: the block that networks stack."""

from __future__ import annotations

import keras

from spherical_cnn.nn.convolution import SphericalConv
from spherical_cnn.nn.nonlinearities import nonlinearity_layer
from spherical_cnn.nn.normalization import BatchNormalization, BatchRenormalization
from spherical_cnn.nn.pooling import PACKAGE
from spherical_cnn.sphere.spectral import affine, moments, synthesize, to_batch_first


@keras.saving.register_keras_serializable(package=PACKAGE)
class SphericalBlock(keras.layers.Layer):
    """Spherical convolution, normalization and nonlinearity.

        out = nonlinearity(normalization(convolution(x)))

    The convolution has a bias only without normalization. All arguments but `normalization` and
    `nonlinearity` are those of `SphericalConv`.

    Args:
        normalization: `"batch"` (no scale, momentum 0.99, ε 1e-3), `"batch_renorm"`, `None`, or an
            unbuilt Keras layer, which is applied to the maps. The first two are applied to
            coefficients, which is faster. Their averages need about 500 steps. In shorter
            trainings, use `keras.layers.BatchNormalization(momentum=0.9)`.
        nonlinearity: `"prelu"`, with one slope per channel, initially 0.1; `"smooth_leaky_relu"`,
            which aliases less; or any Keras activation.

    Input shape:
        `(batch, *grid.shape, channels)`, or a list, as in `SphericalConv`.

    Output shape:
        `(batch, *out_grid.shape, filters)`, as in `SphericalConv`.

    >>> block = SphericalBlock(4, num_anchors=3, normalization="batch")
    >>> tuple(block(np.ones((1, 16, 16, 2), "float32")).shape)
    (1, 16, 16, 4)

    Reference: Esteves et al. 2018, section 5.
    """

    def __init__(
        self,
        filters,
        num_anchors=None,
        normalization=None,
        nonlinearity="prelu",
        spectral_pooling=False,
        degrees=None,
        method="sep",
        kernel_initializer=None,
        kernel_regularizer=None,
        grid=None,
        out_grid=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if isinstance(normalization, dict):
            normalization = keras.saving.deserialize_keras_object(normalization)
        is_layer = isinstance(normalization, keras.layers.Layer)
        if not is_layer and normalization not in (None, "batch", "batch_renorm"):
            raise ValueError(
                "normalization must be None, 'batch', 'batch_renorm' or a Keras layer. "
                f"Received: normalization={normalization!r}"
            )
        if is_layer and normalization.built:
            raise ValueError(
                "normalization must be a layer of this block only, not built before. "
                f"Received: normalization={normalization!r}"
            )
        self._normalization_name = None if is_layer else normalization
        self.nonlinearity = nonlinearity
        options = {"dtype": self.dtype_policy, "trainable": self.trainable}
        self.conv = SphericalConv(
            filters,
            num_anchors,
            use_bias=normalization is None,
            spectral_pooling=spectral_pooling,
            degrees=degrees,
            method=method,
            kernel_initializer=kernel_initializer,
            kernel_regularizer=kernel_regularizer,
            grid=grid,
            out_grid=out_grid,
            name="conv",
            **options,
        )
        self.norm = None
        if is_layer:
            self.norm = normalization
            self.norm.trainable = self.norm.trainable and self.trainable
        elif normalization is not None:
            self.norm = normalization_layer(normalization, name="norm", **options)
        self.activation = nonlinearity_layer(
            nonlinearity, shared_axes=(1, 2), name="activation", **options
        )

    @property
    def normalization(self):
        """The name of the normalization, its layer if that was given, or `None`."""
        return self._normalization_name or self.norm

    @property
    def out_grid(self):
        """The grid of the output, once the layer is built."""
        return self.conv.out_grid

    def build(self, input_shape):
        self.conv.build(input_shape)
        shape = self.conv.compute_output_shape(input_shape)
        if self.norm is not None:
            self.norm.build(shape)
        self.activation.build(shape)

    def call(self, inputs, training=None):
        # Normalizes in the harmonic domain, where moments and the affine map are cheaper than on
        # maps. The activation takes maps in the internal layout (p, t, b, c): it is elementwise,
        # and slopes of shape (1, 1, c) broadcast to either layout.
        coefficients = self.conv.coefficients(inputs)
        grid = self.conv.out_grid
        if self.norm is not None and not hasattr(self.norm, "affine"):
            maps = to_batch_first(synthesize(coefficients, grid, self.conv.method))
            return self.activation(self.norm(maps))  # Keras hands on `training`
        if self.norm is None:
            scale, offset = None, self.conv.bias
        else:
            scale, offset = self.norm.affine(lambda: moments(coefficients, grid), training)
        maps = synthesize(affine(coefficients, scale, offset), grid, self.conv.method)
        return to_batch_first(self.activation(maps))

    def compute_output_shape(self, input_shape):
        return self.conv.compute_output_shape(input_shape)

    def get_config(self):
        conv = self.conv.get_config()
        del conv["use_bias"], conv["bias_initializer"]
        return {
            **conv,
            **super().get_config(),
            "normalization": self._normalization_name or _unbuilt_config(self.norm),
            "nonlinearity": self.nonlinearity,
            "frozen": [x.name for x in self._flatten_layers(include_self=False) if not x.trainable],
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        frozen = config.pop("frozen", ())
        block = super().from_config(config)
        for layer in block._flatten_layers(include_self=False):
            layer.trainable = layer.trainable and layer.name not in frozen
        return block


def _unbuilt_config(layer):
    """The serialized form of a layer before it was built, or `None`."""
    form = keras.saving.serialize_keras_object(layer)
    return form and {key: value for key, value in form.items() if key != "build_config"}


def copied(normalization, **changes):
    """Returns an unbuilt copy of a Keras layer with changes of its config, or another value."""
    if not isinstance(normalization, keras.layers.Layer):
        return normalization
    return type(normalization).from_config({**normalization.get_config(), **changes})


def normalization_layer(normalization, **kwargs):
    """Returns a layer for `"batch"` or `"batch_renorm"`, with the original's momentum and ε.

    Of a Keras layer, it returns a copy.
    """
    if isinstance(normalization, keras.layers.Layer):
        return copied(normalization, **kwargs)
    if normalization == "batch":
        return BatchNormalization(momentum=0.99, epsilon=1e-3, scale=False, **kwargs)
    return BatchRenormalization(momentum=0.99, epsilon=1e-3, **kwargs)
