"""What several test modules use: commands, runs, pages, shapes and layers."""

import base64
import json
import pathlib
import re
import shlex

import keras
import numpy as np
import pytest
from backends import gradients, numpy
from keras import ops

from spherical_cnn import SphericalConv, SphericalGrid, SphericalPooling, two_branch
from spherical_cnn.cli import exit_code
from spherical_cnn.commands.networks import train_parser
from spherical_cnn.nn import (
    BatchRenormalization,
    FarthestPointOrder,
    GlobalPointPooling,
    LocalInvariants,
    NearestNeighbors,
    NeighborPooling,
    PairInvariants,
    PointsToSphere,
    RandomSphericalRotation,
    SphericalResampling,
    SurfaceProjector,
    TripletSemiHardLoss,
    UpAxisChannel,
)
from spherical_cnn.nn.blocks import SphericalBlock
from spherical_cnn.nn.global_pooling import (
    AreaWeighting,
    DegreePower,
    GlobalSphericalAveragePooling,
)
from spherical_cnn.training.run_config import RunConfig
from spherical_cnn.training.train import train

ROOT = pathlib.Path(__file__).parents[1]
PAGES = {  # README and docs, by their paths in the repository
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
}


def blocks(page, language):
    """The blocks of code of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], re.DOTALL | re.MULTILINE)


def commands(page, name=""):
    """The commands of a page that call `scnn`, or one of them, as lists of words."""
    lines = "".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    return [line for line in words if line[:1] == ["scnn"] and line[1] == (name or line[1])]


def files(folder):
    """Bytes of the files of a folder, by path."""
    return {p: p.read_bytes() for p in pathlib.Path(folder).rglob("*") if p.is_file()}


def assert_fails(capsys, code, message, command, argv):
    """Asserts that a command prints one line of error, a regular expression, and its exit code."""
    assert exit_code([command, *argv]) == code
    error = capsys.readouterr().err.strip()
    assert error.count("\n") == 0 and re.fullmatch(f"error: {message}", error), error


def read_shape_page(page):
    """The facts of a page of `scnn show`, and the function that reads its arrays."""

    def script(name):
        return re.search(rf'<script type="[\w/]+" id="{name}">(.*?)</script>', page, re.S)[1]

    data = base64.b64decode(script("arrays"))

    def array(facts):
        return np.frombuffer(data, facts["type"], facts["count"], facts["at"])

    return json.loads(script("facts")), array


_NOISE = re.compile(
    r"before absl::InitializeLog\(\)|^To enable the following instructions"
    r"|(port|cudart_stub|cuda_platform|cuda_executor|cpu_feature_guard)\.cc:\d+\]"
)


def without_noise(error):
    """Standard error of a process without the lines that TensorFlow prints when it is imported."""
    return "".join(line for line in error.splitlines(True) if not _NOISE.search(line))


def parse_run(flags):
    """The `RunConfig` of a command line of `scnn train`."""
    return RunConfig.from_dict(RunConfig.select(vars(train_parser().parse_args(list(flags)))))


def run(*flags):
    """Trains and tests a run with these flags; returns its metrics."""
    return train(RunConfig.select(vars(train_parser().parse_args(list(flags)))))


def weights(folder, name="final"):
    """Arrays of a checkpoint of a run, by name."""
    with np.load(folder / "checkpoints" / f"{name}.npz") as stored:
        return {key: stored[key] for key in stored.files if key != "state"}


DISTANCE = 1e-5
# Of a shape looked at in two ways, rays that meet another face at an edge or at grazing incidence.
GRAZING = 0.01


def channels(signal):
    """Distance and sine of the angle of incidence."""
    return signal[..., 0], signal[..., 1]


def box(half_sides=(1, 1, 1), middle=(0, 0, 0)):
    import trimesh

    mesh = trimesh.creation.box(2 * np.asarray(half_sides, float))
    return np.array(mesh.vertices) + middle, np.array(mesh.faces)


def write_off(path, vertices, faces):
    """Writes a mesh as an OFF file."""
    lines = [f"OFF\n{len(vertices)} {len(faces)} 0"]
    lines += [" ".join(map(str, row)) for row in np.asarray(vertices).tolist()]
    lines += [" ".join(map(str, (len(face), *face))) for face in np.asarray(faces).tolist()]
    path.write_text("\n".join(lines) + "\n")


def icosphere(radius=1.0):
    import trimesh

    mesh = trimesh.creation.icosphere(3, radius)
    return np.array(mesh.vertices), np.array(mesh.faces)


SHAPE = (2, 8, 8, 3)
GRIDS = {
    "driscoll_healy": SphericalGrid(6),
    "gauss_legendre": SphericalGrid.gauss_legendre(7),
    "poles": SphericalGrid.equiangular(9, 16),
    "odd poles": SphericalGrid.equiangular(8, 17, start=3.5),
    "cells": SphericalGrid.equiangular(8, 15, "cells", start=-180),
    "open": SphericalGrid.equiangular(7, 20, "open", ascending=True),
    "north pole": SphericalGrid.equiangular(9, 18, "north_pole"),
    "from the south": SphericalGrid.equiangular(9, 16, start=0.5, ascending=True),
    "ascending gauss": SphericalGrid(6, "gauss_legendre", 9, 20, 10.0, True),
    "few degrees": SphericalGrid.equiangular(9, 16, bandwidth=4),
}
all_grids = pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)

LAYERS = {
    "conv": lambda: SphericalConv(4, 3, kernel_regularizer=keras.regularizers.L2(0.1)),
    "conv_pooled": lambda: SphericalConv(
        4, use_bias=False, spectral_pooling=True, method="naive", kernel_initializer="he_normal"
    ),
    "block_degrees": lambda: SphericalBlock(4, degrees=2),
    "block": lambda: SphericalBlock(4, num_anchors=3, nonlinearity="relu"),
    "block_smooth_leaky_relu": lambda: SphericalBlock(
        4, nonlinearity="smooth_leaky_relu", out_grid=SphericalGrid.for_products(4, 2)
    ),
    "block_batch": lambda: SphericalBlock(4, normalization="batch", method="naive"),
    "block_renorm": lambda: SphericalBlock(
        4, normalization="batch_renorm", spectral_pooling=True, kernel_regularizer="l2"
    ),
    "block_layer": lambda: SphericalBlock(
        4, normalization=keras.layers.BatchNormalization(momentum=0.9), nonlinearity="relu"
    ),
    "renorm": lambda: BatchRenormalization(momentum=0.9, epsilon=1e-2),
    "lowpass": lambda: SphericalPooling(),
    "wap": lambda: SphericalPooling("wap"),
    "max": lambda: SphericalPooling("max", pool_size=4),
    "weighting": lambda: AreaWeighting(),
    "resampling": lambda: SphericalResampling(12),
    "average": lambda: GlobalSphericalAveragePooling("grid"),
    "power": lambda: DegreePower(),
    "rotation": lambda: RandomSphericalRotation("z", seed=3),
    "up_axis": lambda: UpAxisChannel(dropout_rate=0.25, seed=3),
    "conv_gauss": lambda: SphericalConv(4, 2, out_grid=SphericalGrid.gauss_legendre(6)),
    "conv_raster": lambda: SphericalConv(
        4, 2, grid=SphericalGrid.equiangular(8, 8), out_grid=SphericalGrid.equiangular(5, 9)
    ),
    "block_cells": lambda: SphericalBlock(
        4,
        normalization="batch",
        out_grid=SphericalGrid.equiangular(7, 12, "cells", start=5.0, ascending=True),
    ),
    "resampling_raster": lambda: SphericalResampling(out_grid=SphericalGrid.equiangular(9, 17)),
    "resampling_bilinear": lambda: SphericalResampling(
        out_grid=SphericalGrid.equiangular(9, 17, start=3.0), interpolation="bilinear"
    ),
    "resampling_area": lambda: SphericalResampling(
        out_grid=SphericalGrid.equiangular(3, 5, "cells", ascending=True), interpolation="area"
    ),
    "average_cells": lambda: GlobalSphericalAveragePooling(
        grid=SphericalGrid.equiangular(8, 8, "cells")
    ),
}


def _neighbors_of(points):
    return numpy(NearestNeighbors(8)(points))


def _pairs_of(points):
    near = _neighbors_of(points)
    return numpy(PairInvariants()(points, near, SurfaceProjector()(points, near))), near


# Layers of points, and their inputs for points `(3, 40, 3)`.
POINT_LAYERS: dict = {
    "sphere": (lambda: PointsToSphere(4, shells=2), lambda x: (x, np.sin(x), x[..., 0] ** 2)),
    "sphere_grid": (
        lambda: PointsToSphere(4, 1, 0.5, False, SphericalGrid.gauss_legendre(6)),
        lambda x: (x,),
    ),
    "point_pooling": (lambda: GlobalPointPooling(), lambda x: (x, np.sin(x[:, :9]))),
    "nearest": (lambda: NearestNeighbors(5, queries=7), lambda x: (x,)),
    "order": (lambda: FarthestPointOrder(12), lambda x: (x,)),
    "local": (
        lambda: LocalInvariants((4, 8), shells=2, degrees=3),
        lambda x: (x, _neighbors_of(x)),
    ),
    "projector": (lambda: SurfaceProjector(), lambda x: (x, _neighbors_of(x))),
    "pairs": (
        lambda: PairInvariants(),
        lambda x: (x, _neighbors_of(x)[:, :9], numpy(SurfaceProjector()(x, _neighbors_of(x)))),
    ),
    "neighbor_pooling": (lambda: NeighborPooling(6, 5), lambda x: (*_pairs_of(x), np.sin(x))),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


def assert_gradients(value, arrays, rng, tolerance=1e-6):
    """Compares gradients of a function of arrays with central differences in random directions."""
    for place, gradient in enumerate(gradients(value, *arrays)):
        step = rng.normal(size=gradient.shape) * 1e-6
        ends = []
        for sign in (1, -1):
            moved = [a + sign * step * (i == place) for i, a in enumerate(arrays)]
            ends.append(float(numpy(value(*map(ops.convert_to_tensor, moved)))))
        expected = (ends[0] - ends[1]) / 2
        np.testing.assert_allclose(np.sum(gradient * step), expected, rtol=tolerance, atol=1e-11)


def compiled_models():
    """One model of every layer, side by side, and a small network with its losses."""
    inputs = keras.Input(SHAPE[1:])
    layers = keras.Model(inputs, {name: make()(inputs) for name, make in LAYERS.items()})
    options = {"normalization": "batch_renorm", "extra_logits": True, "global_average": "area"}
    network = two_branch(8, 3, (4,), (1,), (1,), num_anchors=3, **options)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    losses = {
        "logits": cross_entropy,
        "descriptor": TripletSemiHardLoss(margin=0.3),
        "logits_branch1": cross_entropy,
    }
    network.compile(keras.optimizers.SGD(0.01), losses)
    return {"layers": layers, "network": network}


def saved_models(folder, rng):
    """`compiled_models`, their `.keras` files and inputs in `folder`, and their outputs."""
    models, outputs = compiled_models(), {}
    for name, model in models.items():
        signal = rng.normal(size=(4, *model.input.shape[1:])).astype("float32")
        for _ in range(3):
            model(signal, training=True)
        outputs[name] = model(signal)
        model.save(folder / f"{name}.keras")
        np.save(folder / f"{name}.npy", signal)
    return models, outputs
