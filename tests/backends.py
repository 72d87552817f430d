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


def jvp(function, x, direction):
    """The derivative of a function of one tensor along a direction, by forward mode."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        with tf.autodiff.ForwardAccumulator(x, direction) as tangents:
            value = function(x)
        return tangents.jvp(value)
    forward = _functions().jvp(function, (x,), (direction,))
    return forward[1]


def gradient(function):
    """The gradient of a scalar function of one tensor, as a function that has derivatives too."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        def reverse(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = function(x)
            return tape.gradient(value, x)

        return reverse
    return _functions().grad(function)


def mapped(function):
    """The function applied to each slice of a tensor along its first axis."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return lambda x: tf.vectorized_map(function, x, fallback_to_while_loop=False)
    return _functions().vmap(function)


def compiled(function):
    """The function as the backend compiles it."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True)
    if BACKEND == "jax":
        import jax

        return jax.jit(function)
    import torch

    torch.compiler.reset()  # it compiles a line of code for eight functions at most
    return torch.compile(function, backend="aot_eager", fullgraph=True)


def _functions():
    """Where JAX and torch have `jvp`, `grad` and `vmap`."""
    if BACKEND == "jax":
        import jax

        return jax
    import torch

    return torch.func
