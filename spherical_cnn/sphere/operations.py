"""Operations that compute the same on every Keras backend.

Keras's promotion rules round float64 to float32 in `matmul`, `tensordot`, `mean` and `result_type`
on torch, and in the latter two on JAX, which has float64 only if `jax_enable_x64` is set.
"""

from __future__ import annotations

import contextlib
import math

import keras
from keras import ops

from spherical_cnn.sphere.grid import as_grid

BACKEND = keras.backend.backend()


def _in_tuple(dtype, function, arguments):
    return (ops.convert_to_tensor(function(*arguments), dtype=dtype),)


if BACKEND == "torch":
    import torch

    # `torch.compile` calls it once and does not trace its NumPy code. It confuses the tensors that
    # such a function returns in several places, but not tuples of them.
    _in_tuple = torch.compiler.assume_constant_result(_in_tuple)


@keras.saving.register_keras_serializable(package="spherical_cnn")
class GridOperation(keras.Operation):
    """A function of a tensor on a grid, as a part of a functional Keras model.

    Args:
        function: registered function of `(tensor, grid, **options)`, or its registered name.
        grid: `SphericalGrid`, or its config.
        options: its further arguments, JSON values.
    """

    def __init__(self, function, grid, options=None, name=None):
        super().__init__(name=name)
        is_name = isinstance(function, str)
        self.function = keras.saving.get_registered_object(function) if is_name else function
        self.grid = as_grid(grid)
        self.options = options or {}

    def call(self, values):
        """Applies the function."""
        return self.function(values, self.grid, **self.options)

    def get_config(self):
        """Returns the arguments of the constructor, as JSON values."""
        return {
            "function": keras.saving.get_registered_name(self.function),
            "grid": self.grid.get_config(),
            "options": self.options,
            "name": self.name,
        }


def is_symbolic(values):
    """Whether values are a symbolic tensor of a functional Keras model."""
    return isinstance(values, keras.KerasTensor)


@contextlib.contextmanager
def full_float32():
    """Context in which products of float32 numbers keep their 24 bits on GPUs as well.

    By default, TensorFlow and JAX round the factors to the 11 bits of TensorFloat-32 on GPUs of
    NVIDIA. The context applies to what is computed, and on JAX also to what is traced in it.
    Functions that TensorFlow or torch compile follow the setting of the process, see `set_tf32`.
    """
    if BACKEND == "jax":
        import jax

        with jax.default_matmul_precision("float32"):
            yield
        return
    allowed = _tf32_allowed()
    if allowed:
        set_tf32(False)
    try:
        yield
    finally:
        if allowed:
            set_tf32(True)


def set_tf32(allowed):
    """Sets whether this process may round products of float32 to TensorFloat-32 on GPUs."""
    if BACKEND == "jax":
        import jax

        jax.config.update("jax_default_matmul_precision", "tensorfloat32" if allowed else "float32")
    elif BACKEND == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(allowed)
    else:
        torch.set_float32_matmul_precision("high" if allowed else "highest")


def _tf32_allowed():
    """Whether eager products may be rounded; `False` while a function is compiled."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        eager = tf.executing_eagerly()
        return eager and tf.config.experimental.tensor_float_32_execution_enabled()
    if torch.compiler.is_compiling():
        return False
    return torch.get_float32_matmul_precision() != "highest"


def constant(like, function, *arguments):
    """The table `function(*arguments)`, a NumPy array, as a tensor in the dtype of `like`.

    `torch.compile` must not trace the function, so it must be a module's. Its arguments are
    integers, booleans or strings.
    """
    (table,) = _in_tuple(like.dtype, function, arguments)
    # `torch.compile` knows the type of the result of an operation, but not that of a constant.
    return table.detach() if BACKEND == "torch" else table


def matmul(x, y):
    """`ops.matmul` of two tensors of one float dtype, in that dtype."""
    return x @ y if _rounded(x) else ops.matmul(x, y)


def mean(x, axis):
    """`ops.mean` over axes of static length, in the dtype of `x`."""
    if not _rounded(x):
        return ops.mean(x, axis=axis)
    axes = axis if isinstance(axis, tuple) else (axis,)
    return ops.sum(x, axis=axis) / math.prod(x.shape[a] for a in axes)


def at_least_float32(dtype):
    """The dtype of sums: float32 for float16 and bfloat16, else `dtype` itself."""
    dtype = keras.backend.standardize_dtype(dtype)
    return "float32" if dtype in ("float16", "bfloat16") else dtype


def divide(total, count):
    """`total / count`, and 0 for a `count` of 0, an integer or an integer tensor."""
    if isinstance(count, int):
        return total / max(count, 1)
    return total / ops.cast(ops.maximum(count, 1), total.dtype)


def _rounded(x):
    """Whether Keras rounds `x` to float32 before it computes."""
    return BACKEND != "tensorflow" and keras.backend.standardize_dtype(x.dtype) == "float64"
