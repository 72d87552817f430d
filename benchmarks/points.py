"""Errors of the signals of point clouds, compared with signals of the meshes of the points.

    python -m benchmarks.points FOLDER [--files 60] [--neighbors 12] [--reach 1.75]

FOLDER holds `.off` meshes at any depth. The benchmark chooses `--files` of them, draws points
uniformly by area, and casts signals of points and mesh in the same two rotations. Columns are means
over rays:

- distance: absolute error, where a miss counts as 0;
- sine: absolute error of the sine of the angle between ray and normal, where both hit;
- hit or miss: fraction of rays that hit only one of both;
- both: sum of the absolute errors of the two channels, over all rays.

The constants of `spherical_cnn.shapes.points` minimize the sum of *both* over 1,024 and 4,096
points. Every run gives the same errors.
"""

import argparse
import pathlib
import statistics
import time

import numpy as np

from benchmarks.harness import Table, column, positive
from spherical_cnn.shapes.formats.mesh import read_mesh
from spherical_cnn.shapes.formats.safe_read import read_bytes
from spherical_cnn.shapes.normalize import normalize
from spherical_cnn.shapes.points import NEIGHBORS, REACH, reconstruct_surface
from spherical_cnn.shapes.raycast import RayCaster
from spherical_cnn.shapes.signal import Pose
from spherical_cnn.sphere.grid import SphericalGrid
from spherical_cnn.sphere.rotation import euler_to_matrix, random_rotations

DENSITIES = (1_024, 2_048, 4_096, 16_384)
COLUMNS = {
    "points": column("points", ","),
    "distance": column("distance", ".4f"),
    "sine": column("sine", ".4f"),
    "hit or miss": column("hit or miss", ".4f"),
    "both": column("both", ".4f"),
    "cloud, ms": column("cloud", ".0f", 1e3),
    "signal, ms": column("signal", ".1f", 1e3),
}


def draw(mesh, count, rng):
    """Draws points `(count, 3)` uniformly by area."""
    area = np.linalg.norm(mesh.face_normals(), axis=1)
    drawn = mesh.faces[rng.choice(len(area), count, p=area / area.sum())]
    a, b, c = mesh.vertices[drawn].swapaxes(0, 1)
    u, v = rng.random((2, count, 1))
    u = np.sqrt(u)
    return (1 - u) * a + u * (1 - v) * b + u * v * c


def errors(signal, truth):
    """Returns the errors of one signal."""
    (distance, sine), (expected, expected_sine) = (
        np.moveaxis(channels, -1, 0) for channels in (signal, truth)
    )
    error, sine_error = np.abs(distance - expected), np.abs(sine - expected_sine)
    both = (distance > 0) & (expected > 0)
    return {
        "distance": error.mean(),
        "sine": sine_error[both].mean() if both.any() else np.nan,
        "hit or miss": ((distance > 0) != (expected > 0)).mean(),
        "both": error.mean() + sine_error.mean(),
    }


def run(paths, files, neighbors=NEIGHBORS, reach=REACH, resolution=64, densities=DENSITIES):
    """Measures errors by density for a number of files, evenly spaced in `paths`."""
    grid = SphericalGrid.from_resolution(resolution)
    chosen = np.linspace(0, len(paths) - 1, min(files, len(paths))).astype(int)
    cases = []
    for number, path in enumerate(paths[i] for i in chosen):
        mesh, _ = normalize(read_mesh(read_bytes(path), path.suffix))
        angles = random_rotations(2, np.random.default_rng([0, number]))
        poses = [Pose(rotation=matrix) for matrix in euler_to_matrix(angles)]
        caster = RayCaster(mesh)
        cases.append((mesh, poses, [caster.signal(grid, pose) for pose in poses]))
    rows = [{"points": n, **_measure(cases, grid, n, neighbors, reach)} for n in densities]
    return Table(f"{len(cases)} meshes, {resolution} × {resolution} rays", COLUMNS, rows)


def _measure(cases, grid, count, neighbors, reach):
    """Returns means over `cases` of the errors, and median seconds per cloud and per signal."""
    rows, build, cast = [], [], []
    for number, (mesh, poses, truths) in enumerate(cases):
        points = draw(mesh, count, np.random.default_rng([0, number, count]))
        start = time.perf_counter()
        caster = RayCaster(reconstruct_surface(points, neighbors=neighbors, reach=reach))
        caster.signal(SphericalGrid(1), Pose())  # the first rays build Embree's index
        build.append(time.perf_counter() - start)
        start = time.perf_counter()
        signals = [caster.signal(grid, pose) for pose in poses]
        cast.append((time.perf_counter() - start) / len(poses))
        rows += map(errors, signals, truths)
    means = {name: float(np.nanmean([row[name] for row in rows])) for name in rows[0]}
    return {**means, "cloud": statistics.median(build), "signal": statistics.median(cast)}


def main(arguments=None):
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--files", type=positive, default=60, metavar="N")
    parser.add_argument("--neighbors", type=positive, default=NEIGHBORS, metavar="N")
    parser.add_argument("--reach", type=float, default=REACH, metavar="X")
    options = parser.parse_args(arguments)
    paths = sorted(options.folder.rglob("*.off"))
    if not paths:
        parser.error(f"{options.folder}: expected .off files at any depth. Found none")
    print(run(paths, options.files, options.neighbors, options.reach).markdown(), end="")


if __name__ == "__main__":
    main()
