"""A training step, a large product and a large copy, compiled by JAX or by TensorFlow."""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Work:
    """Something compiled.

    Args:
        run: does it a number of times, the last one finished when it returns.
        bytes: that one time reads and writes; `None` if unknown.
        flops: operations of one time.
    """

    run: Callable[[int], None]
    bytes: float | None
    flops: float


def loss_of(outputs, labels):
    """Mean cross entropy of both classifiers, added."""
    import keras

    entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return sum(entropy(labels, outputs[name]) for name in outputs if name.startswith("logits"))


class Jax:
    """JAX: XLA compiles, and says what its program reads, writes and computes."""

    def __init__(self):
        import jax

        self.jax = jax
        self.errors = (jax.errors.JaxRuntimeError,)

    def gpu(self):
        """What the GPU is called; `None` if there is none."""
        kinds = (d.device_kind for d in self.jax.devices() if d.platform == "gpu")
        return next(kinds, None)

    def step(self, model, optimizer, signal, labels):
        """`Work`: a training step."""
        jax = self.jax
        optimizer.build(model.trainable_variables)
        variables = (
            model.trainable_variables,
            model.non_trainable_variables,
            optimizer.variables,
        )
        state = [[variable.value for variable in kind] for kind in variables]
        signal, labels = jax.numpy.asarray(signal), jax.numpy.asarray(labels)

        def loss(trained, others):
            outputs, others = model.stateless_call(trained, others, signal, training=True)
            return loss_of(outputs, labels), others

        def step(trained, others, moments):
            gradients, others = jax.grad(loss, has_aux=True)(trained, others)
            return (*optimizer.stateless_apply(moments, gradients, trained), others)

        compiled = jax.jit(step, donate_argnums=(0, 1, 2)).lower(*state).compile()

        def run(times):
            nonlocal state
            for _ in range(times):
                trained, moments, others = compiled(*state)
                state = [trained, others, moments]
            jax.block_until_ready(state)

        cost = compiled.cost_analysis()
        return Work(run, cost.get("bytes accessed"), cost["flops"])

    def product(self, size, dtype):
        """`Work`: a product of square matrices, each with the result of the last."""
        matrix = self.jax.random.normal(self.jax.random.key(0), (size, size), dtype) / size**0.5
        return self._chain(lambda x: x @ matrix, matrix, 3 * matrix.nbytes, 2 * size**3)

    def copy(self, size):
        """`Work`: as many bytes read, and written."""
        source = self.jax.numpy.zeros(size // 4, "float32")
        return self._chain(lambda x: x + 1, source, 2 * source.nbytes, source.size)

    def _chain(self, function, start, size, flops):
        function = self.jax.jit(function)

        def run(times):
            value = start
            for _ in range(times):
                value = function(value)
            self.jax.block_until_ready(value)

        return Work(run, size, flops)


class TensorFlow:
    """TensorFlow: compiled by XLA, too, but without a cost analysis."""

    def __init__(self):
        import tensorflow as tf

        self.tf = tf
        self.errors = (tf.errors.OpError,)

    def gpu(self):
        """What the GPU is called; `None` if there is none."""
        devices = self.tf.config.list_physical_devices("GPU")
        details = (self.tf.config.experimental.get_device_details(d) for d in devices)
        return next((found.get("device_name", "GPU") for found in details), None)

    def step(self, model, optimizer, signal, labels):
        """`Work`: a training step."""
        from benchmarks.flops import product_flops

        tf = self.tf
        optimizer.build(model.trainable_variables)
        weights = [variable.value for variable in model.trainable_variables]

        def step(signal, labels):
            with tf.GradientTape() as tape:
                loss = loss_of(model(signal, training=True), labels)
            optimizer.apply(tape.gradient(loss, weights), model.trainable_variables)
            return loss

        data = tf.constant(signal), tf.constant(labels)
        flops = product_flops(step, *(tf.TensorSpec(x.shape, x.dtype) for x in data))
        step = tf.function(step, jit_compile=True)

        def run(times):
            for _ in range(times):
                loss = step(*data)
            loss.numpy()

        return Work(run, None, flops)

    def product(self, size, dtype):
        """`Work`: a product of square matrices, each with the result of the last."""
        matrix = self.tf.random.stateless_normal((size, size), (0, 1)) / size**0.5
        matrix = self.tf.cast(matrix, dtype)
        moved = 3 * size**2 * matrix.dtype.size
        return self._chain(lambda x: x @ matrix, matrix, moved, 2 * size**3)

    def copy(self, size):
        """`Work`: as many bytes read, and written."""
        source = self.tf.zeros(size // 4)
        return self._chain(lambda x: x + 1, source, 2 * size, size // 4)

    def _chain(self, function, start, size, flops):
        function = self.tf.function(function, jit_compile=True)

        def run(times):
            value = start
            for _ in range(times):
                value = function(value)
            self.tf.reshape(value, [-1])[0].numpy()

        return Work(run, size, flops)


FRAMEWORKS = {"jax": Jax, "tensorflow": TensorFlow}
