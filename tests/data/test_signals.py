"""From shapes to signals: by Embree and by the device, in processes, with reasons for failures."""

import numpy as np
import pytest
from helpers import DISTANCE, GRAZING, box, channels

from spherical_cnn.data import signals as shape_signals
from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.data.poses import draw_poses
from spherical_cnn.data.signals import DeviceCaster, cast_poses, check_visible, signals
from spherical_cnn.data.sources import FileOrigin, Item, find_shapes
from spherical_cnn.errors import ShapeError
from spherical_cnn.shapes.load import to_mesh
from spherical_cnn.shapes.raycast import RayCaster
from spherical_cnn.shapes.signal import Mesh, Pose
from spherical_cnn.sphere.grid import SphericalGrid

pytest.importorskip("embreex")

SINE = 2e-3  # as in tests/shapes/test_devicecast.py
CONFIG = DatasetConfig(
    resolution=16,
    embedded_shapes=(12, 0, 0),
    copies=2,
    scale_range=0.2,
    shift_range=0.1,
    rays_per_sample=7,
)
TETRAHEDRON = "OFF\n4 4 0\n0 0 0\n1 0 0\n0 2 0\n0 0 3\n3 0 2 1\n3 0 1 3\n3 0 3 2\n3 1 2 3\n"


def embedded():
    """Items of the embedded dataset, and two poses of each."""
    items = find_shapes("embedded", embedded_shapes=CONFIG.embedded_shapes).items
    return items, [draw_poses(CONFIG, "train", item.name) for item in items]


@pytest.fixture(scope="module")
def by_embree():
    """Signals of `embedded()` by Embree, with their items."""
    return list(signals(*embedded(), CONFIG))


@pytest.fixture
def partly_broken(tmp_path):
    """Items of twelve files, of which the third is no mesh and the last is missing."""
    items = []
    for number in range(12):
        path = tmp_path / f"{number}.off"
        if number < 11:
            path.write_text("OFF\n1 2 3\n" if number == 2 else TETRAHEDRON)
        items.append(Item("test", "", str(number), FileOrigin(str(path))))
    return items


def assert_near(found, expected):
    """Asserts that signals differ as little as in tests/shapes/test_devicecast.py."""
    distance, sine = channels(expected)
    assert np.mean(np.abs(found[..., 0] - distance) > DISTANCE) <= GRAZING
    assert np.mean(np.abs(found[..., 1] - sine) > SINE) <= GRAZING


def test_signals_of_the_device_are_those_of_embree_with_reasons_in_their_places(by_embree):
    items, poses = embedded()
    broken = Item("train", "", "broken", FileOrigin("/absent.off"))
    items.insert(3, broken)
    poses.insert(3, poses[0])
    found = list(signals(items, poses, CONFIG, caster="device", workers=2))
    assert [item for item, _ in found] == items
    assert found.pop(3) == (broken, "No such file or directory")
    for (_, ours), (_, theirs) in zip(found, by_embree, strict=True):
        assert ours.shape == theirs.shape == (2, 16, 16, 2)
        assert ours.dtype == theirs.dtype == np.float32
        for one, other in zip(ours, theirs, strict=True):
            assert_near(one, other)


def test_signals_are_those_of_each_pose_in_turn(by_embree):
    grid = SphericalGrid.from_resolution(16)
    for (item, found), poses in zip(by_embree[:3], embedded()[1], strict=False):
        ray_caster = RayCaster(to_mesh(item.origin.shape(**CONFIG.reading)))
        expected = [ray_caster.signal(grid, pose, 7) for pose in poses]
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(cast_poses(ray_caster, poses, CONFIG), expected)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_unreadable_shape_yields_its_reason_and_stops_no_other(partly_broken, workers):
    config = DatasetConfig(resolution=8)
    found = list(signals(partly_broken, [[Pose()]] * 12, config, workers=workers))
    assert [item.name for item, _ in found] == [str(number) for number in range(12)]
    reasons = {item.name: of_item for item, of_item in found if isinstance(of_item, str)}
    assert set(reasons) == {"2", "11"}
    assert reasons["2"].startswith("not a readable .off file: 1 vertices, 2 faces announced")
    assert reasons["11"] == "No such file or directory"
    cast = [of_item for item, of_item in found if item.name not in reasons]
    assert len(cast) == 10 and {of_item.shape for of_item in cast} == {(1, 8, 8, 2)}


@pytest.mark.parametrize("caster", ["embree", "device"])
def test_without_a_readable_shape_there_are_only_reasons(tmp_path, caster):
    items = [Item("test", "", "a", FileOrigin(str(tmp_path / "a.off")))]
    found = list(signals(items, [[Pose()]], DatasetConfig(resolution=8), caster=caster))
    assert found == [(items[0], "No such file or directory")]
    assert list(signals([], [], DatasetConfig(resolution=8), caster=caster)) == []


def test_two_workers_keep_order_and_values(by_embree):
    items, poses = embedded()
    found = list(signals(items, poses, CONFIG, workers=2))
    assert [item for item, _ in found] == items
    for (_, ours), (_, theirs) in zip(found, by_embree, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_device_casts_more_meshes_than_a_batch_in_order(monkeypatch):
    monkeypatch.setattr(shape_signals, "_BATCH", 2)
    config = DatasetConfig(resolution=8)
    meshes = [Mesh(*box((1, width, 0.5))) for width in (0.4, 0.6, 0.8)]
    found = DeviceCaster(meshes, config).signals([Pose()] * 3)
    assert found.shape == (3, 8, 8, 2)
    for mesh, signal in zip(meshes, found, strict=True):
        (distance,) = cast_poses(RayCaster(mesh), [Pose()], config)[..., 0]
        np.testing.assert_allclose(signal[..., 0], distance, atol=DISTANCE)


def test_a_shape_that_rays_miss_is_refused_and_one_that_they_nearly_miss_is_named(monkeypatch):
    warnings: list[str] = []
    monkeypatch.setattr(shape_signals.logger, "warning", warnings.append)
    found = np.zeros((2, 16, 16, 2), np.float32)
    with pytest.raises(ShapeError, match="^chair.off: blank: at most 0.00% of the rays"):
        check_visible("chair.off", found)
    found[0] = 0.5
    found[1, 0, 0] = 0.5
    check_visible("chair.off", found)
    (line,) = warnings
    assert line.startswith("chair.off: nearly blank in 1 of 2 poses: 0.39% of the rays")
    check_visible("chair.off", np.full_like(found, 0.5))
    assert len(warnings) == 1
