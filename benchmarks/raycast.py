"""Shapes to shards: end-to-end rays per second against bare Embree, and shapes per second.

    python -m benchmarks.raycast FOLDER [--copies 48] [--rounds 3]

FOLDER holds meshes, CLASS/train|test/FILE. End to end is all that
`scripts/make_dataset.py` does: find, read, check, normalise, index, cast, encode, write, and the
checksums of the manifest; only that the workers are there before the clock starts. Bare Embree
casts the very same rays at the same meshes, read and indexed before, in one thread, and throws the
hits away. All in turn, in one run; medians over the rounds.
"""

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from concurrent import futures

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main():
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--copies", type=int, default=48, metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    options = parser.parse_args()

    from spherical_cnn.data.recipe import Recipe
    from spherical_cnn.data.sources import find_shapes

    recipe = Recipe(copies=options.copies, test_copies=options.copies)
    items = find_shapes(options.folder).items
    records = sum(recipe.copies_of(item.split) for item in items)
    with _process(_prepare_bare, items, recipe) as bare, _process() as builds:
        measured = {
            "bare Embree": lambda: bare.submit(_cast),
            "end to end, 1 worker": lambda: builds.submit(_build, options.folder, recipe, 1),
            "end to end, 2 workers": lambda: builds.submit(_build, options.folder, recipe, 2),
        }
        seconds = {name: [] for name in measured}
        for turn in range(options.rounds + 1):
            for name, start in measured.items():
                taken = start().result()
                if turn:  # the first is for warming up
                    seconds[name].append(taken)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    n = recipe.resolution
    print(f"{len(items)} meshes, {records} records of {n} × {n} rays\n")
    print("| | million rays/s | of bare Embree | meshes/s |\n|---|---|---|---|")
    for name, value in medians.items():
        share = medians["bare Embree"] / value
        rays = records * n * n / value / 1e6
        print(f"| {name} | {rays:.2f} | {share:.2f} | {len(items) / value:.1f} |")


def _process(prepare=None, *arguments):
    """A process of its own: the rays of all meshes fill gigabytes, a build has none of them."""
    context = multiprocessing.get_context("spawn")
    return futures.ProcessPoolExecutor(1, context, prepare, arguments)


_calls = []


class _Recorder:
    """A scene that notes what it is asked."""

    def __init__(self, scene):
        self.scene = scene

    def run(self, *rays, **options):
        _calls.append((self.scene, rays, options))
        return self.scene.run(*rays, **options)


def _prepare_bare(items, recipe):
    """Reads and indexes the meshes, and makes the rays of all copies."""
    from spherical_cnn.data.recipe import draw_poses
    from spherical_cnn.sphere.grid import SphericalGrid

    grid = SphericalGrid.from_resolution(recipe.resolution)
    for item in items:
        caster = item.caster(**recipe.reading)
        caster.scene = _Recorder(caster.scene)
        for pose in draw_poses(recipe, item.split, item.name):
            caster.signal(grid, pose)


def _cast():
    """Seconds to cast the rays."""
    start = time.perf_counter()
    for scene, rays, options in _calls:
        scene.run(*rays, **options)
    return time.perf_counter() - start


def _build(source, recipe, workers):
    """Seconds to build a data set, by workers that are there."""
    from spherical_cnn.data.build import build
    from spherical_cnn.data.workers import worker_pool

    with worker_pool(workers) as pool, tempfile.TemporaryDirectory() as folder:
        list(pool(abs, range(4 * workers)))
        start = time.perf_counter()
        build(source, os.path.join(folder, "set"), recipe, pool=pool)
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
