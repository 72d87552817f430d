"""Golden files of whole networks, against `build_model` and `compile_model`."""

from __future__ import annotations

import dataclasses
import json
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from parity.comparison import FLOAT64, POOL, REAL, TINY, norms, sums, swap
from parity.training import ATTEMPTS, check_training
from parity.weights import (
    CoefficientSquares,
    assign,
    model_variables,
    original_name,
    recipe,
    snapshot,
    unbiased,
    variable_shapes,
)

from spherical_cnn.data.records.codec import split_complex
from spherical_cnn.nn import TripletSemiHardLoss, models
from spherical_cnn.nn.blocks import SphericalBlock
from spherical_cnn.nn.global_pooling import AreaWeighting, GlobalSphericalAveragePooling
from spherical_cnn.training.network import build_model, compile_model
from spherical_cnn.training.run_config import RunConfig


def check_model(file):
    """`model_*`: forward passes, gradients and optimizer steps from recorded weights."""
    if "flags" not in file:
        check_dropout(file)
        return
    config = RunConfig.from_dict(json.loads(str(file.input("flags"))))
    limits = TINY
    if file.path.stem.startswith("model_real"):
        # The original's dense contraction is 10 times slower here; small networks check it.
        limits, config = REAL, dataclasses.replace(config, transform_method="sep")
    network = Network(file, config, limits)
    check_variables(file, network)
    check_forward(file, network, "eval")
    check_forward(file, network, "train")
    check_training(file, network, ATTEMPTS if limits is TINY else 1)


def check_dropout(file):
    """A model file without flags: those of another file of the same trunk, and dropout."""
    keras.utils.set_random_seed(0)
    for flags in flags_of_same_trunk(file):
        trial = file.trial()
        network = Network(trial, RunConfig.from_dict(flags), TINY)
        check_variables(trial, network)
        check_forward(trial, network, "eval")
        if not trial.failures:
            break
    file.adopt(trial)
    # Copies of the batch have its statistics, so one pass over them is as good as many passes.
    name, runs = "train:descriptor_zero_fraction_64runs", 64
    batch = np.tile(network.signals[0], (runs, 1, 1, 1))
    descriptor = network.model(batch, training=True)["descriptor"].numpy()
    fractions = np.mean(descriptor == 0, axis=1)
    deviation = np.std(fractions) / np.sqrt(len(fractions))  # of either mean
    file.check(np.mean(fractions) > 0.3, f"dropout drops {np.mean(fractions):.0%}")
    file.compare(name, np.mean(fractions), 6 * np.sqrt(2) * deviation, scale=1)


def flags_of_same_trunk(file):
    """Flags of the folder's files with the same convolutions, `…_base` first, set to dropout."""

    def trunk(arrays):
        pairs = zip(arrays["var_names"], arrays["var_shapes"], strict=True)
        return {pair for pair in pairs if pair[0].startswith("conv")}

    names = set(file.arrays["var_names"])
    found = []
    for path in sorted(file.path.parent.glob("model_*.npz"), key=lambda p: "base" not in p.stem):
        with np.load(path) as arrays:
            if "flags" in arrays and trunk(arrays) == trunk(file.arrays):
                found.append(json.loads(str(arrays["flags"])))
    if not found:
        raise LookupError(f"no other model file has the convolutions of {file.path.name}")
    return [
        flags
        | {
            "dropout": True,
            "input_res": file.arrays["x"].shape[-2],
            "no_final_fc": "fc1/dense/kernel" not in names,
            "extra_loss": "out/dense_1/kernel" in names,
            "n_classes": file.arrays["eval:logits"].shape[1],
        }
        for flags in found
    ]


