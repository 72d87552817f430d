"""The networks of `params/`, ready to be measured in a process of their own."""

import contextlib
import pathlib

from benchmarks.harness import peak_memory, repeated

ROOT = pathlib.Path(__file__).parents[1]
PARAMETERS = ("m40-64", "training")  # of every network: 64 × 64, 40 classes
# How a network is computed: dtype policy, options.
VARIANTS = {
    "plain": ("float32", {"jit_compile": False}),
    "jit_compile": ("float32", {"jit_compile": True}),
    "mixed_bfloat16": ("mixed_bfloat16", {"jit_compile": False}),
    "naive": ("float32", {"jit_compile": False, "transform_method": "naive"}),
}


def argfiles(network="model-64"):
    """Arguments that name the files in params of a network and of `PARAMETERS`."""
    return [f"@{ROOT / 'params' / name}.txt" for name in (network, *PARAMETERS)]


def configuration(network="model-64", **options):
    """`RunConfig` of the files in params, with other `options`."""
    from spherical_cnn.commands.networks import train_parser
    from spherical_cnn.training.run_config import RunConfig

    with contextlib.chdir(ROOT):  # argument files name others from there
        flags = vars(train_parser().parse_args(argfiles(network)))
    return RunConfig.from_dict({**RunConfig.select(flags), **options})


def random_batch(config, count):
    """Signals `(count, n, n, 2)`, and as many labels."""
    import numpy as np

    rng = np.random.default_rng(0)
    signals = rng.random((count, config.input_res, config.input_res, 2), np.float32)
    return signals, rng.integers(0, config.n_classes, count)


class Network:
    """A network on random signals: training steps and inferences.

    Args:
        batch: signals a step.
        options: over those of `configuration`.
        variant: of `VARIANTS`.
        network: file in params.
    """

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
        """One training step."""
        self.model.train_on_batch(self.signal, self.labels)

    def train(self):
        """Dict: seconds of training steps, peak memory of the process after the first of them."""
        step = repeated(self.train_once)
        self.peak = self.peak or peak_memory()
        return {"step": step, "peak": self.peak}

    def train_and_infer(self):
        """Dict of `train`, and seconds of inferences."""
        return {**self.train(), "inference": repeated(lambda: self.infer(self.signal).numpy())}

    def product(self, size=2048):
        """Dict: operations a second of a large float32 product, the rate that bounds a network."""
        import tensorflow as tf

        if not hasattr(self, "multiply"):
            matrix = tf.random.stateless_uniform((size, size), (0, 1))
            self.multiply = tf.function(lambda: tf.reduce_sum(tf.matmul(matrix, matrix)[0]))
            self.multiply()
        return {"flops": 2 * size**3 / min(repeated(lambda: self.multiply().numpy()))}

    def count(self):
        """Dict: operations of the products of a training step and of an inference."""
        import tensorflow as tf

        from benchmarks.flops import product_flops

        signal = tf.TensorSpec(self.signal.shape)
        labels = {name: tf.TensorSpec(y.shape, tf.int64) for name, y in self.labels.items()}
        return {
            "step": product_flops(lambda x, y: self.model.train_step((x, y)), signal, labels),
            "inference": product_flops(self.infer.python_function, signal),
        }
