"""Alignment: how fast, and how exact on shapes.

    python -m benchmarks.alignment speed
    python -m benchmarks.alignment meshes SOURCE [--resolution 64] [--rings 1] [--rotations 4]
    python -m benchmarks.alignment classes SOURCE --run RUN [--layers NAME ...] [--pairs 20]

SOURCE is that of scripts/make_dataset.py. `speed`: alignments per second against trying as many
rotations one by one, as the grid of the correlation has, in one run. `meshes`: errors for shapes
that are turned and cast anew, as they are, with noise, and with rays lost; of shapes whose second
peak against themselves is under 0.95 of the first, others are symmetric and listed by number only.
`classes`: different shapes of a class, which all face one way in the source, one of them turned; by
their signals and by feature maps of a run.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from scipy.spatial.transform import Rotation

_ASYMMETRIC = 0.95
_NOISE = 0.5  # standard deviation, of that of each channel
_LOST = 0.2


def main():
    """Measures and prints tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_subparsers(dest="what", required=True)
    speed = what.add_parser("speed")
    speed.add_argument("--bandwidths", type=int, nargs="+", default=[16, 32], metavar="N")
    meshes, classes = what.add_parser("meshes"), what.add_parser("classes")
    for one in (meshes, classes):
        one.add_argument("source")
        one.add_argument("--resolution", type=int, default=64, metavar="N")
        one.add_argument("--rings", type=int, default=1, metavar="N")
    meshes.add_argument("--rotations", type=int, default=4, metavar="N", help="of each shape")
    classes.add_argument("--run", help="run folder")
    classes.add_argument("--layers", nargs="*", default=[], metavar="NAME")
    classes.add_argument("--pairs", type=int, default=20, metavar="N", help="of each class")
    options = vars(parser.parse_args())
    {"speed": _speed, "meshes": _meshes, "classes": _classes}[options.pop("what")](**options)


def _speed(bandwidths):
    from spherical_cnn.experiment.alignment import align_coefficients

    rng = np.random.default_rng(0)
    print("| bandwidth | channels | alignments/s | one by one/s | ratio |\n|---|---|---|---|---|")
    for bandwidth in bandwidths:
        for channels in (1, 2):
            a = _band_limited(rng, 64, bandwidth, channels)
            align_coefficients(a[:1], a[:1])
            fast, slow = [], []
            for _ in range(3):
                start = time.perf_counter()
                align_coefficients(a, a[::-1])
                fast.append((time.perf_counter() - start) / len(a))
                slow.append(_one_by_one(a[:1], a[1:2], 1 / 16))
            fast, slow = statistics.median(fast), statistics.median(slow)
            print(
                f"| {bandwidth} | {channels} | {1 / fast:.0f} | {1 / slow:.3f} "
                f"| {slow / fast:.0f} |"
            )


def _one_by_one(a, b, share, chunk=512):
    """Seconds to rotate `a` by every rotation of the grid and compare, from a share of them."""
    from spherical_cnn.experiment.alignment import grid_angles, height
    from spherical_cnn.sphere.rotation import euler_to_matrix

    beta, alpha, gamma = grid_angles(a.shape[1])
    count = int(len(beta) ** 3 * share)
    start = time.perf_counter()
    best = -np.inf
    for first in range(0, count, chunk):
        index = np.arange(first, min(first + chunk, count))
        j, i, k = np.unravel_index(index, (len(beta),) * 3)
        matrices = euler_to_matrix(np.stack([alpha[i], beta[j], gamma[k]], axis=-1))
        many = (np.repeat(part, len(index), axis=0) for part in (a, b))
        best = max(best, height(*many, matrices).max())
    return (time.perf_counter() - start) / share


def _band_limited(rng, batch, bandwidth, channels):
    orders = np.abs(np.arange(1 - bandwidth, bandwidth))
    inside = (orders <= np.arange(bandwidth)[:, None])[None, :, :, None]
    return rng.normal(size=(batch, bandwidth, 2 * bandwidth - 1, channels)) * inside


