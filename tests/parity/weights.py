"""The original's variables: their names, their places in our layers, the recipe of their values."""

from __future__ import annotations

import json

import keras
import numpy as np
from keras import ops

from spherical_cnn.choices import BRANCHES
from spherical_cnn.nn.blocks import SphericalBlock
from spherical_cnn.nn.global_pooling import DegreePower
from spherical_cnn.sphere import sht


def block_variables(block, separator="/"):
    """Our variables of a `SphericalBlock` by the original's names below its scope."""
    variables = {"sphconv/W": block.conv.kernel}
    if block.conv.bias is not None:
        variables["sphconv/b"] = block.conv.bias
    for variable in [] if block.norm is None else block.norm.variables:
        # The original keeps one weight for the mean and an equal one for the deviation.
        shared = variable.name == "renorm_weight"
        names = ["renorm_mean_weight", "renorm_stddev_weight"] if shared else [variable.name]
        variables.update({f"batch_normalization/{name}": variable for name in names})
    if block.activation.variables:
        (variables["Variable"],) = block.activation.variables
    return {name.replace("/", separator): variable for name, variable in variables.items()}


def original_name(layer):
    """The original's name of a layer of a branch."""
    for number, branch in enumerate(BRANCHES):
        layer = layer.replace(f"_{branch}", f"_b{number}")
    return layer


def model_variables(model):
    """Our variables of a `two_branch` model by the original's names."""
    variables = {}
    for layer in model.layers:
        if isinstance(layer, SphericalBlock):
            own = block_variables(layer)
            scope = original_name(layer.name)
            variables.update({f"{scope}/{name}": own[name] for name in own})
        elif layer.name in _DENSE:
            own = {"kernel": layer.kernel, "bias": layer.bias}
            variables.update({f"{_DENSE[layer.name]}/{name}": own[name] for name in own})
        elif layer.name == "fc1_activation" and layer.variables:
            (variables["fc1/Variable"],) = layer.variables
    return variables


_DENSE = {"fc1": "fc1/dense", "logits": "out/dense", "logits_branch1": "out/dense_1"}


def assign(variables, values):
    """Sets our variables to the original's values, which may have axes of length 1 more or less."""
    for name, value in values.items():
        variables[name].assign(np.reshape(value, variables[name].shape))


def snapshot(variables, shapes):
    """Values of our variables in the original's shapes."""
    return {name: np.reshape(variables[name], shapes[name]) for name in variables}


def unbiased(variance, start, samples, steps, momentum=0.99):
    """Moving variance had it been fed with N/(N-1) times each batch's variance (PARITY 14)."""
    kept = momentum**steps * start
    return kept + (variance - kept) * samples / (samples - 1)


def recipe(names, shapes, mean, std, seed):
    """The values that the recipe in the golden README draws for the variables of a model file."""
    random = np.random.RandomState(seed)  # noqa: NPY002 - the stream that the files were made with
    values = {}
    for i, name in enumerate(names):
        z = random.randn(*shapes[name])
        if name.endswith("moving_variance"):
            z = np.abs(z)
        drawn = np.asarray(mean[i] + std[i] * z).astype(np.float32)
        values[name] = np.zeros_like(drawn) if "/renorm_" in name else drawn
    return values


def variable_shapes(file):
    """Shapes of the original's variables by name, in the order of the recipe."""
    names, texts = file.arrays["var_names"], file.input("var_shapes")
    return {str(n): tuple(json.loads(str(s))) for n, s in zip(names, texts, strict=True)}


@keras.saving.register_keras_serializable(package="parity")
class CoefficientSquares(DegreePower):
    """The original's `magnitudes` in place of the power: Σ over m ≥ 0 of Re(c_lm²)."""

    def call(self, inputs):
        bandwidth = self.in_grid.bandwidth
        # c_lm = (cosine - i sine) / √2 for m > 0, so Re(c_lm²) = (cosine² - sine²) / 2.
        sign = 0.5 * np.sign(np.arange(1 - bandwidth, bandwidth))
        sign[bandwidth - 1] = 1
        squares = ops.square(sht(inputs, self.in_grid)) * sign[:, None].astype("float32")
        return ops.reshape(ops.sum(squares, axis=2), (-1, bandwidth * inputs.shape[3]))
