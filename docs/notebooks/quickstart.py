# %% [markdown]
# # Quickstart: from a mesh to an answer, and a network of your own
#
# You learn how to classify shapes with the released network, what the network sees of a shape, how
# to train a network on your own shapes, and where the report is.
#
# The notebook takes one to two minutes on two cores without a GPU, and downloads nothing.
#
# ## Install
#
# These commands install the package from a copy of the repository, on Python 3.11:
#
# ```sh
# pip install ".[tensorflow,shapes,train]"
# scnn --help
# ```
#
# ## Ten shapes
#
# The package generates shapes for examples. You can use your own meshes, voxels or point clouds in
# their place.

# %%
import csv
import json
import pathlib

import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial.transform import Rotation

from spherical_cnn.reporting.shading import FRONT, color_range, shape_pixels, sphere_pixels
from spherical_cnn.reporting.sphere_plots import draw_map, draw_picture
from spherical_cnn.shapes.formats.mesh_writing import encode_mesh
from spherical_cnn.shapes.generated.procedural import FAMILIES, make_mesh
from spherical_cnn.tasks.predict import Predictor
from spherical_cnn.tasks.signal_view import SignalView

plt.rcParams.update(
    {
        "figure.dpi": 110,
        "figure.constrained_layout.use": True,
        "font.size": 12,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
)
BLUE, ORANGE = "#0072B2", "#D55E00"  # the color-blind can tell them apart
PIXELS = 440  # of a picture of a shape or a sphere, in each direction


def write_mesh(path, family, seed, rotation=None):
    """Writes a random shape of a family to a file."""
    mesh = make_mesh(family, np.random.default_rng(seed))
    if rotation is not None:
        mesh = mesh._replace(vertices=rotation.apply(mesh.vertices))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_mesh(mesh, path))


rotations = Rotation.random(len(FAMILIES), rng=np.random.default_rng(2))
for family, rotation in zip(FAMILIES, rotations, strict=True):
    write_mesh(pathlib.Path(f"upright/{family}.off"), family, seed=1)
    write_mesh(pathlib.Path(f"rotated/{family}.off"), family, seed=1, rotation=rotation)

# %% [markdown]
# ## Classify them
#
# The released network, `modelnet40-points`, knows 40 classes. It was trained on point clouds of
# ModelNet40, and has never seen a shape of this package. It comes with the package, as a preset:

# %% language="sh"
# scnn predict modelnet40-points upright --kind mesh --workers 2

# %% [markdown]
# Each shape is classified in four rotations. `agreement` is the fraction of the rotations that give
# the same class. There is no class for ships, and the network knows mugs as cups.
#
# `Predictor` does the same in Python. Here it classifies the upright shapes and the rotated ones:

# %%
predictor = Predictor("modelnet40-points", kind="mesh")
view = SignalView()  # loads shapes, and computes their signals
families = [family for family in FAMILIES if family != "ship"]

figure, axes = plt.subplots(2, len(families), figsize=(12, 3.6))
for row, folder in zip(axes, ("upright", "rotated"), strict=True):
    paths = [f"{folder}/{family}.off" for family in families]
    for one, path, found in zip(row, paths, predictor.predict(paths, rotations=1), strict=True):
        draw_picture(one, shape_pixels(view.load(path).ray_caster))
        one.set_title(f"{found.classes[0]}\n{100 * found.probabilities[0]:.0f} %", fontsize=11)
    row[0].set_ylabel(folder, fontweight="bold")
plt.show()

# %% [markdown]
# ## What the network sees
#
# Rays from the center of a shape measure the distance to its surface, and the sine of the angle
# between ray and surface normal. These are the two channels of a signal on the sphere.

# %%
fine = SignalView(resolution=256, rays_per_sample=1)
shape = fine.load("upright/chair.off")
signal = fine.signals(shape)[0]

figure, axes = plt.subplots(2, 3, figsize=(11.5, 6), width_ratios=(0.8, 1, 1.5))
draw_picture(axes[0, 0], shape_pixels(shape.ray_caster, pixels=PIXELS))
axes[0, 0].set_title("shape")
axes[1, 0].set_visible(False)
for row, channel, title in zip(axes, (0, 1), ("distance", "sine of the incidence"), strict=True):
    values, colors = signal[..., channel], color_range(signal[..., channel])
    draw_picture(row[1], sphere_pixels(values, colors, FRONT, PIXELS))
    draw_map(row[2], values, colors, fine.grid)
    row[1].set_title(title)
    row[2].set_title(f"{title}, as a map")