class Network:
    """Our model of a file, with its variables by the original's names."""

    def __init__(self, file, config, limits):
        self.config, self.limits = config, limits
        # PARITY 22: with the original's `magnitudes` everything behind them can be compared too.
        with mock.patch.object(models, "DegreePower", CoefficientSquares):
            self.model = build_model(config)
        compile_model(self.model, config, run_eagerly=True)
        self.variables = model_variables(self.model)
        self.shapes = variable_shapes(file)
        self.start = initial_values(file, self.shapes)
        self.signals, self.labels = network_inputs(file), file.input("y")
        layers = {layer.name: layer for layer in self.model.layers}
        self.blocks = [layer for layer in layers.values() if isinstance(layer, SphericalBlock)]
        wanted = ["final_conv", "gap", "max", "magnitudes", "fc1_activation"]
        wanted = [name for name in wanted if name in layers] + [b.name for b in self.blocks]
        probes = {name: layers[name].output for name in wanted}
        self.probe = keras.Model(self.model.input, {**self.model.output, **probes})

    def forward(self, training, signals=None):
        """What the files hold of a pass over the first batch, by their names."""
        out = self.probe(self.signals[0] if signals is None else signals[0], training=training)
        maps, weighted = out["final_conv"], self.config.weighted_sph_avg
        out.setdefault("gap", GlobalSphericalAveragePooling("area" if weighted else "grid")(maps))
        out["final_conv"] = AreaWeighting()(maps) if weighted else maps
        predicted = {name: out[name] for name in self.model.output}
        out["loss"] = self.model.compute_loss(y=self.targets(0), y_pred=predicted)
        out["triplet_loss"] = TripletSemiHardLoss(margin=1.0)(self.labels[0], out["descriptor"])
        if "fc1_activation" in out:
            out["fc1"] = out["fc1_activation"]
        return out

    def gradients(self, signals):
        """Of the training loss of the first batch, by the original's names."""
        with tf.GradientTape() as tape:
            loss = self.forward(True, signals)["loss"]
        trained = {name: v.value for name, v in self.variables.items() if v.trainable}
        gradients = tape.gradient(loss, trained)
        return {name: np.reshape(g, self.shapes[name]) for name, g in gradients.items()}

    def targets(self, step):
        return {name: self.labels[step] for name in self.model.output}

    def restore(self):
        assign(self.variables, self.start)

    def values(self, steps):
        """Variables in the original's shapes, the moving variances unbiased (PARITY 14)."""
        values = snapshot(self.variables, self.shapes)
        for block in self.blocks:
            name = f"{original_name(block.name)}/batch_normalization/moving_variance"
            if isinstance(block.norm, keras.layers.BatchNormalization):
                samples = len(self.labels[0]) * block.output.shape[1] ** 2
                values[name] = unbiased(values[name], self.start[name], samples, steps)
        return values


def network_inputs(file):
    """Two-channel network inputs, colatitude first, of each step's complex batch."""
    split = split_complex(file.input("x")).numpy()
    if "x2" in file:
        file.compare("x2", split, POOL)
    return np.swapaxes(split, 2, 3)


def initial_values(file, shapes):
    """The variables' initial values: by the recipe, which must give what the file has of them."""
    names = list(shapes)
    mean, std, seed = (file.input(key) for key in ("var_mean", "var_std", "seed"))
    values = recipe(names, shapes, mean, std, int(seed))
    sizes = np.array([value.size for value in values.values()])
    l2 = norms(values.values())
    if "var_l2" in file:
        file.compare("var_l2", l2, FLOAT64, np.maximum(l2, 1e-30))
        file.compare("var_sum", sums(values.values()), FLOAT64, np.maximum(l2, 1) * sizes**0.5)
    for name, recorded in file.inputs_under("init:").items():
        file.check(np.array_equal(recorded, values[name]), f"init:{name} is not by the recipe")
    return values


def check_variables(file, network):
    names = list(network.shapes)
    ours = network.variables
    file.exact("var_names", [name for name in names if name in ours])
    file.check(set(ours) <= set(names), f"variables unknown there: {set(ours) - set(names)}")
    for name in names:
        mine, recorded = ([d for d in s if d > 1] for s in (ours[name].shape, network.shapes[name]))
        file.check(mine == recorded, f"{name}: recorded {network.shapes[name]}, ours {mine}")
    if "var_trainable" in file:
        file.exact("var_trainable", [ours[name].trainable for name in names])
        file.exact(
            "n_trainable_params", sum(v.numpy().size for v in network.model.trainable_weights)
        )
    if "act_names" in file:
        file.exact("act_names", [original_name(block.name) for block in network.blocks])


def check_forward(file, network, mode):
    limit = network.limits.train if mode == "train" else network.limits.eval
    network.restore()
    out = network.forward(training=mode == "train")
    out = {original_name(name): value.numpy() for name, value in out.items()}
    for match in file.names(rf"{mode}:(act_slice:|act:)?(\w+)"):
        full, kind, name = match[0], match[1], match[2]
        if name == "magnitudes":
            file.differ(full, 22)
            file.check_close(f"stand-in {full}", out[name], file.arrays[full], limit)
        elif kind == "act_slice:":
            side, _, channels = file.arrays[full].shape
            step = out[name].shape[1] // side
            file.compare(full, swap(out[name])[0, ::step, ::step, :channels], limit)
        elif name in out:
            maps = out[name].ndim == 4
            file.compare(full, swap(out[name]) if maps else out[name], limit)
    if f"{mode}:act_l2" in file:
        maps = [out[original_name(block.name)].astype(float) for block in network.blocks]
        rms = norms(maps) / np.sqrt([m.size for m in maps])
        file.compare(f"{mode}:act_mean", [m.mean() for m in maps], limit, rms)
        file.compare(f"{mode}:act_std", [m.std() for m in maps], limit, rms)
        file.compare(f"{mode}:act_l2", norms(maps), limit, norms(maps))
