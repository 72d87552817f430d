"""Names that files of earlier versions use, and what they are called now.

`config.json` and `data.json` of runs, `manifest.json` of datasets, and `.keras` files keep the
names of the version that wrote them.
"""

from __future__ import annotations

import re

from spherical_cnn.choices import BRANCHES

# Options of a run: name, and its values.
RUN_OPTIONS = {"height": ("up_channel", {"none": "off", "told": "on", "untold": "masked"})}

# Options of a dataset. `rings` counts rings of rays around each sample's own: 6, 12, … rays.
DATASET_OPTIONS = {
    "centre": ("center", {}),
    "rings": ("rays_per_sample", {rings: 1 + 3 * rings * (rings + 1) for rings in range(100)}),
    "seed": ("data_seed", {}),
}

# Classes of `spherical_cnn.nn`, as Keras has saved them, and arguments of their constructors.
LAYERS = {
    "SphericalAveragePooling": "GlobalSphericalAveragePooling",
    "Height": "UpAxisChannel",
}
# Layers of branches, `conv0_b0`, in the keys of variables in checkpoints.
_BRANCH = re.compile(r"((?:conv|pool)\d+_)b([01])(?=[_/]|$)")
ARGUMENTS: dict[str, tuple[str, dict]] = {"told": ("known", {}), "withheld": ("dropout_rate", {})}


def renamed(values, table):
    """Returns stored options, or a stored config of a layer, under the present names."""
    found = {}
    for name, value in values.items():
        new, changed = table.get(name, (name, {}))
        found[new] = changed.get(value, value) if changed else value
    return found


def average_config(values):
    """Returns the stored config of `GlobalSphericalAveragePooling` with its present argument."""
    values = dict(values)
    if "area_weighted" in values or "quadrature" in values:
        area, quadrature = values.pop("area_weighted", True), values.pop("quadrature", False)
        values["weights"] = "quadrature" if quadrature else "area" if area else "grid"
    return values


def variable_key(key):
    """Returns the key of a variable in a checkpoint with the present names of the layers."""
    return _BRANCH.sub(lambda found: found[1] + BRANCHES[int(found[2])], key)
