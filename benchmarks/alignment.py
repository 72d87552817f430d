"""Speed and errors of alignment.

    python -m benchmarks.alignment speed
    python -m benchmarks.alignment meshes SOURCE
    python -m benchmarks.alignment classes SOURCE --run RUN [--layers NAME ...]

SOURCE is that of `scnn build`.

- `speed` compares alignments per second with a search through all rotations of the correlation's
  grid, one by one.
- `meshes` rotates shapes, casts them again, and measures errors: without noise, with noise, and
  with lost rays. It skips symmetric shapes, whose second peak against themselves reaches 0.95
  of the first.
- `classes` aligns pairs of different shapes of a class, by their signals and by feature maps of a
  run. The source has all shapes of a class in one orientation; one of each pair is rotated.
"""

import argparse
import functools
import time

import numpy as np
from scipy.spatial.transform import Rotation

from benchmarks.harness import Table, column, in_turn

_ASYMMETRIC = 0.95
_NOISE = 0.5  # standard deviation, relative to that of each channel
_LOST = 0.2
_SHARE = 1 / 16  # fraction of the rotations that the search tries; its time is scaled up
SPEED_COLUMNS = {
    "bandwidth": column("bandwidth"),
    "alignments/s": column("rate", ".0f"),
    "one by one/s": column("slow_rate", ".3f"),
    "ratio": column("ratio", ".0f"),
}
ERROR_COLUMNS = {
    "": column("what"),
    "median": column("median", ".2f"),
    "99th percentile": column("99th", ".2f"),
    "largest": column("largest", ".2f"),
}


def speed(bandwidths=(16, 32)):
    """Measures alignments per second."""
    rng, rows = np.random.default_rng(0), []
    for bandwidth in bandwidths:
        orders = np.abs(np.arange(1 - bandwidth, bandwidth))
        inside = (orders <= np.arange(bandwidth)[:, None])[None, :, :, None]
        a = rng.normal(size=(64, bandwidth, 2 * bandwidth - 1, 1)) * inside
        measures = {
            "fast": functools.partial(_correlated, a, a[::-1]),
            "slow": functools.partial(_one_by_one, a[:1], a[1:2]),
        }
        seconds = {name: row["seconds"] for name, row in in_turn(measures, 3).items()}
        row = {"rate": 1 / seconds["fast"], "slow_rate": 1 / seconds["slow"]}
        ratio = seconds["slow"] / seconds["fast"]
        rows.append({"bandwidth": bandwidth, **row, "ratio": ratio})
    return Table("Alignments of coefficients of one channel", SPEED_COLUMNS, rows)


def _correlated(a, b):
    """Seconds per pair."""
    from spherical_cnn.sphere.alignment import align_coefficients

    start = time.perf_counter()
    align_coefficients(a, b)
    return {"seconds": (time.perf_counter() - start) / len(a)}


def _one_by_one(a, b, chunk=512):
    """Seconds of a search through all rotations of the grid, from a share of them."""
    from spherical_cnn.sphere.correlation import grid_angles, height
    from spherical_cnn.sphere.rotation import euler_to_matrix

    beta, alpha, gamma = grid_angles(a.shape[1])
    count = int(len(beta) ** 3 * _SHARE)
    start = time.perf_counter()
    best = -np.inf
    for first in range(0, count, chunk):
        index = np.arange(first, min(first + chunk, count))
        j, i, k = np.unravel_index(index, (len(beta),) * 3)
        matrices = euler_to_matrix(np.stack([alpha[i], beta[j], gamma[k]], axis=-1))
        many = (np.repeat(part, len(index), axis=0) for part in (a, b))
        best = max(best, height(*many, matrices).max())
    return {"seconds": (time.perf_counter() - start) / _SHARE}


