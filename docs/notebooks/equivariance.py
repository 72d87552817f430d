# %% [markdown]
# # Equivariance: rotate a shape and watch
#
# You learn what a rotation of a shape does to its signal, to the feature maps and to the answer of
# a network, and how to measure it. You train two small networks on the same upright shapes: the
# network of Esteves et al. 2018 and our rotation-invariant variant of it.
#
# The notebook takes one to two minutes on two cores without a GPU, and downloads nothing.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial.transform import Rotation
from scipy.special import softmax

import spherical_cnn as scnn
from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.data.poses import draw_rotations
from spherical_cnn.data.signals import cast_poses
from spherical_cnn.data.signals import signals as cast_shapes
from spherical_cnn.data.sources import find_shapes
from spherical_cnn.nn import SphericalResampling
from spherical_cnn.nn.layer_errors import measure, rotated_exactly
from spherical_cnn.nn.outputs import feature_extractor, map_grids
from spherical_cnn.reporting.shading import FRONT, color_range, shape_pixels, sphere_pixels
from spherical_cnn.reporting.sphere_plots import draw_picture
from spherical_cnn.shapes.raycast import RayCaster
from spherical_cnn.shapes.signal import Pose
from spherical_cnn.sphere.rotation import euler_to_matrix, random_rotations, rotate_signal

keras.utils.set_random_seed(0)
plt.rcParams.update(
    {
        "figure.dpi": 110,
        "figure.constrained_layout.use": True,
        "font.size": 12,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
)
COLORS = {"paper's": "#D55E00", "invariant": "#0072B2"}  # the color-blind can tell them apart
PIXELS = 440  # of a picture of a shape or a sphere, in each direction

# %% [markdown]
# ## Shapes and signals
#
# The package generates ten families of shapes. A shape becomes a signal on the sphere: rays from
# its center measure the distance to the surface, and the sine of the angle between ray and surface
# normal. `RayCaster` casts the rays; a `Pose` rotates the shape first.

# %%
grid = scnn.SphericalGrid.from_resolution(32)
config = DatasetConfig(resolution=32, rays_per_sample=7)
source = find_shapes("embedded", embedded_shapes=(200, 0, 100))  # train, validation, test


def cast(caster, matrices):
    """Signals (rotations, 32, 32, 2) of a rotated shape: colatitude, longitude, channel."""
    return cast_poses(caster, [Pose(matrix) for matrix in matrices], config)


(item,) = (one for one in source.items if (one.split, one.name) == ("test", "guitar_00005"))
guitar = RayCaster(item.origin.shape(center="sphere"))

fine = scnn.SphericalGrid.from_resolution(256)  # for the picture; the networks read 32 × 32 samples
signal = guitar.signal(fine, Pose())

figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.6))
draw_picture(axes[0], shape_pixels(guitar, pixels=PIXELS))
axes[0].set_title("shape")
for one, channel, title in zip(
    axes[1:], (0, 1), ("distance", "sine of the incidence"), strict=True
):
    colors = color_range(signal[..., channel])
    draw_picture(one, sphere_pixels(signal[..., channel], colors, FRONT, PIXELS, fine))
    one.set_title(title)
    scale = plt.cm.ScalarMappable(plt.Normalize(*colors[1:]), colors[0])
    figure.colorbar(scale, ax=one, shrink=0.8)
plt.show()

# %% [markdown]
# ## Two networks
#
# Both have two branches of spherical convolutions and the same number of filters. They differ in
# three options. The paper's network averages neighboring samples in its pooling, and its global
# average weights samples only approximately by their area. The invariant network drops the high
# degrees instead, integrates exactly, and computes its maps on finer grids, so that the
# nonlinearities alias less.

# %%
layers = {"filters": (16, 16, 32, 32), "pool_layers": (0, 1, 1, 0), "concat_layers": (0, 1, 1, 0)}
shared = {"num_anchors": 6, "final_dense": False, **layers}
networks = {
    "paper's": scnn.two_branch(32, 10, pool="wap", global_average="area", **shared),
    "invariant": scnn.two_branch(
        32,
        10,
        pool="lowpass",
        global_average="quadrature",
        dealias=True,
        **shared,
    ),
}

# %% [markdown]
# All training shapes are upright: they are rotated about the vertical axis only. The networks are
# tested on other shapes, upright and in any rotation.

# %%
rng = np.random.default_rng(0)


def dataset(split, rotation, copies):
    items = [item for item in source.items if item.split == split]
    poses = [[Pose(matrix) for matrix in draw_rotations(rotation, copies, rng)] for _ in items]
    of_items = [found for _, found in cast_shapes(items, poses, config)]
    labels = [source.labels[item.class_name] for item in items]
    return np.concatenate(of_items), np.repeat(labels, copies)


train = dataset("train", "z", 4)
tests = {
    "tested upright": dataset("test", "z", 1),
    "tested in any rotation": dataset("test", "so3", 3),
}

