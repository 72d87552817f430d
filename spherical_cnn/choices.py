"""The names that an option or an argument takes: data, so that a command line parses quickly."""

import math

MODELS = ("two_branch", "planar", "point_sphere")
BRANCHES = ("distance", "incidence")  # ray length; sine of the angle of incidence
POOLS = ("lowpass", "wap", "avg", "max")
INTERPOLATIONS = ("harmonic", "bilinear", "area")
FINAL_POOLS = ("gap", "max", "magnitudes", "all")
GLOBAL_AVERAGES = ("quadrature", "area", "grid")
MAP_GRIDS = ("driscoll_healy", "gauss_legendre")
NONLINEARITIES = ("prelu", "smooth_leaky_relu")  # besides those of Keras
UP_CHANNELS = ("off", "on", "masked")
METHODS = ("sep", "naive")
OPTIMIZERS = ("adam", "momentum")

SPLITS = ("train", "val", "test")
DTYPES = ("complex64", "complex128", "float32", "float64")
ROTATIONS = ("none", "z", "so3")
KINDS = ("mesh", "voxels", "points")
UP_AXES = ("x", "y", "z")
CENTERS = ("sphere", "area", "volume")
EMBEDDED = "embedded"
CASTERS = ("embree", "device")
PICTURES = (".png", ".jpg", ".pdf", ".svg")  # suffixes of figures, which name their formats


def is_supersampling(rays):
    """Returns whether so many rays fill rings of 6, 12, 18, … around one."""
    root = math.isqrt(12 * rays - 3)
    return root * root == 12 * rays - 3 and root % 6 == 3
