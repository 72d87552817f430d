"""The networks of `params/`, which the benchmarks run in processes of their own."""

import contextlib
import pathlib

from benchmarks.harness import peak_memory, repeated

ROOT = pathlib.Path(__file__).parents[1]
PARAMETERS = ("m40-64", "training")  # of every network: 64 × 64, 40 classes
# Dtype policy and options of the ways to compute a network.
VARIANTS = {
    "plain": ("float32", {"jit_compile": False}),
    "jit_compile": ("float32", {"jit_compile": True}),
    "mixed_bfloat16": ("mixed_bfloat16", {"jit_compile": False}),
    "naive": ("float32", {"jit_compile": False, "transform_method": "naive"}),
}


def argfiles(network="model-64"):
    """Returns the arguments that name the parameter files of a network."""
    return [f"@{ROOT / 'params' / name}.txt" for name in (network, *PARAMETERS)]


def configuration(network="model-64", **options):
    """Returns the `RunConfig` of the parameter files, changed by `options`."""
    from spherical_cnn.commands.networks import train_parser
    from spherical_cnn.training.run_config import RunConfig

    with contextlib.chdir(ROOT):  # parameter files name others from there
        flags = vars(train_parser().parse_args(argfiles(network)))
    return RunConfig.from_dict({**RunConfig.select(flags), **options})


def random_batch(config, count):
    """Returns random signals `(count, n, n, 2)` and labels."""
    import numpy as np

    rng = np.random.default_rng(0)
    signals = rng.random((count, config.input_res, config.input_res, 2), np.float32)
    return signals, rng.integers(0, config.n_classes, count)


class Network:
    """A network of a parameter file in a variant of `VARIANTS`, on a batch of random signals."""

    def __init__(self, batch, options=None, variant="plain", network="model-64"):
        policy, own = VARIANTS[variant]
        import keras
        import tensorflow as tf

        from spherical_cnn.training.network import compiled_model

        self.peak = None
        keras.config.set_dtype_policy(policy)
        keras.utils.set_random_seed(0)
        config = configuration(network, **{**own, **(options or {})})
        self.model = model = compiled_model(config)
        self.signal, labels = random_batch(config, batch)
        self.labels = dict.fromkeys(model.output_names, labels)
        self.infer = tf.function(
            lambda x: model(x, training=False)["logits"], jit_compile=config.jit_compile
        )

    def train_once(self):
        """Does one training step."""
        self.model.train_on_batch(self.signal, self.labels)

    def train(self):
        """Measures seconds of training steps, and the peak memory after the first of them."""
        step = repeated(self.train_once)
        self.peak = self.peak or peak_memory()
        return {"step": step, "peak": self.peak}

    def train_and_infer(self):
        """Measures as `train` does, and seconds of inferences."""
        return {**self.train(), "inference": repeated(lambda: self.infer(self.signal).numpy())}

    def product(self, size=2048):
        """Measures operations per second of a large float32 product, the bound of a network."""
        import tensorflow as tf

        if not hasattr(self, "multiply"):
            matrix = tf.random.stateless_uniform((size, size), (0, 1))
            self.multiply = tf.function(lambda: tf.reduce_sum(tf.matmul(matrix, matrix)[0]))
            self.multiply()
        return {"flops": 2 * size**3 / min(repeated(lambda: self.multiply().numpy()))}

    def count(self):
        """Counts the operations of the products of a training step and of an inference."""
        import tensorflow as tf

        from benchmarks.flops import product_flops

        signal = tf.TensorSpec(self.signal.shape)
        labels = {name: tf.TensorSpec(y.shape, tf.int64) for name, y in self.labels.items()}
        return {
            "step": product_flops(lambda x, y: self.model.train_step((x, y)), signal, labels),
            "inference": product_flops(self.infer.python_function, signal),
        }
