"""What children hold: the network of the paper, or one convolution, ready to be measured."""

import pathlib
import resource
import sys

import numpy as np

from benchmarks.harness import repeated
from benchmarks.machine import ROOT, Product

PARAMETERS = ("model-64", "m40-64", "training")
# How a network is computed: dtype policy, flags.
VARIANTS = {
    "plain": ("float32", {"jit_compile": False}),
    "jit_compile": ("float32", {"jit_compile": True}),
    "mixed_bfloat16": ("mixed_bfloat16", {"jit_compile": False}),
    "naive": ("float32", {"jit_compile": False, "transform_method": "naive"}),
}


def configuration(**flags):
    """`Config` of the files in params that `PARAMETERS` names, 64 × 64 and 40 classes."""
    from spherical_cnn.experiment.config import Config, argument_parser

    files = [f"@{ROOT / 'params' / name}.txt" for name in PARAMETERS]
    return Config.from_json({**vars(argument_parser("").parse_args(files)), **flags})


class Network:
    """The network on random signals: training steps and inferences.

    Args:
        variant: of `VARIANTS`.
        batch: signals a step.
        flags: over those of `configuration`.
    """

    def __init__(self, variant, batch, flags=None):
        policy, own = VARIANTS[variant]
        import keras
        import tensorflow as tf

        from spherical_cnn.experiment.network import build_model, compile_model

        self.peak = self._product = None
        self.start = _memory("VmRSS")
        keras.config.set_dtype_policy(policy)
        keras.utils.set_random_seed(0)
        config = configuration(**own, **(flags or {}))
        self.model = model = build_model(config)
        compile_model(model, config)
        rng = np.random.default_rng(0)
        shape = (batch, config.input_res, config.input_res, 2)
        self.signal = rng.random(shape, np.float32)
        self.labels = dict.fromkeys(model.output_names, rng.integers(0, config.n_classes, batch))
        self.infer = tf.function(
            lambda x: model(x, training=False)["logits"], jit_compile=config.jit_compile
        )

    def train_once(self):
        """One training step."""
        self.model.train_on_batch(self.signal, self.labels)

    def infer_once(self):
        """One inference."""
        self.infer(self.signal).numpy()

    def train(self):
        """dict: seconds of training steps, bytes at their peak, and before the network was there.

        The peak is that of the process, as it is when first asked for.
        """
        step = repeated(self.train_once)
        self.peak = self.peak or peak_memory()
        return {"step": step, "peak": self.peak, "start": self.start}

    def step_and_infer(self):
        """Dict of `train`, and seconds of inferences."""
        return {**self.train(), "inference": repeated(self.infer_once)}

    def product(self):
        """What `Product` measures."""
        self._product = self._product or Product()
        return self._product.measure()

    def flops(self):
        """Operations of the products of a training step and of an inference."""
        import tensorflow as tf

        from benchmarks.flops import product_flops

        signal = tf.TensorSpec(self.signal.shape)
        labels = {name: tf.TensorSpec(y.shape, tf.int64) for name, y in self.labels.items()}
        return {
            "step_flops": product_flops(lambda x, y: self.model.train_step((x, y)), signal, labels),
            "inference_flops": product_flops(self.infer.python_function, signal),
        }


class Convolution:
    """One `SphericalConv` of as many filters as channels: forward and backward.

    Args:
        batch, resolution, channels: of the signals.
    """

    def __init__(self, batch, resolution, channels):
        import keras
        import tensorflow as tf

        from spherical_cnn import SphericalConv

        self.start = _memory("VmRSS")
        keras.utils.set_random_seed(0)
        layer = SphericalConv(channels, num_anchors=8)
        shape = (batch, resolution, resolution, channels)
        signal = tf.random.stateless_normal(shape, (0, 1))
        layer.build(shape)

        @tf.function
        def gradients():
            with tf.GradientTape() as tape:
                tape.watch(signal)
                loss = tf.reduce_sum(tf.square(layer(signal)))
            watched = [signal, *(weight.value for weight in layer.trainable_weights)]
            return tf.reduce_sum([tf.reduce_sum(g) for g in tape.gradient(loss, watched)])

        self.once = lambda: gradients().numpy()
        self.once()

    def train(self):
        """As of `Network`, a step being forward and backward."""
        return {"step": repeated(self.once), "peak": peak_memory(), "start": self.start}


def peak_memory():
    """Bytes of this process at its peak."""
    return _memory("VmHWM")


def _memory(field):
    """Bytes as Linux says; elsewhere the peak, also in place of what is there now."""
    try:
        lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024
