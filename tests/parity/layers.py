"""Golden files of single layers, blocks, pools, heads and losses, against `spherical_cnn.nn`."""

from __future__ import annotations

import re
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from parity.comparison import FLOAT32, FLOAT64, GRADIENT, POOL, swap
from parity.weights import (
    CoefficientSquares,
    assign,
    block_variables,
    model_variables,
    snapshot,
    unbiased,
)

from spherical_cnn.nn import SphericalConv, SphericalPooling, models
from spherical_cnn.nn.blocks import SphericalBlock
from spherical_cnn.nn.convolution import filter_stddev
from spherical_cnn.nn.global_pooling import (
    AreaWeighting,
    DegreePower,
    GlobalSphericalAveragePooling,
)
from spherical_cnn.nn.losses import TripletSemiHardLoss
from spherical_cnn.sphere import SphericalGrid, sht
from spherical_cnn.sphere.sht import to_complex


def check_sphconv(file):
    """`sphconv_n<resolution>_nfp<anchors>_<bias|nobias>`."""
    anchors = int(re.search(r"nfp(\d+)", file.path.stem)[1])
    x, kernel = swap(file.input("x")), file.input("W")
    use_bias = "b" in file
    layer = SphericalConv(kernel.shape[2], num_anchors=anchors or None, use_bias=use_bias)
    layer.build(x.shape)
    grid = SphericalGrid.from_resolution(x.shape[1])
    stddev = filter_stddev(grid.bandwidth, kernel.shape[0])
    if "init_std" in file:
        file.compare("init_std", stddev, FLOAT32)
        file.compare("init_std_formula", stddev, FLOAT64)
        largest = np.max(np.abs(layer.kernel.numpy()))
        file.check(0 < largest <= 2 * stddev, f"initial weights up to {largest}, std {stddev}")
    layer.kernel.assign(kernel)
    if use_bias:
        layer.bias.assign(file.input("b").ravel())
    if "n_vars" in file:
        file.exact("n_vars", len(layer.weights))
    file.compare("spectra", np.swapaxes(layer.spectra(), 0, 1), FLOAT32)
    with tf.GradientTape() as tape:
        out = layer(x)
        if "cotangent" in file:
            total = ops.sum(out * swap(file.input("cotangent")))
    file.compare("out", swap(out), FLOAT32)
    for match in file.names("grad_W"):
        file.compare(match[0], tape.gradient(total, layer.kernel), FLOAT32)


def check_block(file):
    """`block_bn<0|1>_renorm<0|1>_<nonlinearity>`."""
    batch_norm, renorm, nonlinearity = re.fullmatch(
        r"block_bn(\d)_renorm(\d)_(\w+)", file.path.stem
    ).groups()
    normalization = {"00": None, "10": "batch", "11": "batch_renorm"}[batch_norm + renorm]
    x, cotangent = swap(file.input("x")), swap(file.input("cotangent"))
    _, anchors, filters = file.arrays["init:sphconv.W"].shape
    block = SphericalBlock(filters, anchors, normalization, nonlinearity)
    block.build(x.shape)
    variables = block_variables(block, separator=".")
    shapes = {name: file.arrays["fresh:" + name].shape for name in variables}
    shapes["sphconv.W"] = block.conv.kernel.shape
    fresh = {m[1]: m[0] for m in file.names("fresh:(.*)")}
    file.check(set(fresh) == set(variables), f"variables {set(fresh)}, ours {set(variables)}")
    for name, full in fresh.items():
        if name == "sphconv.W":
            file.set_aside(full, "0 stands in for the random W")
        else:
            file.compare(full, snapshot(variables, shapes)[name], FLOAT32)
    assign(variables, file.inputs_under("init:"))
    start = snapshot(variables, shapes)
    for mode in ("eval", "train"):
        with tf.GradientTape() as tape:
            out = block(x, training=mode == "train")
            total = ops.sum(out * cotangent)
        file.compare(f"out_{mode}", swap(out), FLOAT32)
        matches = file.names(f"grad_{mode}:(.*)")
        gradients = tape.gradient(total, [variables[m[1]].value for m in matches])
        for match, gradient in zip(matches, gradients, strict=True):
            file.compare(match[0], np.reshape(gradient, shapes[match[1]]), GRADIENT)
        if mode == "eval" and "eval_update_is_noop" in file:
            now = snapshot(variables, shapes)
            same = all(np.array_equal(now[name], start[name]) for name in start)
            file.exact("eval_update_is_noop", same)
        assign(variables, start)
    for step in range(1, max([int(m[1]) for m in file.names(r"after(\d+):.*")], default=0) + 1):
        block(x, training=True)
        biased = snapshot(variables, shapes)
        values = dict(biased)
        if normalization == "batch":
            name = "batch_normalization.moving_variance"
            values[name] = unbiased(biased[name], start[name], np.prod(x.shape[:3]), step)
        for match in file.names(f"after{step}:(.*)"):
            file.compare(match[0], values[match[1]], FLOAT32)
        for match in file.names(f"out_(eval|train)_after{step}"):
            assign(variables, values)
            file.compare(match[0], swap(block(x, training=match[1] == "train")), FLOAT32)
        assign(variables, biased)


