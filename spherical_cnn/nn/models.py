"""The two-branch network of Esteves et al. 2018, section 5 and figure 3."""

from __future__ import annotations

from collections.abc import Callable

import keras

from spherical_cnn.choices import (
    BRANCHES,
    FINAL_POOLS,
    GLOBAL_AVERAGES,
    MAP_GRIDS,
    UP_CHANNELS,
)
from spherical_cnn.nn.blocks import SphericalBlock, copied, normalization_layer
from spherical_cnn.nn.global_pooling import (
    AreaWeighting,
    DegreePower,
    GlobalSphericalAveragePooling,
)
from spherical_cnn.nn.nonlinearities import nonlinearity_layer
from spherical_cnn.nn.pooling import SphericalPooling, SphericalResampling
from spherical_cnn.nn.up_axis import UpAxisChannel
from spherical_cnn.sphere.grid import SphericalGrid

_ROWS = 1.15  # of Gauss–Legendre maps, relative to for_products: aliasing tells which way is up


def two_branch(
    resolution,
    num_classes,
    filters=(16, 16, 32, 32, 64, 64),
    pool_layers=(0, 1, 0, 1, 0, 0),
    concat_layers=(0, 0, 0, 0, 0, 0),
    *,
    num_anchors=None,
    normalization=None,
    nonlinearity="prelu",
    pool="lowpass",
    spectral_pooling=False,
    global_average="quadrature",
    final_pool="gap",
    final_dense=True,
    extra_logits=False,
    dropout=False,
    method="sep",
    regularization=0.0,
    dealias=False,
    map_grid="driscoll_healy",
    up_channel="off",
    planar=False,
    name="two_branch",
):
    """Builds a functional Keras model from a two-channel signal to logits and descriptor.

    Channel 0, the ray length, is the input of the branch `distance`; channel 1, the sine of the
    angle between ray and normal, of the branch `incidence`. Layer `i` of a branch is the
    `SphericalBlock` named `conv{i}_{branch}`, followed by `pool{i}_{branch}` if it pools. In concat
    layers, `distance` also takes the input of `incidence`, but not the reverse. The outputs of both
    are concatenated.

    Args:
        resolution: `n = 2L` of the input grid.
        num_classes: size of the logits.
        filters: output channels of each layer.
        pool_layers: 1 where a layer halves the resolution, else 0.
        concat_layers: 1 where `distance` also takes the input of `incidence`, else 0.
        num_anchors: anchors per filter, as in `SphericalConv`, for all layers, or a list for each.
        normalization: `None`, `"batch"` or `"batch_renorm"`, whose averages need about 500 steps;
            or an unbuilt Keras layer, of which each block gets a copy. In shorter trainings, use
            `keras.layers.BatchNormalization(momentum=0.9)`.
        nonlinearity: `"prelu"`, `"smooth_leaky_relu"` or a Keras activation, in all layers.
        pool: `"lowpass"`, `"wap"` (the paper's), `"avg"` or `"max"`, as in `SphericalPooling`.
        spectral_pooling: whether to pool inside the convolutions, before the nonlinearity.
        global_average: `"quadrature"`, `"area"` (the paper's) or `"grid"`, as in
            `GlobalSphericalAveragePooling`. `"area"` weights the other final pools too.
        final_pool: `"gap"` (global average), `"max"`, `"magnitudes"` (power per degree), or
            `"all"`, which concatenates the three.
        final_dense: whether a dense layer of 64 units computes the descriptor; otherwise it is the
            pooled vector.
        extra_logits: whether to add a second classifier of the second half of the descriptor.
        dropout: whether to apply dropout of 0.5 to the pooled vector and the dense layer's output.
        method: `"sep"` or `"naive"`, as in `SphericalConv`.
        regularization: weight of the mean over all convolutions of `0.5 Σ kernel²`.
        dealias: whether to compute maps on finer grids than their degrees ask for, which drops most
            of what nonlinearities alias. Low-pass pooling is then no layer: the next convolution
            reads half of the degrees.
        map_grid: the grids of `dealias`. `"driscoll_healy"`: the paper's, 1.5 × finer.
            `"gauss_legendre"`: those that integrate the product of two maps and a harmonic that the
            next layer reads exactly, and 1.15 times as many rows: 0.6 of the samples, or fewer;
            for low-pass pooling only, and for smooth nonlinearities, such as `"smooth_leaky_relu"`.
        up_channel: `"on"` adds an `UpAxisChannel` to the input of the first layer and of the concat
            layers, for upright shapes; `"masked"` sets this channel to 0, for shapes in any
            rotation; `"off"` is the network without it.
        planar: whether to use 3 × 3 convolutions of the grid as an image, for comparison;
            `num_anchors`, `spectral_pooling`, `dealias` and `method` do not apply.
        name: name of the model.

    Returns:
        `keras.Model` from `signal` `(batch, n, n, 2)` to a dict: `logits` `(batch, num_classes)`,
        `descriptor` `(batch, features)` and, if asked for, `logits_branch1`
        `(batch, num_classes)`.

    Raises:
        ValueError: if the layer lists differ in length or have other values than 0 and 1, an
            option is unknown, or `resolution` cannot be halved that often.
    """
    dealias = dealias and not planar
    _check_layers(resolution, filters, pool_layers, concat_layers, dealias)
    if map_grid == "gauss_legendre" and (not dealias or pool != "lowpass" or pool_layers[-1]):
        raise ValueError(
            "map_grid='gauss_legendre' needs dealias=True, pool='lowpass', and no pooling after "
            f"the last layer. Received: dealias={dealias}, pool={pool!r}, pool_layers={pool_layers}"
        )
    anchors = num_anchors if isinstance(num_anchors, list | tuple) else [num_anchors] * len(filters)
    if len(anchors) != len(filters):
        raise ValueError(
            f"num_anchors needs one entry, or one per layer, {len(filters)}. "
            f"Received: num_anchors={num_anchors}"
        )
    for option, value, known in (
        ("up_channel", up_channel, UP_CHANNELS),
        ("global_average", global_average, GLOBAL_AVERAGES),
        ("final_pool", final_pool, FINAL_POOLS),
        ("map_grid", map_grid, MAP_GRIDS),
    ):
        if value not in known:
            raise ValueError(f"{option} must be one of {known}. Received: {value!r}")
    regularizer = None
    if regularization:
        regularizer = keras.regularizers.L2(0.5 * regularization / (2 * len(filters)))
    options = {"nonlinearity": nonlinearity, "kernel_regularizer": regularizer}
    block: Callable = _planar_block if planar else SphericalBlock
    if not planar:
        options["method"] = method
    signal = keras.Input((resolution, resolution, 2), name="signal")
    branches = [signal[..., :1], signal[..., 1:]]
    grid = None  # of the maps; None: the paper's, at their resolution
    up_axis = None
    if up_channel != "off":
        up_axis, up_grid = UpAxisChannel(up_channel == "on", name="up_axis")(signal), None
    for i, (width, pooled, concat) in enumerate(
        zip(filters, pool_layers, concat_layers, strict=True)
    ):
        spectral = bool(pooled and spectral_pooling)
        inputs = [branches if concat else branches[:1], branches[1:]]
        if up_axis is not None and (concat or i == 0):
            if up_axis.shape[1:3] != branches[0].shape[1:3]:
                up_axis = _resampled(up_axis, up_grid, branches[0], grid, name=f"up_axis{i}")
                up_grid = grid
            inputs = [[*signals, up_axis] for signals in inputs]
        own: dict = {} if planar else {"num_anchors": anchors[i], "grid": grid}
        if dealias:
            degrees = resolution // 2 ** (sum(pool_layers[:i]) + spectral + 1)
            own["degrees"] = degrees
            if map_grid == "driscoll_healy":
                own["out_grid"] = SphericalGrid(3 * degrees // 2)
            else:
                last = i + 1 == len(filters) and final_pool == "gap"
                read = 1 if last else degrees // (2 if pooled else 1)
                own["out_grid"] = grid = SphericalGrid.for_products(degrees, read, _ROWS)
        elif spectral:
            own["spectral_pooling"] = True
        read_later = dealias and pool == "lowpass" and i + 1 < len(filters)
        for j, branch in enumerate(BRANCHES):
            maps = inputs[j] if len(inputs[j]) > 1 else inputs[j][0]
            own["normalization"] = copied(normalization)
            branches[j] = block(width, name=f"conv{i}_{branch}", **options, **own)(maps)
            if pooled and not spectral and not read_later:
                branches[j] = SphericalPooling(pool, name=f"pool{i}_{branch}")(branches[j])
    maps = keras.layers.Concatenate(name="final_conv")(branches)
    vector = _final_pool(maps, final_pool, global_average, grid)
    if dropout:
        vector = keras.layers.Dropout(0.5, name="dropout_pool")(vector)
    if final_dense:
        vector = keras.layers.Dense(64, name="fc1")(vector)
        vector = nonlinearity_layer(nonlinearity, name="fc1_activation")(vector)
        if dropout:
            vector = keras.layers.Dropout(0.5, name="dropout_fc1")(vector)
    return keras.Model(signal, _outputs(vector, num_classes, extra_logits), name=name)


def _planar_block(width, normalization, nonlinearity, kernel_regularizer, name):
    """`SphericalBlock` with a convolution of 3 × 3 samples: a function of a signal or a list."""
    options = {"padding": "same", "kernel_regularizer": kernel_regularizer, "name": f"{name}_conv"}
    options["data_format"] = "channels_last"  # not the user's default
    conv = keras.layers.Conv2D(width, 3, use_bias=normalization is None, **options)

    def apply(inputs):
        if isinstance(inputs, list):
            inputs = keras.layers.Concatenate(name=f"{name}_input")(inputs)
        maps = conv(inputs)
        if normalization is not None:
            maps = normalization_layer(normalization, name=f"{name}_norm")(maps)
        return nonlinearity_layer(nonlinearity, shared_axes=(1, 2), name=name)(maps)

    return apply


def _resampled(maps, grid, like, out_grid, name):
    """Resamples maps of a grid to that of other maps; grids of `None` are the paper's."""
    out_grid = out_grid or SphericalGrid.from_resolution(like.shape[1])
    return SphericalResampling(grid=grid, out_grid=out_grid, name=name)(maps)


def _final_pool(maps, final_pool, global_average, grid):
    vectors = []
    if final_pool in ("gap", "all"):
        vectors.append(GlobalSphericalAveragePooling(global_average, grid, name="gap")(maps))
    weighted = maps
    if global_average == "area" and final_pool != "gap":
        weighted = AreaWeighting(grid, name="area_weighting")(maps)
    if final_pool in ("max", "all"):
        vectors.append(keras.layers.GlobalMaxPooling2D("channels_last", name="max")(weighted))
    if final_pool in ("magnitudes", "all"):
        vectors.append(DegreePower(grid, name="magnitudes")(weighted))
    return vectors[0] if len(vectors) == 1 else keras.layers.Concatenate(name="all")(vectors)


def _outputs(vector, num_classes, extra_logits):
    # Losses are computed in the dtype of the variables, also under mixed precision.
    dtype = keras.config.dtype_policy().variable_dtype
    outputs = {
        "logits": keras.layers.Dense(num_classes, dtype=dtype, name="logits")(vector),
        "descriptor": keras.layers.Identity(dtype=dtype, name="descriptor")(vector),
    }
    if extra_logits:
        half = vector[:, vector.shape[1] // 2 :]
        layer = keras.layers.Dense(num_classes, dtype=dtype, name="logits_branch1")
        outputs["logits_branch1"] = layer(half)
    return outputs


def _check_layers(resolution, filters, pool_layers, concat_layers, dealias):
    lengths = [len(filters), len(pool_layers), len(concat_layers)]
    if len(set(lengths)) != 1 or not filters:
        raise ValueError(
            "filters, pool_layers and concat_layers need one entry per layer. "
            f"Received: lengths {lengths}"
        )
    for name, values in (("pool_layers", pool_layers), ("concat_layers", concat_layers)):
        if set(values) - {0, 1}:
            raise ValueError(f"{name} takes 0 and 1. Received: {tuple(values)}")
    factor = (4 if dealias else 2) * 2 ** sum(pool_layers)
    if resolution < 1 or resolution % factor:
        raise ValueError(
            f"{sum(pool_layers)} poolings need a resolution divisible by {factor}. "
            f"Received: resolution={resolution}, dealias={dealias}"
        )