# %%
accuracy = {}
for name, network in networks.items():
    classifier = keras.Model(network.input, network.output["logits"])  # shares the weights
    classifier.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.01, 350)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    classifier.fit(*train, batch_size=16, epochs=7, verbose=0)
    for test, (signals, labels) in tests.items():
        answers = np.asarray(classifier(signals)).argmax(axis=-1)
        accuracy[name, test] = 100 * np.mean(answers == labels)

figure, axes = plt.subplots(figsize=(7.5, 3.6))
for place, (name, color) in enumerate(COLORS.items()):
    heights = [accuracy[name, test] for test in tests]
    bars = axes.bar(np.arange(2) + 0.36 * (place - 0.5), heights, 0.34, color=color, label=name)
    axes.bar_label(bars, fmt="%.0f %%", padding=2)
axes.set(ylabel="accuracy, %", ylim=(0, 109), yticks=range(0, 101, 25))
axes.set_xticks(range(2), tests)
axes.legend(loc="upper left", bbox_to_anchor=(1, 1), title="network", frameon=False)
plt.show()

# %% [markdown]
# Trained on upright shapes, the invariant network classifies rotated ones as well. The paper's
# network loses accuracy, because its answer depends on the rotation. The rest of this notebook
# shows where that begins.
#
# ## The answer, while a shape rotates
#
# The guitar is one of the test shapes on which the paper's network errs. It makes one full rotation
# about a horizontal axis. The colors show the probabilities that each network gives to the ten
# classes.

# %%
angles = np.arange(0, 361, 8)
turn = Rotation.from_rotvec(np.radians(angles)[:, None] * [0.8, 0.6, 0]).as_matrix()
turning = cast(guitar, turn)
probabilities = {
    name: softmax(network(turning)["logits"], axis=-1) for name, network in networks.items()
}

figure, rows = plt.subplots(2, 1, figsize=(11, 7.6), sharex=True)
for axes, (name, values) in zip(rows, probabilities.items(), strict=True):
    picture = axes.pcolormesh(angles, range(10), values.T, cmap="cividis", vmin=0, vmax=1)
    axes.set_yticks(range(10), source.classes)
    axes.set_xticks(range(0, 361, 40))
    axes.invert_yaxis()
    axes.set_ylabel(f"{name} network", color=COLORS[name], fontweight="bold")
rows[1].set_xlabel("rotation of the guitar, degrees")
for index in range(0, len(angles), 5):
    place = (index + 0.5) / len(angles)  # above its angle
    above = rows[0].inset_axes([place - 0.055, 1.03, 0.11, 0.45])
    draw_picture(above, shape_pixels(guitar, turn[index]))
figure.colorbar(picture, ax=rows, label="probability", shrink=0.6)
plt.show()

# %% [markdown]
# ## Feature maps
#
# A layer is *equivariant* if rotating its input rotates its output: $F(R\,x) = R\,F(x)$. Below, the
# third block of each network sees the guitar and the rotated guitar. The third column is the map of
# the guitar, rotated. If the layer is equivariant, it equals the second column, and the difference
# is zero. To separate the network from the sampling of the shape, the band-limited signal is
# rotated by its spherical-harmonic coefficients, which is exact.

# %%
rotation = np.array([-0.9, 1.1, 1.2])  # ZYZ Euler angles, radians
start, (rotated,) = rotated_exactly(cast(guitar, [np.eye(3)]), [rotation])


def smooth_pixels(maps, colors, map_grid):
    """Renders the band-limited function through the samples of a map (1, rows, columns, 1)."""
    smooth = SphericalResampling(grid=map_grid, out_grid=fine)(maps)
    return sphere_pixels(np.asarray(smooth)[0, ..., 0], colors, FRONT, PIXELS, fine)


figure, axes = plt.subplots(3, 4, figsize=(10.5, 7.6), height_ratios=(0.8, 1, 1))
for one, matrix in zip(axes[0], (np.eye(3), euler_to_matrix(rotation)), strict=False):
    draw_picture(one, shape_pixels(guitar, matrix, pixels=PIXELS))
for row, (name, network) in zip(axes[1:], networks.items(), strict=True):
    layer = "conv2_distance"
    extractor, map_grid = feature_extractor(network, [layer]), map_grids(network)[layer]
    before, after = (np.asarray(extractor(x)[layer]) for x in (start, rotated))
    samples = np.abs(before[0]).reshape(-1, before.shape[-1])
    channel = np.argmax(samples.std(axis=0) / samples.max(axis=0))  # one without a single peak
    before, after = before[..., [channel]], after[..., [channel]]
    expected = rotate_signal(before, rotation, map_grid)
    drawn = [before, after, expected, after - expected]
    largest = np.quantile(np.abs(before), 0.98)  # the few values beyond it are clipped
    for one, values in zip(row, drawn, strict=True):
        draw_picture(one, smooth_pixels(values / largest, ("PuOr", -1, 1), map_grid))
    norms = [np.linalg.norm(scnn.sht(values, map_grid)) for values in (drawn[3], expected)]
    row[3].set_xlabel(f"{100 * norms[0] / norms[1]:.2g} % of the map")
    row[0].set_ylabel(f"{name} network", color=COLORS[name], fontweight="bold")