def check_pool(file):
    x = swap(file.input("x"))
    for match in file.names(r"(grad_)?(wap|avg|max)_k(\d+)"):
        layer = SphericalPooling(match[2], int(match[3]))
        if not match[1]:
            file.compare(match[0], swap(layer(x)), POOL)
            continue
        tensor = ops.convert_to_tensor(x)
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            total = ops.sum(layer(tensor) * swap(file.input(f"cotangent_k{match[3]}")))
        file.compare(match[0], swap(tape.gradient(total, tensor)), POOL)
    for match in file.names("spectral_(complex|real)"):
        file.compare(match[0], swap(SphericalPooling("lowpass")(x)), FLOAT32)


def check_head(file):
    """`afterconv_<final pool>_wsa<0|1>_fc<0|1>`."""
    final_pool, weighted, dense = re.fullmatch(
        r"afterconv_(\w+)_wsa(\d)_fc(\d)", file.path.stem
    ).groups()
    x = swap(file.input("x"))
    channels = x.shape[3]

    def stand_in(width, name, **_):  # any layer that makes final_conv as wide as x
        width = channels // 2 if name.endswith("distance") else (channels + 1) // 2
        return keras.layers.Conv2D(width, 1, name=name)

    with (
        mock.patch.object(models, "SphericalBlock", stand_in),
        mock.patch.object(models, "DegreePower", CoefficientSquares),
    ):
        model = models.two_branch(
            x.shape[1],
            file.arrays["out"].shape[1],
            filters=(1,),
            pool_layers=(0,),
            concat_layers=(0,),
            nonlinearity="prelu" if "init:fc1/Variable" in file or dense == "0" else "relu",
            final_pool=final_pool,
            global_average="area" if weighted == "1" else "grid",
            final_dense=dense == "1",
            extra_logits="init:out/dense_1/kernel" in file,
        )
    assign(model_variables(model), file.inputs_under("init:"))
    weighted_x = AreaWeighting()(x) if weighted == "1" else ops.convert_to_tensor(x)
    file.compare("final_conv", swap(weighted_x), FLOAT32)
    layers = {layer.name: layer.output for layer in model.layers}
    probes = {name: layers[ours] for name, ours in _HEAD.items() if ours in layers}
    outputs = keras.Model(layers["final_conv"], probes)(x, training=False)
    outputs.setdefault(
        "gap", GlobalSphericalAveragePooling("area" if weighted == "1" else "grid")(x)
    )
    for match in file.names("|".join(_HEAD)):
        if match[0] == "magnitudes":
            file.differ("magnitudes", 22)
            recorded = file.arrays["magnitudes"]
            file.check_close("stand-in magnitudes", outputs["magnitudes"], recorded, FLOAT32)
        else:
            file.compare(match[0], outputs[match[0]], FLOAT32)
    if "final_coeffs" in file:
        grid = SphericalGrid.from_resolution(x.shape[1])
        file.compare("final_coeffs", to_complex(sht(weighted_x, grid))[:, :1], FLOAT32)
        squares = np.abs(file.arrays["final_coeffs"][:, 0]) ** 2
        power = 2 * squares.sum(axis=2) - squares[:, :, 0]  # orders -m are as strong as m
        ours = DegreePower()(weighted_x)
        file.check_close("power per degree", ours, power.reshape(ours.shape), FLOAT32)
    labels = file.input("y")
    if "extra_loss" in file:
        entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        file.compare("extra_loss", entropy(labels, outputs["logits_branch1"]), FLOAT32)


_HEAD = {  # arrays of the file by our layers
    "gap": "gap",
    "max": "max",
    "magnitudes": "magnitudes",
    "fc1": "fc1_activation",
    "descriptor": "descriptor",
    "out": "logits",
    "logits_branch1": "logits_branch1",
}


def check_triplet(file):
    for match in file.names(r"desc_(\d+)"):
        number = match[1]
        descriptors = tf.constant(file.input(match[0]))
        with tf.GradientTape() as tape:
            tape.watch(descriptors)
            loss = TripletSemiHardLoss(margin=1.0)(file.input(f"labels_{number}"), descriptors)
        gradient = tape.gradient(loss, descriptors).numpy()
        file.compare(f"loss_{number}", loss, FLOAT32)
        if np.isnan(file.arrays[f"loss_raw_{number}"]):
            file.differ(f"loss_raw_{number}", 25)
            file.differ(f"grad_{number}", 25)
            file.check(loss == 0 and not gradient.any(), "batch without positives: not exactly 0")
        else:
            file.compare(f"loss_raw_{number}", loss, FLOAT32)
            file.compare(f"grad_{number}", gradient, GRADIENT)
