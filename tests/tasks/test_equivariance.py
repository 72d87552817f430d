"""Equivariance errors for shapes that are rotated and cast again."""

import numpy as np
import pytest

from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.data.signals import signals
from spherical_cnn.data.sources import find_shapes
from spherical_cnn.errors import ConfigError, ShapeError
from spherical_cnn.nn import two_branch
from spherical_cnn.nn.layer_errors import measure
from spherical_cnn.shapes.signal import Pose
from spherical_cnn.sphere.rotation import euler_to_matrix, random_rotations
from spherical_cnn.tasks import equivariance

N = 16
ANGLES = random_rotations(2, np.random.default_rng(1))
UPRIGHT = [Pose(np.eye(3))]


def network():
    options = {"num_anchors": 3, "global_average": "quadrature", "final_dense": False}
    return two_branch(N, 5, (4, 4), (1, 0), (0, 1), **options)


def test_a_rotation_by_a_step_of_the_grid_shifts_the_signal():
    items = find_shapes("embedded", embedded_shapes=(0, 0, 3)).items
    angles = np.array([[2 * np.pi / N * 3, 0, 0], ANGLES[0]])
    poses = [*UPRIGHT, *map(Pose, euler_to_matrix(angles))]
    cast = [found for _, found in signals(items, [poses] * 3, DatasetConfig(resolution=N))]
    start, *rotated = np.stack(cast, axis=1)
    assert start.shape == (3, N, N, 2)
    np.testing.assert_allclose(rotated[0], np.roll(start, 3, axis=2), atol=1e-4)
    step, other = measure(network(), start, rotated, angles)["layers"]["signal"]
    assert step < 1e-3 < 0.02 < other < 1


def test_errors_are_measured_for_both_ways_of_rotating():
    config = DatasetConfig(embedded_shapes=(0, 0, 3))
    model = network()
    found = equivariance.measure_shapes(model, "embedded", config, shapes=2, rotations=3, seed=4)
    assert list(found) == ["exact", "re-cast"]
    for errors in found.values():
        assert len(errors["flips"]) == 3 and {len(e) for e in errors["layers"].values()} == {3}
    assert (
        max(found["exact"]["layers"]["signal"]) < 1e-5 < min(found["re-cast"]["layers"]["signal"])
    )
    again = equivariance.measure_shapes(model, "embedded", config, shapes=2, rotations=3, seed=4)
    assert again == found


def test_classes_alternate_and_train_replaces_a_missing_test_split(tmp_path):
    config = DatasetConfig(resolution=N, embedded_shapes=(12, 0, 0))
    assert len(equivariance._cast_first("embedded", config, UPRIGHT, 20)) == 12
    assert len(equivariance._cast_first("embedded", config, UPRIGHT, 3)) == 3
    folder = tmp_path / "chair" / "test"
    folder.mkdir(parents=True)
    (folder / "a.off").write_text("no mesh")
    with pytest.raises(
        ConfigError, match="no shape that can be cast; the first, chair/test/a.off: "
    ):
        equivariance.measure_shapes(network(), tmp_path, config, shapes=3)


def test_shapes_that_rays_miss_are_skipped(tmp_path, monkeypatch):
    warnings: list[str] = []
    monkeypatch.setattr(equivariance.logger, "warning", warnings.append)
    folder = tmp_path / "chair" / "test"
    folder.mkdir(parents=True)
    (folder / "a.off").write_text("no mesh")
    (folder / "b.off").write_text("OFF\n3 1 0\n0 0 0\n1 0 2\n0 1 0\n3 0 1 2\n")
    with pytest.raises(ShapeError, match="no ray meets any of 1 shapes"):
        equivariance.measure_shapes(network(), tmp_path, DatasetConfig(), shapes=4, rotations=1)
    assert warnings[0].startswith("skipped: chair/test/a.off: ")
    assert warnings[1].startswith("skipped: chair/test/b.off: blank: at most")
