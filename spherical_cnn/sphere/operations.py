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


def readable(array, like):
    """A NumPy array; while torch compiles, which hides its values, a tensor beside `like`."""
    compiling = BACKEND == "torch" and torch.compiler.is_compiling()
    return torch.as_tensor(array, device=like.device) if compiling else array


def matmul(x, y):
    """`ops.matmul` of two tensors of one float dtype, in that dtype."""
    return x @ y if _rounded(x) else ops.matmul(x, y)


def apply_table(x, function, arguments, transposed):
    """Multiplies the first axis of `x` by the table `function(*arguments)`, `(rows, columns)`.

    The reverse derivative is defined as a product of the same form, by the transpose
    `function(*transposed)`: automatic differentiation would order the axes otherwise, and move data
    in memory. Under XLA on CPUs it would make a training step 1.21 times as long on JAX, and 1.04
    times on TensorFlow. The tables are as in `constant`.
    """
    if BACKEND == "jax":
        precision = jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]
        tables = {"function": function, "arguments": arguments, "transposed": transposed}
        return _apply_table.bind(x, **tables, precision=precision)

    def product(x):
        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            return apply_table(upstream, function, transposed, arguments)

        return ops.tensordot(constant(x, function, *arguments), x, 1), gradient

    if BACKEND == "tensorflow":
        return ops.custom_gradient(product)(x)
    table = constant(x, function, *arguments)
    # As Keras's `tensordot` there, which would round float64.
    rows = matmul(table, ops.reshape(x, (x.shape[0], -1)))
    return ops.reshape(rows, (table.shape[0], *x.shape[1:]))


if BACKEND == "jax":
    import jax
    from jax.extend.core import Primitive
    from jax.interpreters import ad, batching, mlir

    # JAX has no function that defines the transpose of a linear map and also maps over a batch.
    _apply_table = Primitive("apply_table")

    def _tensordot(x, function, arguments, transposed, precision):
        return jax.numpy.tensordot(constant(x, function, *arguments), x, 1, precision=precision)

    def _shape(x, function, arguments, **_):
        return x.update(shape=(function(*arguments).shape[0], *x.shape[1:]))

    def _transpose(upstream, _, arguments, transposed, **options):
        swapped = {"arguments": transposed, "transposed": arguments}
        return [_apply_table.bind(upstream, **swapped, **options)]

    def _batch(inputs, axes, **options):
        return _apply_table.bind(jax.numpy.moveaxis(inputs[0], axes[0], 1), **options), 1

    _apply_table.def_impl(_tensordot)
    _apply_table.def_abstract_eval(_shape)
    ad.deflinear2(_apply_table, _transpose)
    batching.primitive_batchers[_apply_table] = _batch
    mlir.register_lowering(_apply_table, mlir.lower_fun(_tensordot, multiple_results=False))


def quadratic_form(x, image, axis):
    """`Σ x · image(x)` over axes, for a linear, symmetric function `image` along these axes.

    Its derivative is defined as `2 Σ image(x) · dx`, which has the product `image(x)` in common
    with the value. Automatic differentiation would compute another product: under XLA on CPUs, a
    training step would be 1.09 times as long.
    """

    def value(x):
        return ops.sum(x * image(x), axis=axis)

    if BACKEND == "jax":

        def derivative(primals, tangents):
            twice = 2 * image(*primals)
            return value(*primals), ops.sum(twice * tangents[0], axis=axis)

        form = jax.custom_jvp(value)
        form.defjvp(derivative)
        return form(x)

    def with_gradient(x):
        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            return 2 * ops.expand_dims(upstream, axis) * image(x)

        return value(x), gradient

    return value(x) if BACKEND == "torch" else ops.custom_gradient(with_gradient)(x)


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