plt.show()

# %% [markdown]
# ## Train a network on your own shapes
#
# Put the shapes of each class in a folder of its own. We write 30 generated shapes of six classes:

# %%
for family in ("aeroplane", "car", "chair", "guitar", "lamp", "mug"):
    for seed in range(100, 130):
        write_mesh(pathlib.Path(f"shapes/{family}/{seed}.off"), family, seed)

# %% [markdown]
# `scnn build` makes a dataset. A fifth of the shapes is for testing. Each of the others is stored
# in ten copies, in random rotations about the vertical axis (`--rotation z`). The test shapes are
# in any rotation. Seven rays per sample are averaged.

# %% language="sh"
# scnn build shapes data --resolution 32 --test_fraction 0.2 --copies 10 \
#     --rotation z --test_rotation so3 --rays_per_sample 7 --workers 2

# %% [markdown]
# `scnn train` trains, tests and writes a report. Here its log goes to a file. The flags choose a
# small network that is invariant under rotations; `params/invariant-64.txt` has those of the large
# one.

# %% language="sh"
# scnn train --dset_dir data --logdir mine --n_classes 6 --input_res 32 \
#     --nfilters 16,16,32,32 --pool_layers 1,1,0,0 --concat_branches 0,0,0,0 \
#     --pool lowpass --quadrature --dealias --map_grid gauss_legendre --nonlin smooth_leaky_relu \
#     --n_filter_params 6 --no_final_fc \
#     --train_bsize 12 --n_epochs 12 --learning_rate "{0: 0.01, 8: 0.002}" --skip_val \
#     > training.log

# %% [markdown]
# ## The report
#
# The folder `mine` holds all results. `mine/report.html` is one page with curves, confusion matrix,
# the error of each layer under rotation, and the worst mistakes. The numbers are in files, too:

# %%
with open("mine/history.csv", newline="") as file:
    accuracy = [100 * float(row["train_accuracy"]) for row in csv.DictReader(file)]
metrics = json.loads(pathlib.Path("mine/metrics.json").read_text())
classes = json.loads(pathlib.Path("mine/data.json").read_text())["classes"]
counts = np.array(metrics["confusion"])  # rows are true classes

figure, (left, right) = plt.subplots(1, 2, figsize=(11.5, 4.4), width_ratios=(1.2, 1))
left.plot(range(1, len(accuracy) + 1), accuracy, "o-", color=BLUE, label="training, upright")
left.axhline(
    100 * metrics["test"],
    color=ORANGE,
    ls="--",
    label=f"test, any rotation: {100 * metrics['test']:.0f} %",
)
left.set(xlabel="epoch", ylabel="accuracy, %", ylim=(0, 102))
left.grid(alpha=0.3)
left.legend(loc="lower right")
picture = right.imshow(counts / counts.sum(axis=1, keepdims=True), cmap="cividis", vmin=0, vmax=1)
for (row, column), count in np.ndenumerate(counts):
    if count:
        right.text(
            column,
            row,
            count,
            ha="center",
            va="center",
            color="black" if row == column else "white",
        )
right.set_xticks(range(len(classes)), classes, rotation=40, ha="right")
right.set_yticks(range(len(classes)), classes)
right.set(xlabel="predicted class", ylabel="true class")
right.spines[:].set_visible(False)
figure.colorbar(picture, ax=right, label="fraction of the true class")
plt.show()

# %% [markdown]
# Trained on upright shapes only, the network classifies shapes in any rotation. It has seen 24
# shapes of each class; `make demo` trains on 1,000 shapes and reaches 97.7 %. The run folder works
# wherever a released network does:

# %% language="sh"
# scnn predict mine rotated/aeroplane.off rotated/chair.off rotated/guitar.off rotated/mug.off

# %% [markdown]
# ## Next
#
# - [Equivariance](equivariance.ipynb): why the rotation does not matter, and for which network it
#   does.
# - [Layers in your own model](layers.ipynb): fields, panoramas, point clouds.
# - [Start](../guide/start.md): the same steps on the command line, and pictures.
