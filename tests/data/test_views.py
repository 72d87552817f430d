"""Views of test shapes: which poses and points they have."""

import numpy as np
import pytest

from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.data.poses import add_views, check_views, draw_poses, drop_points
from spherical_cnn.errors import ConfigError

CONFIG = DatasetConfig(shift_range=0.1, drop_points=0.3, test_copies=2)


def test_views_keep_the_rotation_and_move_the_center():
    poses = draw_poses(CONFIG, "test", "chair")
    views = add_views(poses, 3, CONFIG, "chair")
    assert len(views) == 6
    for index, view in enumerate(views):
        np.testing.assert_array_equal(view.rotation, poses[index // 3].rotation)
        shift = np.abs(view.center - poses[index // 3].center).max()
        assert shift == 0 if index % 3 == 0 else 0 < shift <= 0.1
    again = add_views(poses, 3, CONFIG, "chair")
    np.testing.assert_array_equal([v.center for v in views], [v.center for v in again])
    other = add_views(poses, 3, CONFIG, "table")
    assert not np.array_equal([v.center for v in views], [v.center for v in other])


def test_views_but_the_first_lose_points():
    clouds = np.ones((6, 500, 3), np.float32)
    generator = np.random.default_rng(0)
    dropped = drop_points(clouds, CONFIG, generator, slice(None, None, 3))
    missing = np.isnan(dropped).any(-1).mean(1)
    assert (missing[::3] == 0).all()
    others = np.delete(missing, [0, 3])
    assert (others > 0).all() and (others < 0.4).all() and len(set(others)) == 4


@pytest.mark.parametrize(
    ("count", "options", "message"),
    [
        (0, {"shift_range": 0.1}, "--tta: expected at least 1. Received: 0"),
        (2, {}, "--tta: without --shift_range or --drop_points in the dataset"),
    ],
)
def test_views_that_would_be_equal_are_refused(count, options, message):
    with pytest.raises(ConfigError, match=message):
        check_views(count, DatasetConfig(**options), takes_points=True)


def test_dropped_points_make_no_views_of_signals():
    config = DatasetConfig(drop_points=0.3)
    check_views(2, config, takes_points=True)
    with pytest.raises(ConfigError, match="--tta: without --shift_range in the dataset"):
        check_views(2, config, takes_points=False)
