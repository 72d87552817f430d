"""Rays and meshes per second of building a dataset, compared with bare Embree.

    python -m benchmarks.raycast FOLDER [--copies 48] [--rounds 3]

FOLDER holds meshes, CLASS/train|test/FILE. "End to end" is all that `scnn build` does, except that
the workers have started before: find, read, check, normalize, index, cast, encode, write, and the
checksums of the manifest. Bare Embree casts the same rays in one thread at meshes that have been
read and indexed before, and discards the hits.
"""

import argparse
import os
import tempfile
import time

from benchmarks.harness import Child, Table, column, in_turn, positive

COLUMNS = {
    "": column("what"),
    "million rays/s": column("rays", ".2f", 1e-6),
    "of bare Embree": column("share", ".2f"),
    "meshes/s": column("meshes", ".1f"),
}


class Bare:
    """Embree alone. It has a process of its own, because the rays of all meshes fill gigabytes."""

    def __init__(self, items, config):
        from spherical_cnn.data.poses import draw_poses
        from spherical_cnn.data.signals import ray_caster
        from spherical_cnn.sphere.grid import SphericalGrid

        self.calls = []
        grid = SphericalGrid.from_resolution(config.resolution)
        for item in items:
            caster = ray_caster(item.origin, config)
            caster.scene = _Recorder(caster.scene, self.calls)
            for pose in draw_poses(config, item.split, item.name):
                caster.signal(grid, pose)

    def cast(self):
        """Measures the seconds of casting."""
        start = time.perf_counter()
        for scene, rays, options in self.calls:
            scene.run(*rays, **options)
        return {"seconds": time.perf_counter() - start}


class _Recorder:
    """A scene that records its calls."""

    def __init__(self, scene, calls):
        self.scene, self.calls = scene, calls

    def run(self, *rays, **options):
        self.calls.append((self.scene, rays, options))
        return self.scene.run(*rays, **options)


class Builder:
    """Builds a dataset."""

    def __init__(self, source, config):
        self.source, self.config = source, config

    def build(self, workers):
        """Measures the seconds of a build by workers that have started before."""
        from spherical_cnn.data.records.build import build
        from spherical_cnn.data.workers import worker_pool

        with worker_pool(workers) as pool, tempfile.TemporaryDirectory() as folder:
            list(pool(abs, range(4 * workers)))
            start = time.perf_counter()
            build(self.source, os.path.join(folder, "set"), self.config, pool=pool)
            return {"seconds": time.perf_counter() - start}


def run(folder, copies, rounds):
    """Measures bare Embree, and builds by one and two workers."""
    from spherical_cnn.data.dataset_config import DatasetConfig
    from spherical_cnn.data.sources import find_shapes

    config = DatasetConfig(copies=copies, test_copies=copies)
    items = find_shapes(folder).items
    records = sum(config.copies_of(item.split) for item in items)
    with Child(Bare, items, config) as bare, Child(Builder, folder, config) as builder:
        measures = {
            "bare Embree": lambda: bare.call("cast"),
            "end to end, 1 worker": lambda: builder.call("build", 1),
            "end to end, 2 workers": lambda: builder.call("build", 2),
        }
        found = in_turn(measures, rounds)
    n = config.resolution
    rows = []
    for what, row in found.items():
        row |= {"rays": records * n * n / row["seconds"], "meshes": len(items) / row["seconds"]}
        rows.append({"what": what, **row, "share": row["rays"] / found["bare Embree"]["rays"]})
    title = f"{len(items)} meshes, {records} records of {n} × {n} rays"
    return Table(title, COLUMNS, rows)


def main(arguments=None):
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--copies", type=positive, default=48, metavar="N")
    parser.add_argument("--rounds", type=positive, default=3, metavar="N")
    print(run(**vars(parser.parse_args(arguments))).markdown(), end="")


if __name__ == "__main__":
    main()
