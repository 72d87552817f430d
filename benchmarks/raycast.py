"""Shapes to shards: end-to-end rays per second against bare Embree, and shapes per second.

    python -m benchmarks.raycast FOLDER [--copies 48] [--rounds 3]

FOLDER holds meshes, CLASS/train|test/FILE. End to end is all that
`scripts/make_dataset.py` does: find, read, check, normalise, index, cast, encode, write, and the
checksums of the manifest; only that the workers are there before the clock starts. Bare Embree
casts the very same rays at the same meshes, read and indexed before, in one thread, and throws the
hits away. All in turn, in one run; medians over the rounds.
"""

import argparse
import os
import statistics
import tempfile
import time

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
    from spherical_cnn.data.workers import worker_pool

    recipe = Recipe(copies=options.copies, test_copies=options.copies)
    items = find_shapes(options.folder).items
    records = sum(recipe.copies_of(item.split) for item in items)
    cast = _bare(items, recipe)
    with worker_pool(1) as one, worker_pool(2) as two:
        measured = {
            "bare Embree": cast,
            "end to end, 1 worker": lambda: _build(options.folder, recipe, one),
            "end to end, 2 workers": lambda: _build(options.folder, recipe, two),
        }
        seconds = {name: [] for name in measured}
        for turn in range(options.rounds + 1):
            for name, function in measured.items():
                start = time.perf_counter()
                function()
                if turn:  # the first is for warming up
                    seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    n = recipe.resolution
    print(f"{len(items)} meshes, {records} records of {n} × {n} rays\n")
    print("| | million rays/s | of bare Embree | meshes/s |\n|---|---|---|---|")
    for name, value in medians.items():
        share = medians["bare Embree"] / value
        rays = records * n * n / value / 1e6
        print(f"| {name} | {rays:.2f} | {share:.2f} | {len(items) / value:.1f} |")


def _bare(items, recipe):
    """A function that casts the rays of all items and copies, made before."""
    from spherical_cnn.data.recipe import draw_poses
    from spherical_cnn.sphere.grid import SphericalGrid

    class Recorder:
        """A scene that notes what it is asked."""

        def __init__(self, scene):
            self.scene = scene

        def run(self, *rays, **options):
            calls.append((self.scene, rays, options))
            return self.scene.run(*rays, **options)

    calls = []
    grid = SphericalGrid.from_resolution(recipe.resolution)
    for item in items:
        caster = item.origin.caster(**recipe.reading)
        caster.scene = Recorder(caster.scene)
        for pose in draw_poses(recipe, item.split, item.name):
            caster.signal(grid, pose)

    def cast():
        for scene, rays, options in calls:
            scene.run(*rays, **options)

    return cast


def _build(source, recipe, pool):
    from spherical_cnn.data.build import build

    with tempfile.TemporaryDirectory() as folder:
        build(source, os.path.join(folder, "set"), recipe, pool=pool)


if __name__ == "__main__":
    main()