def _meshes(source, resolution, rings, rotations):
    from spherical_cnn.experiment.alignment import align
    from spherical_cnn.experiment.casting import cast_signals

    rng = np.random.default_rng(0)
    casters = [caster for _, caster in _casters(source)]
    signals = cast_signals(casters, resolution, rings)
    asymmetric = np.flatnonzero(align(signals, signals).runner_up < _ASYMMETRIC)
    signals = signals[asymmetric]
    errors = {name: [] for name in ("as they are", "noise of 50 %", "20 % of rays lost")}
    for _ in range(rotations):
        turns = Rotation.random(len(asymmetric), rng=rng).as_matrix()
        seen = cast_signals([casters[i] for i in asymmetric], resolution, rings, turns)
        noise = _NOISE * seen.std(axis=(1, 2), keepdims=True) * rng.normal(size=seen.shape)
        kept = rng.random(seen.shape[:3]) >= _LOST
        for name, copy in zip(errors, (seen, seen + noise, seen * kept[..., None]), strict=True):
            errors[name].append(_degrees(align(signals, copy).rotations, turns))
    print(
        f"{len(casters)} shapes, {len(asymmetric)} asymmetric, {rotations} rotations each, "
        f"{resolution} × {resolution}, rings {rings}\n"
    )
    print("| | median | 99th percentile | largest |\n|---|---|---|---|")
    for name, parts in errors.items():
        values = np.concatenate(parts)
        figures = (np.median(values), np.percentile(values, 99), values.max())
        print(f"| {name} | {' | '.join(f'{x:.2f}°' for x in figures)} |")


def _classes(source, resolution, rings, run, layers, pairs):
    from spherical_cnn.experiment.alignment import align
    from spherical_cnn.experiment.casting import cast_signals
    from spherical_cnn.experiment.eye import Eye

    rng = np.random.default_rng(0)
    eyes = {"signal": Eye(resolution, rings)}
    if run:
        eyes = {layer: Eye(run=run, layer=layer) for layer in ("signal", *layers)}
    any_eye = next(iter(eyes.values()))
    groups = {}
    for name, caster in _casters(source, 2 * pairs):
        groups.setdefault(name, []).append(caster)
    print(f"median error, share under 15°; {pairs} pairs of different shapes of each class\n")
    print(f"| | {' | '.join(eyes)} |\n|---|{'---|' * len(eyes)}")
    all_errors = {name: [] for name in eyes}
    for class_name, casters in groups.items():
        count = len(casters) // 2
        turns = Rotation.random(count, rng=rng).as_matrix()
        first = cast_signals(casters[:count], any_eye.resolution, any_eye.rings)
        others = casters[count : 2 * count]
        second = cast_signals(others, any_eye.resolution, any_eye.rings, turns)
        row = []
        for name, eye in eyes.items():
            errors = _degrees(align(eye.maps(first), eye.maps(second)).rotations, turns)
            all_errors[name].append(errors)
            row.append(_summary(errors))
        print(f"| {class_name} | {' | '.join(row)} |", flush=True)
    totals = [_summary(np.concatenate(parts)) for parts in all_errors.values()]
    print(f"| all | {' | '.join(totals)} |")


def _summary(errors):
    return f"{np.median(errors):.1f}°, {np.mean(errors < 15):.2f}"


def _casters(source, most=10**9):
    """Class name and caster of shapes of a source, of each class the first ones of a split."""
    from spherical_cnn.data.recipe import Recipe
    from spherical_cnn.data.sources import find_shapes
    from spherical_cnn.signals.signal import ShapeError

    items = find_shapes(source).items
    split = "test" if most < 10**9 and any(i.split == "test" for i in items) else None
    counts = {}
    for item in items:
        if split in (None, item.split) and counts.get(item.class_name, 0) < most:
            try:
                yield item.class_name, item.caster(**Recipe().reading)
            except ShapeError:
                continue
            counts[item.class_name] = counts.get(item.class_name, 0) + 1


def _degrees(found, expected):
    return np.degrees(Rotation.from_matrix(found @ expected.swapaxes(-1, -2)).magnitude())


if __name__ == "__main__":
    main()
