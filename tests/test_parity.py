"""The same numbers as the original program, wherever PARITY says *keep*.

Reads a folder of golden files, recorded by running the original (their README says how), and checks
every array in it: `SPHERICAL_CNN_GOLDEN`, else `../shared/golden` beside the repository, else the
compact copy in `tests/golden`. Each array must be compared at the README's limits, be an input, or
be set aside for a reason that the checkers in `tests/parity` give; files or arrays that nobody
knows fail. Seeds, sizes and options come from the files.
"""

import fnmatch
import os
import pathlib

import pytest
from parity import equivariance, layers, networks, records, sphere
from parity.comparison import LEDGER, Comparison, summary

CHECKERS = {  # the first pattern that fits
    "README.md": None,
    "grid.npz": sphere.check_grid,
    "sht_n*.npz": sphere.check_sht,
    "sph_conv_single.npz": sphere.check_sph_conv_single,
    "sph_conv_n*.npz": sphere.check_sph_conv,
    "rotation.npz": sphere.check_rotation,
    "sphconv_n*.npz": layers.check_sphconv,
    "block_*.npz": layers.check_block,
    "pool_n*.npz": layers.check_pool,
    "afterconv_*.npz": layers.check_head,
    "triplet.npz": layers.check_triplet,
    "dataset_map.npz": records.check_dataset_map,
    "tfrecord.npz": records.check_tfrecord,
    "*.tfrecord": records.check_shard,
    "unsupported.json": records.check_unsupported,
    "equivariance.npz": equivariance.check_equivariance,
    "equivariance_summary.json": equivariance.check_summary,
    "model_tiny_*.npz": networks.check_model,
    "model_real_*.npz": networks.check_model,
}
COMPACT = pathlib.Path(__file__).parent / "golden"


def golden_folder():
    if named := os.environ.get("SPHERICAL_CNN_GOLDEN"):
        return pathlib.Path(named)
    shared = COMPACT.parents[2] / "shared" / "golden"
    return shared if shared.is_dir() else COMPACT


FOLDER = golden_folder()
FILES = sorted(FOLDER.iterdir()) if FOLDER.is_dir() else []


def pattern_of(name):
    return next((pattern for pattern in CHECKERS if fnmatch.fnmatchcase(name, pattern)), None)


def test_folder_has_golden_files():
    assert any(path.suffix == ".npz" for path in FILES), f"no golden files in {FOLDER}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_file(path):
    pattern = pattern_of(path.name)
    assert pattern is not None, f"no checker knows {path}"
    if CHECKERS[pattern] is not None:
        file = Comparison(path, family=pattern)
        CHECKERS[pattern](file)
        file.finish()


def test_compact_copy_has_every_family():
    names = [path.name for path in COMPACT.iterdir()]
    families = set(map(pattern_of, names))
    assert families == set(CHECKERS) - {"README.md"}
    assert sum(path.stat().st_size for path in COMPACT.iterdir()) < 3e6


def test_summary(capsys):
    """Not a test of its own: prints what the ones above compared."""
    if not LEDGER:
        pytest.skip("no golden file was checked")
    with capsys.disabled():
        print(f"\n{FOLDER}", *summary(), sep="\n  ")
