"""The trained networks that come with the package, in `weights/`."""

from __future__ import annotations

import os
from typing import NamedTuple

from spherical_cnn.packaged import packaged


class Preset(NamedTuple):
    """A trained network. What is said here is also tested, except accuracies and license."""

    name: str
    description: str
    takes: str
    input_shape: tuple  # of one sample
    num_classes: int
    num_parameters: int
    accuracy: str
    split: str
    license: str

    @property
    def folder(self):
        """Path of the released run."""
        return packaged("weights", self.name)

    @property
    def num_bytes(self):
        """Size of the folder."""
        return sum(
            os.path.getsize(os.path.join(folder, name))
            for folder, _, names in os.walk(self.folder)
            for name in names
        )


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "modelnet40-points",
            "classifies the 40 categories of ModelNet40, in any rotation",
            "signals of meshes, voxels or point clouds",
            (64, 64, 2),
            num_classes=40,
            num_parameters=494_672,
            accuracy="89.2 % in random rotations, 89.3 % upright",
            split="985 shapes of the official train split that were not trained on",
            license="research use, as ModelNet40",
        ),
    )
}
DEFAULT = "modelnet40-points"  # the network of `scnn predict` without a run


def is_run(name):
    """Returns whether a name is that of a preset, or the path of a folder with files of a run."""
    if os.path.exists(name):
        return any(
            os.path.exists(os.path.join(name, own)) for own in ("config.json", "checkpoints")
        )
    return name in PRESETS


def find_run(name):
    """Returns the folder of a run, named by its path or as a preset. A path that exists is first.

    A path without a run is returned as it is.
    """
    name = os.fspath(name)
    return PRESETS[name].folder if name in PRESETS and not os.path.exists(name) else name
