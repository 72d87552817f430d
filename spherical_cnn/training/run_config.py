"""The options of a run. Those of the original program keep their long and short flags."""

from __future__ import annotations

import dataclasses
import itertools
import math
import os

from spherical_cnn import choices
from spherical_cnn.errors import ConfigError
from spherical_cnn.options import Options, option
from spherical_cnn.training.run_checks import network_problems, run_problems

PROCESS_OPTIONS = ("coordinator", "num_processes", "process_id")


@dataclasses.dataclass(frozen=True)
class RunConfig(Options):
    """All options of a run.

    Raises:
        ConfigError: naming the first flag whose value, or combination, is invalid.
    """

    model: str = option(
        "two_branch",
        "m",
        "architecture; planar uses 3 × 3 convolutions, for comparison; point_sphere takes points",
        choices.MODELS,
        group="run",
    )
    logdir: str = option("", "ld", "run folder, created if missing")
    run_id: str = option("", "id", "name of the run; default: the last part of logdir")
    test_only: bool = option(False, "to", "test the run in logdir without training")
    dset: str = option(
        "from_cached_tfrecords", "d", "kind of dataset", ("from_cached_tfrecords",), group="data"
    )
    dset_dir: str = option("~/bigdata", "dd", "folder of train*, val*, test*.tfrecord")
    online: str = option(
        "", None, "SOURCE of shapes to cast during training, instead of TFRecords; see scnn build"
    )
    n_classes: int = option(10, "nc", "number of classes", least=2)
    dtype: str = option("complex64", "dt", "dtype of the samples in the records", choices.DTYPES)
    spectral_input: bool = option(False, None, "not supported; it never ran in the original")
    mag_ang: bool = option(False, None, "always on; accepted for the original's files of flags")
    real_inputs: bool = option(False, "ri", "always on; accepted for the original's files of flags")
    nchannels: int = option(1, None, "channels in the records; complex ones count once", least=1)
    first_n: int | None = option(None, "fn", "use the first N train and val batches", least=1)
    test_n: int = option(0, "tn", "test on the first N batches; 0 for all", least=0)
    input_res: int = option(32, "res", "samples along each angle of the sphere")
    skip_val: bool = option(False, "sv", "skip validation; best checkpoint by train accuracy")
    optimizer: str = option(
        "adam", "o", "optimizer; momentum is 0.9, Nesterov", choices.OPTIMIZERS, group="training"
    )
    learning_rate: dict[int, float] = option(
        {0: 1e-3}, "lr", "{epoch: rate, …}, epochs from 0; a rate applies until the next epoch"
    )
    regularization_weight: float = option(
        0.0, "reg", "weight of the mean L2 norm of the convolutions' anchors", least=0
    )
    cosine: bool = option(
        False, None, "multiply the rate by half a cosine, from 1 to 0 over n_epochs"
    )
    weight_decay: float = option(0.0, None, "decay of all weights per step and rate", least=0)
    label_smoothing: float = option(
        0.0, None, "fraction of each label that is spread over all classes", least=0, below=1
    )
    n_epochs: int = option(10, "ne", "number of epochs; each uses one train shard", least=1)
    from_scratch: bool = option(False, "fs", "remove an earlier run in logdir first")
    initial_weights: str = option(
        "", None, "RUN or preset to start from; classes of another number get a new classifier"
    )
    train_bsize: int = option(128, "bs", "batch size", least=1)
    nfilters: tuple[int, ...] = option(
        (16, 16, 32, 32, 64, 64), None, "channels of each layer", group="network"
    )
    pool_layers: tuple[int, ...] = option((0, 1, 0, 1, 0, 0), None, "1 for layers that pool")
    concat_branches: tuple[int, ...] = option(
        (0, 0, 0, 0, 0, 0),
        None,
        "1 for layers where the branch distance also takes the input of incidence",
    )
    dropout: bool = option(False, "do", "dropout of 0.5 after the final pool and the dense layer")
    batch_norm: bool = option(False, "bn", "batch normalization after each convolution")
    batch_renorm: bool = option(False, "brn", "batch renormalization instead")
    nonlin: str = option(
        "prelu", "nl", "nonlinearity: prelu, smooth_leaky_relu or a Keras activation"
    )
    spectral_pool: bool = option(False, "sp", "pool in the spectral domain")
    pool: str = option("wap", "p", "pooling; lowpass is exactly equivariant", choices.POOLS)
    dealias: bool = option(False, None, "compute feature maps on a finer grid, to reduce aliasing")
    map_grid: str = option(
        "driscoll_healy",
        None,
        "grids of --dealias: the paper's, 1.5 × finer; Gauss-Legendre ones, for smooth_leaky_relu",
        choices.MAP_GRIDS,
    )
    up_channel: str = option(
        "off",
        None,
        "add an up-axis input channel: on for upright shapes, masked (zeros) for any rotation",
        choices.UP_CHANNELS,
    )
    n_filter_params: tuple[int, ...] = option(
        (0,),
        "nfp",
        "anchors per filter (num_anchors), for all layers or for each; 0: one per degree",
    )
    weighted_sph_avg: bool = option(False, "wsa", "weight the last feature maps by area")
    quadrature: bool = option(False, None, "integrate the last feature maps exactly instead")
    final_pool: str = option("gap", "fp", "pooling of the last feature maps", choices.FINAL_POOLS)
    extra_loss: bool = option(False, "el", "second classifier on half of the descriptor")
    triplet_loss: bool = option(False, "tl", "add a semi-hard triplet loss of the descriptor")
    round_batches: bool = option(False, "rb", "drop the last partial train batch")
    no_final_fc: bool = option(False, "nofc", "use the pooled vector as the descriptor")
    neighborhoods: tuple[int, ...] = option(
        (16,), None, "numbers of nearest points for local invariants", group="point_sphere"
    )
    point_filters: tuple[int, ...] = option((64, 32), None, "widths of the perceptron of points")
    pair_points: tuple[int, ...] = option((512, 128), None, "points of each level of pairs")
    pair_neighbors: tuple[int, ...] = option((16, 16), None, "neighbors of each level of pairs")
    pair_filters: tuple[int, ...] = option((64, 128), None, "channels of each level of pairs")
    shells: int = option(4, None, "shells about the center", least=1)
    shell_channels: int = option(8, None, "features that each level sums to the sphere", least=1)
    dense: int = option(256, None, "width of the descriptor", least=1)
    dropout_rate: float = option(0.4, None, "rate of --dropout", least=0, below=1)
    transform_method: str = option(
        "sep",
        "tm",
        "naive: dense contraction; equal numbers, slower",
        choices.METHODS,
        group="speed and reproducibility",
    )
    jit_compile: bool = option(
        False, "jit", "compile with XLA: faster steps; the first one of each shape takes seconds"
    )
    tf32: bool = option(False, None, "allow TensorFloat-32 on NVIDIA GPUs: faster, 3 digits not 7")
    devices: str = option("1", None, "N or all: number of devices that share each batch")
    coordinator: str = option("", None, "HOST:PORT of process 0 of several processes (JAX)")
    num_processes: int = option(1, None, "number of processes; their other flags agree", least=1)
    process_id: int = option(
        0, None, "index of this process, from 0; process 0 writes the run folder", least=0
    )
    seed: int = option(0, None, "seed of weights, shuffling and dropout", least=0)
    deterministic: bool = option(False, None, "bitwise reproducible; slower, disables XLA")

    def __post_init__(self):
        super().__post_init__()
        for problem in itertools.chain(network_problems(self), run_problems(self)):
            raise ConfigError(problem)

    @property
    def name(self):
        """`run_id`, or the last part of `logdir`."""
        return self.run_id or os.path.basename(os.path.normpath(self.logdir))

    def rate(self, epoch):
        """Returns the learning rate of `epoch` (from 0)."""
        rate = self.learning_rate[max(key for key in self.learning_rate if key <= epoch)]
        turn = math.pi * min(epoch / self.n_epochs, 1)
        return rate * (1 + math.cos(turn)) / 2 if self.cosine else rate

    @property
    def takes_points(self):
        """Whether the network reads points; otherwise it reads signals."""
        return self.model == "point_sphere"