def meshes(source, resolution=64, rays_per_sample=7, rotations=4):
    """Measures errors for rotated copies of the asymmetric shapes of a source."""
    from spherical_cnn.data.dataset_config import DatasetConfig
    from spherical_cnn.sphere.alignment import align

    rng = np.random.default_rng(0)
    config = DatasetConfig(resolution=resolution, rays_per_sample=rays_per_sample)
    casters = [caster for _, caster in _casters(source)]
    signals = _cast(casters, config)
    asymmetric = np.flatnonzero(align(signals, signals).runner_up < _ASYMMETRIC)
    signals = signals[asymmetric]
    errors = {name: [] for name in ("as they are", "noise of 50 %", "20 % of rays lost")}
    for _ in range(rotations):
        drawn = Rotation.random(len(asymmetric), rng=rng).as_matrix()
        seen = _cast([casters[i] for i in asymmetric], config, drawn)
        noise = _NOISE * seen.std(axis=(1, 2), keepdims=True) * rng.normal(size=seen.shape)
        kept = rng.random(seen.shape[:3]) >= _LOST
        for name, copy in zip(errors, (seen, seen + noise, seen * kept[..., None]), strict=True):
            errors[name].append(_degrees(align(signals, copy).rotations, drawn))
    rows = []
    for what, parts in errors.items():
        values = np.concatenate(parts)
        figures = {"99th": np.percentile(values, 99), "largest": values.max()}
        rows.append({"what": what, "median": np.median(values), **figures})
    title = f"Errors in degrees, {len(casters)} shapes, {len(asymmetric)} asymmetric"
    size = f"{resolution} × {resolution}, {rays_per_sample} rays per sample"
    note = f"{rotations} rotations each, {size}"
    return Table(title, ERROR_COLUMNS, rows, [note])


def classes(source, run, layers=(), pairs=20):
    """Measures errors for pairs of shapes of a class, by signals and by maps of a run."""
    from spherical_cnn.sphere.alignment import align
    from spherical_cnn.tasks.signal_view import SignalView

    rng = np.random.default_rng(0)
    views = {layer: SignalView(run=run, layer=layer) for layer in ("signal", *layers)}
    config = views["signal"].config
    groups, rows = {}, []
    for name, caster in _casters(source, 2 * pairs):
        groups.setdefault(name, []).append(caster)
    for class_name, casters in groups.items():
        count = len(casters) // 2
        drawn = Rotation.random(count, rng=rng).as_matrix()
        first = _cast(casters[:count], config)
        second = _cast(casters[count : 2 * count], config, drawn)
        row = {"class": class_name}
        for name, view in views.items():
            row[name] = _degrees(align(view.maps(first), view.maps(second)).rotations, drawn)
        rows.append(row)
    every = {name: np.concatenate([row[name] for row in rows]) for name in views}
    columns = {"": column("class"), **{name: functools.partial(_summary, name) for name in views}}
    title = f"Median error, share under 15°; {pairs} pairs of different shapes of each class"
    return Table(title, columns, [*rows, {"class": "all", **every}])


def _summary(name, row):
    return f"{np.median(row[name]):.1f}°, {np.mean(row[name] < 15):.2f}"


def _casters(source, most=None):
    """Class name and caster of all shapes of a source, or of the first `most` of each class.

    The first ones are of the test split if there is one.
    """
    from spherical_cnn.data.dataset_config import DatasetConfig
    from spherical_cnn.data.signals import ray_caster
    from spherical_cnn.data.sources import find_shapes
    from spherical_cnn.errors import ShapeError

    items = find_shapes(source).items
    if most:
        items = [item for item in items if item.split == "test"] or items
    counts = dict.fromkeys((item.class_name for item in items), 0)
    for item in items:
        if most is None or counts[item.class_name] < most:
            try:
                yield item.class_name, ray_caster(item.origin, DatasetConfig())
            except ShapeError:
                continue
            counts[item.class_name] += 1


def _cast(casters, config, rotations=None):
    """Signals `(shapes, n, n, 2)` of shapes, each in its rotation."""
    from spherical_cnn.data.signals import cast_poses
    from spherical_cnn.shapes.signal import Pose

    rotations = [np.eye(3)] * len(casters) if rotations is None else rotations
    pairs = zip(casters, rotations, strict=True)
    return np.concatenate([cast_poses(caster, [Pose(matrix)], config) for caster, matrix in pairs])


def _degrees(found, expected):
    return np.degrees(Rotation.from_matrix(found @ expected.swapaxes(-1, -2)).magnitude())


def main(arguments=None):
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_subparsers(dest="what", required=True)
    what.add_parser("speed")
    what.add_parser("meshes").add_argument("source")
    one = what.add_parser("classes")
    one.add_argument("source")
    one.add_argument("--run", required=True, help="run folder")
    one.add_argument("--layers", nargs="*", default=[], metavar="NAME", help="of the run")
    options = vars(parser.parse_args(arguments))
    measure = {"speed": speed, "meshes": meshes, "classes": classes}[options.pop("what")]
    print(measure(**options).markdown(), end="")


if __name__ == "__main__":
    main()
