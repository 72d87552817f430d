"""What tests do on every Keras backend and Keras has no name for."""

import contextlib

import keras
import numpy as np
import pytest
from keras import ops

BACKEND = keras.backend.backend()
HAS_FLOAT64 = BACKEND != "jax" or ops.convert_to_tensor(np.ones(1)).dtype == "float64"
needs_float64 = pytest.mark.skipif(not HAS_FLOAT64, reason="JAX without jax_enable_x64")


def numpy(values):
    """NumPy arrays of a tensor, or of those of a list, a tuple or a dict."""
    return keras.tree.map_structure(ops.convert_to_numpy, values)


@contextlib.contextmanager
def recorded():
    """Where torch records gradients in tests, as `fit` needs."""
    if BACKEND == "torch":
        import torch

        with torch.enable_grad():
            yield
    else:
        yield


def gradients(function, *arrays):
    """Gradients, NumPy arrays, of a scalar function of tensors of these arrays.

    Variables that the function moves are as before afterwards on JAX.
    """
    if BACKEND == "tensorflow":
        import tensorflow as tf

        tensors = [tf.convert_to_tensor(array) for array in arrays]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(*tensors)
        found = tape.gradient(value, tensors, unconnected_gradients="zero")
    elif BACKEND == "jax":
        import jax

        def stateless(*tensors):
            with keras.StatelessScope():
                return function(*tensors)

        found = jax.grad(stateless, range(len(arrays)))(*map(ops.convert_to_tensor, arrays))
    else:
        import torch

        tensors = [torch.tensor(array, requires_grad=True) for array in map(np.asarray, arrays)]
        with recorded():
            found = torch.autograd.grad(function(*tensors), tensors, allow_unused=True)
        found = [0 * x.detach() if g is None else g for x, g in zip(tensors, found, strict=True)]
    return [ops.convert_to_numpy(gradient) for gradient in found]
