"""Signals of point clouds against the ray-cast signals of the meshes they were drawn from.

    python -m benchmarks.points FOLDER [--files 60] [--seed 0] [--resolution 64]

FOLDER holds `.off` meshes at any depth. From each of `--files`, spread over the folder, points are
drawn uniformly by area, and both are looked at in the same two rotations. Columns, means over rays:

- distance: absolute error, 0 standing for a miss;
- sine: absolute error, of the angle between ray and normal, where both hit;
- hit or miss: share of rays on which they disagree;
- both: absolute errors of the two channels that a network reads, added, over all rays. The
  neighbourhood is chosen by it, summed over 1,024 and 4,096 points;
- own scale: the same, if the cloud is centred and scaled by itself, not by the mesh that users do
  not have: its points do not reach the corners of the shape.

First the error against density, then the neighbourhoods. Same seed, same figures; times vary.
"""

import argparse
import pathlib
import statistics
import time

import numpy as np

from spherical_cnn.signals.files import read_bytes
from spherical_cnn.signals.mesh import read_mesh
from spherical_cnn.signals.normalise import normalised, normalised_points
from spherical_cnn.signals.points import NEIGHBOURS, REACH, surface
from spherical_cnn.signals.raycast import RayCaster
from spherical_cnn.signals.signal import Pose
from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.sphere.rotation import euler_to_matrix, random_rotations

DENSITIES = (1_024, 2_048, 4_096, 16_384, 65_536)
SWEEP = {
    6: (2.0, 2.5, 3.0),
    8: (1.5, 2.0, 2.5),
    12: (1.2, 1.5, 1.75, 2.0, 2.5, 3.0),
    16: (1.2, 1.5, 1.75),
}


def read(path):
    """The mesh in a file, centred and scaled."""
    return normalised(read_mesh(read_bytes(path), path.suffix))


def draw(mesh, count, rng):
    """Points drawn uniformly by area, `(count, 3)`."""
    area = np.linalg.norm(mesh.face_normals(), axis=1)
    drawn = mesh.faces[rng.choice(len(area), count, p=area / area.sum())]
    a, b, c = mesh.vertices[drawn].swapaxes(0, 1)
    u, v = rng.random((2, count, 1))
    u = np.sqrt(u)
    return (1 - u) * a + u * (1 - v) * b + u * v * c


def errors(signal, truth):
    """The first four columns, of one signal."""
    distance, expected = np.abs(signal), np.abs(truth)
    sine, expected_sine = (
        np.divide(z.imag, r, out=np.zeros_like(r), where=r > 0)
        for z, r in ((signal, distance), (truth, expected))
    )
    error, sine_error = np.abs(distance - expected), np.abs(sine - expected_sine)
    both = (distance > 0) & (expected > 0)
    return (
        error.mean(),
        sine_error[both].mean() if both.any() else np.nan,
        ((distance > 0) != (expected > 0)).mean(),
        error.mean() + sine_error.mean(),
    )


def measure(cases, grid, seed, count, neighbours=NEIGHBOURS, reach=REACH):
    """Means over `cases` of the five columns, then median seconds per cloud and per signal."""
    rows, build, cast = [], [], []
    for number, (mesh, poses, truths) in enumerate(cases):
        points = draw(mesh, count, np.random.default_rng([seed, number, count]))
        start = time.perf_counter()
        cloud = surface(points, neighbours=neighbours, reach=reach)
        caster = RayCaster(cloud)
        caster.signal(SphericalGrid(1), Pose())  # the first rays make Embree's index
        build.append(time.perf_counter() - start)
        start = time.perf_counter()
        signals = [caster.signal(grid, pose) for pose in poses]
        cast.append((time.perf_counter() - start) / len(poses))
        scaled = RayCaster(cloud._replace(vertices=normalised_points(cloud.vertices)))
        for signal, pose, truth in zip(signals, poses, truths, strict=True):
            own = errors(scaled.signal(grid, pose), truth)
            rows.append((*errors(signal, truth), own[-1]))
    return *np.nanmean(rows, 0), statistics.median(build), statistics.median(cast)


def main():
    """Measures and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--files", type=int, default=60, metavar="N", help="spread over the folder")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--resolution", type=int, default=64, metavar="N")
    options = parser.parse_args()
    grid = SphericalGrid.from_resolution(options.resolution)
    paths = sorted(options.folder.rglob("*.off"))
    chosen = np.linspace(0, len(paths) - 1, min(options.files, len(paths))).astype(int)
    cases = []
    for number, path in enumerate(paths[i] for i in chosen):
        mesh = read(path)
        angles = random_rotations(2, np.random.default_rng([options.seed, number]))
        poses = [Pose(rotation=matrix) for matrix in euler_to_matrix(angles)]
        caster = RayCaster(mesh)
        cases.append((mesh, poses, [caster.signal(grid, pose) for pose in poses]))
    print(f"{len(cases)} meshes, {options.resolution} × {options.resolution} rays\n")
    print("| points | distance | sine | hit or miss | both | own scale | cloud, ms | signal, ms |")
    print("|---|---|---|---|---|---|---|---|")
    for count in DENSITIES:
        *means, build, cast = measure(cases, grid, options.seed, count)
        columns = " | ".join(f"{mean:.4f}" for mean in means)
        print(f"| {count:,} | {columns} | {build * 1e3:.0f} | {cast * 1e3:.1f} |", flush=True)
    print("\n| neighbours | reach | distance | sine | hit or miss | both | both at 4,096 | sum |")
    print("|---|---|---|---|---|---|---|---|")
    for neighbours, reaches in SWEEP.items():
        for reach in reaches:
            few, many = (
                measure(cases, grid, options.seed, count, neighbours, reach)[:4]
                for count in (1_024, 4_096)
            )
            figures = (*few, many[-1], few[-1] + many[-1])
            columns = " | ".join(f"{figure:.4f}" for figure in figures)
            print(f"| {neighbours} | {reach:g} | {columns} |", flush=True)


if __name__ == "__main__":
    main()
