"""Shapes to shards: end-to-end rays per second against bare Embree, and shapes per second.

    python -m benchmarks.raycast FOLDER [--files 60] [--copies 48] [--rounds 3]

FOLDER holds meshes, class/train|test/file. End to end is `scripts/make_dataset.py` in one process:
read, check, normalise, index, cast, encode, write. Bare Embree casts the very same rays at the same
meshes, already read and indexed, and throws the hits away. Both in turn, in one run; medians over
the rounds. Workers start before the clock does.
"""

import argparse
import os
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main():
    """Measures and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--files", type=int, default=60, metavar="N", help="spread over the folder")
    parser.add_argument("--copies", type=int, default=48, metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    options = parser.parse_args()

    from spherical_cnn.data.build import tasks_of, worker_pool
    from spherical_cnn.data.recipe import Recipe
    from spherical_cnn.data.sources import find_shapes

    recipe = Recipe(copies=options.copies)
    items = find_shapes(options.folder).items
    items = [item._replace(split="train") for item in items[:: max(1, len(items) // options.files)]]
    rays = len(items) * options.copies * recipe.resolution**2
    with tempfile.TemporaryDirectory() as folder:
        tasks = list(tasks_of(recipe, "train", [(item, 0) for item in items], folder))
        bare = _bare(items, recipe)
        seconds = {"bare Embree": [], "end to end, 1 worker": [], "end to end, 2 workers": []}
        with worker_pool(1) as one, worker_pool(2) as two:
            _run(one, tasks[:4]), _run(two, tasks[:8])
            for _ in range(options.rounds):
                seconds["bare Embree"].append(_timed(bare))
                seconds["end to end, 1 worker"].append(_timed(lambda: _run(one, tasks)))
                seconds["end to end, 2 workers"].append(_timed(lambda: _run(two, tasks)))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(
        f"{len(items)} meshes, {options.copies} copies, {recipe.resolution} × {recipe.resolution}\n"
    )
    print("| | million rays/s | of bare Embree | meshes/s |\n|---|---|---|---|")
    for name, value in medians.items():
        share = medians["bare Embree"] / value
        print(f"| {name} | {rays / value / 1e6:.2f} | {share:.2f} | {len(items) / value:.1f} |")


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
        for pose in draw_poses(recipe, "train", item.name):
            caster.signal(grid, pose)

    def cast():
        for scene, rays, options in calls:
            scene.run(*rays, **options)

    return cast


def _run(pool, tasks):
    from spherical_cnn.data.recipe import perform

    for task, outcome in pool(perform, tasks):
        assert not outcome.skipped, outcome.skipped
        os.remove(task.path)


def _timed(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