for one in axes[0, 2:]:
    one.axis("off")
scale = plt.cm.ScalarMappable(plt.Normalize(-1, 1), "PuOr")
figure.colorbar(scale, ax=axes[0, 2:], location="bottom", shrink=0.7, label="feature map, scaled")
columns = ("guitar", "rotated guitar", "first map, rotated", "difference")
for one, title in zip((*axes[0, :2], *axes[1, 2:]), columns, strict=True):
    one.set_title(title)
plt.show()

# %% [markdown]
# ## The error of each layer
#
# `measure` computes the relative error $\|F(R\,x) - R\,F(x)\| \,/\, \|F(x)\|$ of every layer,
# here for ten shapes and eight random rotations. Descriptor and logits are vectors; they should not
# change at all. The layers are the blocks and, in the paper's network, the poolings of the branch
# that sees the distance. `scnn equivariance` prints these figures for a finished run.

# %%
angles = random_rotations(8, np.random.default_rng(1))
limited, copies = rotated_exactly(tests["tested upright"][0][:10], angles)
errors = {
    name: measure(network, limited, copies, angles)["layers"] for name, network in networks.items()
}
layers = [name for name in errors["paper's"] if not name.endswith("_incidence")][1:]

figure, axes = plt.subplots(figsize=(9, 4.6))
for name, color in COLORS.items():
    for row, layer in enumerate(layers):
        percent = 100 * np.array(errors[name].get(layer, []))
        axes.plot(percent, [row] * len(percent), "o", color=color, alpha=0.35, markeredgewidth=0)
        if len(percent):
            axes.plot(np.median(percent), row, "|", color=color, markersize=18, markeredgewidth=3)
    axes.plot([], [], "o", color=color, label=f"{name} network")
axes.set_yticks(range(len(layers)), [layer.replace("_distance", "") for layer in layers])
axes.set(xscale="log", xlabel="relative error, %; the bar is the median of eight rotations")
axes.invert_yaxis()
axes.grid(alpha=0.3)
axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
plt.show()

# %% [markdown]
# ## Where the error comes from
#
# This picture shows the error of single layers. The signals are random and band-limited, and the
# rotation is exact. Spherical convolution and low-pass pooling commute with every rotation, up to
# rounding. A nonlinearity creates higher degrees, which alias on the grid; they alias less on a
# finer grid. Averages and maxima over neighboring samples depend on the grid, and so does a planar
# convolution.

# %%
coefficients = np.random.default_rng(2).normal(size=(8, 16, 31, 4))
noise = np.asarray(scnn.isht(coefficients, grid)).astype("float32")


def error_of(layer, out_grid):
    found = layer(rotate_signal(noise, rotation, grid))
    expected = rotate_signal(layer(noise), rotation, out_grid)
    norms = [np.linalg.norm(scnn.sht(x, out_grid)) for x in (found - expected, expected)]
    return norms[0] / norms[1]


finer, half = scnn.SphericalGrid(24), scnn.SphericalGrid(8)
layers = {
    "SphericalConv": (scnn.SphericalConv(8), grid),
    'SphericalPooling("lowpass")': (scnn.SphericalPooling("lowpass"), half),
    "SphericalBlock on a finer grid": (scnn.SphericalBlock(8, degrees=16, out_grid=finer), finer),
    "SphericalBlock": (scnn.SphericalBlock(8), grid),
    'SphericalPooling("max")': (scnn.SphericalPooling("max"), half),
    'SphericalPooling("wap")': (scnn.SphericalPooling("wap"), half),
    "Conv2D, 3 × 3": (keras.layers.Conv2D(8, 3, padding="same"), grid),
}
percent = [100 * error_of(*layer) for layer in layers.values()]

figure, axes = plt.subplots(figsize=(9, 3.8))
bars = axes.barh(list(layers), percent, color="#009E73", height=0.65)
labels = [f"{value:.0f} %" if value > 1 else f"{value:.5f} %" for value in percent]
axes.bar_label(bars, labels, padding=4)
axes.set(xscale="log", xlabel="relative error under rotation, %", xlim=(1e-6, 1e3))
axes.invert_yaxis()
plt.show()

# %% [markdown]
# ## Next
#
# - [Quickstart](quickstart.ipynb): the released network, and a network for your own shapes.
# - [Layers in your own model](layers.ipynb): fields, panoramas, point clouds.
# - [Results](../results.md): the same comparison on ModelNet, with the numbers of the paper.
