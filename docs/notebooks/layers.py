# %% [markdown]
# # Layers in your own model
#
# You learn how the layers work on data of your own: weather-like fields of 73 × 144 samples, 360°
# panoramas, and point clouds. The data are generated.
#
# The notebook takes one to two minutes on two cores without a GPU, and downloads nothing.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import ops

import spherical_cnn as scnn
from spherical_cnn.reporting.shading import FRONT, points_pixels, sphere_pixels
from spherical_cnn.reporting.sphere_plots import draw_picture
from spherical_cnn.shapes.generated.procedural import make_mesh
from spherical_cnn.shapes.normalize import normalize
from spherical_cnn.shapes.sampling import sample_surface
from spherical_cnn.sphere.rotation import euler_to_matrix, random_rotations, rotate_signal

keras.utils.set_random_seed(0)
plt.rcParams.update(
    {
        "figure.dpi": 100,
        "figure.constrained_layout.use": True,
        "font.size": 12,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
)
BLUE, ORANGE = "#0072B2", "#D55E00"  # the color-blind can tell them apart
PIXELS = 320  # of a picture of a sphere, in each direction

# %% [markdown]
# ## A field with poles
#
# Weather data often have 73 latitudes, both poles included, and 144 longitudes.
# `SphericalGrid.from_coordinates` recognizes the grid of a file from its coordinates.

# %%
latitude, longitude = np.linspace(90, -90, 73), np.arange(0, 360, 2.5)
grid = scnn.SphericalGrid.from_coordinates(latitude, longitude)
print(grid)

# %% [markdown]
# The fields are stream functions of a wind: jets around the poles, and waves of up to twelve
# degrees. The task is to compute the kinetic energy of the wind, $\frac{1}{2}|\nabla\psi|^2$, from
# the stream function $\psi$. The spherical harmonics give the exact answer, by
# $|\nabla\psi|^2 = \frac{1}{2}\Delta\psi^2 - \psi\,\Delta\psi$.

# %%
rng = np.random.default_rng(0)
degree = np.arange(72)[:, None]
order = np.arange(-71, 72)
waves = (np.abs(order) <= degree) * ((degree >= 3) & (degree <= 12)) / (degree + 1.0) ** 2


def draw_fields(count):
    coefficients = waves[..., None] * rng.normal(size=(count, 72, 143, 1))
    for l, size in ((1, 0.3), (3, 0.35), (5, 0.3)):  # zonal jets
        coefficients[:, l, 71, 0] += size * rng.uniform(0.5, 1.5, count)
    return np.asarray(scnn.isht(coefficients, grid))


def laplacian(fields):
    coefficients = np.asarray(scnn.sht(fields, grid))
    return np.asarray(scnn.isht(-(degree * (degree + 1))[..., None] * coefficients, grid))


def energy_of(fields):
    return 0.25 * laplacian(fields**2) - 0.5 * fields * laplacian(fields)


fields = draw_fields(160)
energy = energy_of(fields)
scale_in, scale_out = fields.std(), energy.std()
x, y = (fields / scale_in).astype("float32"), (energy / scale_out).astype("float32")

# %% [markdown]
# The network is an ordinary Keras model. The first block reads the raster and writes its maps on a
# Gauss–Legendre grid, which has fewer samples; the last layer returns to the raster. The loss
# weights each sample by its area.

# %%
inside = scnn.SphericalGrid.for_products(32)
inputs = keras.Input((*grid.shape, 1))
options = {"out_grid": inside, "nonlinearity": "smooth_leaky_relu"}
maps = scnn.SphericalBlock(24, degrees=16, grid=grid, **options)(inputs)
maps = scnn.SphericalBlock(24, degrees=24, grid=inside, **options)(maps)
outputs = scnn.SphericalConv(1, degrees=25, grid=inside, out_grid=grid)(maps)
model = keras.Model(inputs, outputs)

area = ops.convert_to_tensor(grid.quadrature_weights[:, None, None], "float32")


def mean_square_over_the_sphere(targets, outputs):
    return ops.mean(area * ops.square(targets - outputs), axis=(1, 2, 3))


schedule = keras.optimizers.schedules.CosineDecay(0.01, 480)
model.compile(keras.optimizers.Adam(schedule), mean_square_over_the_sphere)
model.fit(x[:128], y[:128], batch_size=8, epochs=30, verbose=0)


def unexplained(fields, energy):
    """Mean square error, percent of the variance."""
    mean = ops.sum(area * energy) / ops.sum(area * ops.ones_like(energy))
    errors = mean_square_over_the_sphere(energy, model(fields))
    return 100 * float(ops.mean(errors) / ops.mean(mean_square_over_the_sphere(energy, mean)))


print(f"error on new fields: {unexplained(x[128:], y[128:]):.1f} % of the variance")

# %% [markdown]
# A rotation moves the jets away from the poles. The network has seen no such field, and its error
# stays the same:

# %%
angles = np.array([0.0, 1.2, 0.5])  # ZYZ Euler angles, radians
x_rotated, y_rotated = (rotate_signal(values[128:], angles, grid) for values in (x, y))
print(f"error on rotated fields: {unexplained(x_rotated, y_rotated):.1f} % of the variance")

fine = scnn.SphericalGrid.from_resolution(256)
smooth = scnn.SphericalResampling(grid=grid, out_grid=fine)  # for pictures

figure, axes = plt.subplots(2, 4, figsize=(10.5, 5.7))
for row, fields, exact in zip(
    axes, (x[128:129], x_rotated[:1]), (y[128:129], y_rotated[:1]), strict=True
):
    found = np.asarray(model(fields))
    most, strongest = np.abs(fields).max(), exact.max()
    panels = (
        (fields, ("PuOr", -most, most)),
        (exact, ("cividis", 0, strongest)),
        (found, ("cividis", 0, strongest)),
        (found - exact, ("PuOr", -strongest, strongest)),
    )
    for one, (values, colors) in zip(row, panels, strict=True):
        values = np.asarray(smooth(values))[0, ..., 0]
        draw_picture(one, sphere_pixels(values, colors, FRONT, PIXELS, fine))
for one, title in zip(axes[0], ("stream function", "energy", "network", "difference"), strict=True):
    one.set_title(title)
for row, title in zip(axes, ("new field", "rotated field"), strict=True):
    row[0].set_ylabel(title, fontweight="bold")
plt.show()

# %% [markdown]
# ## A panorama
#
# A 360° image has a row of pixels for each latitude, and no row on a pole: its grid has the rows
# `"cells"`. We render places with a checkered floor, hills, a sun and balls. The camera stands
# level, or tilted.

# %%


def render(place, shape, tilt=None):
    """Renders a place as a panorama (rows, columns, 3); `tilt` rotates the camera."""
    rng = np.random.default_rng(place)
    directions = scnn.SphericalGrid.equiangular(*shape, "cells").directions
    rays = directions if tilt is None else directions @ tilt
    azimuth, height = np.arctan2(rays[..., 1], rays[..., 0]), rays[..., 2]
    horizon, zenith = rng.uniform(0.6, 1, 3), rng.uniform(0, 0.7, 3)
    image = horizon + (zenith - horizon) * np.clip(height, 0, 1)[..., None]
    sun = euler_to_matrix([rng.uniform(-3, 3), rng.uniform(0.5, 1.3), 0])[:, 2]
    image = np.where((rays @ sun > 0.985)[..., None], [1.0, 0.95, 0.6], image)
    waves = rng.normal(size=6) * np.sin(
        np.arange(1, 7) * (azimuth[..., None] + rng.uniform(0, 6, 6))
    )
    hills = height < 0.06 + 0.05 * np.abs(waves.sum(-1))
    image = np.where(hills[..., None], rng.uniform(0.1, 0.5, 3), image)
    floor = rays[..., :2] / np.minimum(height, -1e-3)[..., None] * rng.uniform(0.7, 1.5)
    dark = (np.floor(floor).sum(-1) % 2)[..., None]
    fog = np.exp(6 * np.minimum(height, 0))[..., None]
    tiles = rng.uniform(0.2, 0.5, 3) + dark * rng.uniform(0.2, 0.5, 3)
    image = np.where((height < 0)[..., None], fog * horizon + (1 - fog) * tiles, image)
    for _ in range(6):
        center = euler_to_matrix([rng.uniform(-3, 3), rng.uniform(1.3, 2.2), 0])[:, 2]
        color, size = rng.uniform(0, 1, 3), rng.uniform(0.15, 0.4)
        distance = np.arccos(np.clip(rays @ center, -1, 1)) / size
        shade = 0.4 + 0.6 * np.sqrt(np.clip(1 - distance**2, 0, 1))
        image = np.where((distance < 1)[..., None], color * shade[..., None], image)
    return np.clip(image, 0, 1)


tilts = euler_to_matrix(random_rotations(6, np.random.default_rng(3)))
figure, axes = plt.subplots(2, 3, figsize=(10.5, 4.3))
for column, place in zip(axes.T, range(3), strict=True):
    for one, tilt in zip(column, (None, tilts[place]), strict=True):
        one.imshow(render(place, (256, 512), tilt))
        one.set(xticks=(), yticks=())
        one.spines[:].set_visible(False)
    column[0].set_title(f"place {place + 1}")
for row, title in zip(axes, ("level", "tilted"), strict=True):
    row[0].set_ylabel(title, fontweight="bold")
plt.show()

# %% [markdown]
# Which of the tilted pictures shows which place? A descriptor that does not change under rotations
# tells it, even with random weights: two spherical blocks, and the average over the sphere. The
# planar network beside it has the same layers for flat images.

# %%
shape = (64, 128)
panorama = scnn.SphericalGrid.equiangular(*shape, "cells")
inside = scnn.SphericalGrid.for_products(24)
spherical = keras.Sequential(
    [
        keras.Input((*shape, 3)),
        scnn.SphericalBlock(32, num_anchors=12, degrees=32, grid=panorama),
        scnn.SphericalBlock(64, num_anchors=12, degrees=24, grid=panorama, out_grid=inside),
        scnn.GlobalSphericalAveragePooling(grid=inside),
    ]
)
planar = keras.Sequential(
    [
        keras.Input((*shape, 3)),
        keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
        keras.layers.Conv2D(64, 3, padding="same", activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
    ]
)


def distances(network):
    """Distances between descriptors of level and of tilted pictures."""
    level = np.asarray(network(np.stack([render(p, shape) for p in range(6)]).astype("float32")))
    tilted = [render(place, shape, tilt) for place, tilt in enumerate(tilts)]
    tilted = np.asarray(network(np.stack(tilted).astype("float32")))
    return np.linalg.norm(tilted[:, None] - level, axis=-1) / np.linalg.norm(level, axis=-1).mean()


figure, axes = plt.subplots(1, 2, figsize=(9.5, 4.4))
for one, network, title in zip(axes, (spherical, planar), ("spherical", "planar"), strict=True):
    table = distances(network)
    picture = one.imshow(table, cmap="cividis_r", vmin=0)
    nearest = table.argmin(axis=1)
    one.plot(nearest, range(6), "o", color="white", markeredgecolor="black", markersize=9)
    one.set_xticks(range(6), range(1, 7))
    one.set_yticks(range(6), range(1, 7))
    one.set(xlabel="place, level", ylabel="place, tilted")
    one.set_title(f"{title}: {sum(nearest == range(6))} of 6 found")
    one.spines[:].set_visible(False)
    figure.colorbar(picture, ax=one, shrink=0.8, label="distance of descriptors")
plt.show()

# %% [markdown]
# ## A point cloud
#
# `PointsToSphere` sums points to functions on concentric spheres. It has no weights, commutes with
# every rotation, and needs no mesh.

# %%
families = ("aeroplane", "chair", "guitar", "lamp", "table")


def draw_cloud(family, count, rng):
    """Points (count, 3) of a random shape, in the unit ball."""
    mesh, _ = normalize(make_mesh(family, rng), center="area")
    return sample_surface(mesh, count, rng).astype("float32")


cloud = draw_cloud("aeroplane", 1024, np.random.default_rng(1))
angles = np.array([-0.6, 0.9, 0.4])
clouds = np.stack([cloud, cloud @ euler_to_matrix(angles).T.astype("float32")])
layer = scnn.PointsToSphere(bandwidth=16, shells=3, out_grid=scnn.SphericalGrid(16))
shells = layer(clouds)
smooth = scnn.SphericalResampling(out_grid=fine)(shells)

figure, axes = plt.subplots(2, 4, figsize=(10.5, 5.7))
for row, points, maps in zip(axes, clouds, np.asarray(smooth), strict=True):
    draw_picture(row[0], points_pixels(points, pixels=PIXELS // 3))
    for shell, one in enumerate(row[1:]):
        most = np.abs(np.asarray(smooth)[..., shell]).max()
        values = maps[..., shell]
        draw_picture(one, sphere_pixels(values, ("cividis", 0, most), FRONT, PIXELS, fine))
for one, title in zip(
    axes[0], ("points", "inner shell", "middle shell", "outer shell"), strict=True
):
    one.set_title(title)
for row, title in zip(axes, ("cloud", "rotated cloud"), strict=True):
    row[0].set_ylabel(title, fontweight="bold")
plt.show()

expected = rotate_signal(shells[:1], angles, layer.out_grid)
error = np.linalg.norm(shells[1:] - expected) / np.linalg.norm(expected)
print(f"relative equivariance error {error:.0e}")

# %% [markdown]
# `point_sphere` is a whole classifier of points. This small one learns five classes from upright
# clouds, and is tested on rotated ones.

# %%
network = scnn.point_sphere(
    len(families),
    num_points=256,
    point_filters=(32,),
    pair_points=(64,),
    pair_neighbors=(12,),
    pair_filters=(48,),
    bandwidth=8,
    filters=(24, 32),
    degrees=(8, 4),
    dense=64,
    dropout=0.2,
)
classifier = keras.Model(network.input, network.output["logits"])
classifier.compile(
    keras.optimizers.Adam(0.005),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
)
labels = np.arange(150) % len(families)
train = np.stack([draw_cloud(families[label], 256, rng) for label in labels])
test = np.stack([draw_cloud(families[label], 256, rng) for label in labels[:100]])
classifier.fit(train, labels, batch_size=20, epochs=15, verbose=0)

matrices = euler_to_matrix(random_rotations(100, np.random.default_rng(5))).astype("float32")
rotated = np.einsum("bij,bnj->bni", matrices, test)
answers = {}
for name, clouds in (("upright", test), ("rotated", rotated)):
    answers[name] = np.asarray(classifier(clouds)).argmax(axis=-1)
    print(f"{name}: accuracy {100 * np.mean(answers[name] == labels[:100]):.0f} %")

figure, axes = plt.subplots(2, 5, figsize=(10.5, 4.4))
for row, (name, clouds) in zip(axes, (("upright", test), ("rotated", rotated)), strict=True):
    for one, points, answer in zip(row, clouds, answers[name], strict=False):
        draw_picture(one, points_pixels(points, pixels=PIXELS // 3))
        one.set_title(families[answer])
    row[0].set_ylabel(name, fontweight="bold")
plt.show()

# %% [markdown]
# ## Next
#
# - [Layers](../guide/layers.md): mixed precision, files, your own training loop.
# - [Grids](../guide/grids.md): all kinds of grids, missing values, a U-Net.
# - [Equivariance](equivariance.ipynb): which layers commute with rotations, and how well.
