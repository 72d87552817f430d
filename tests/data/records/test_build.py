"""Shapes → shards: what is written, and what it depends on."""

import dataclasses
import hashlib
import json
import os
import shutil

import numpy as np
import pytest

from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.data.poses import draw_poses
from spherical_cnn.data.records import build as building
from spherical_cnn.data.records.build import build
from spherical_cnn.data.records.codec import join_complex, read_shard
from spherical_cnn.data.records.pipeline import load_records
from spherical_cnn.data.records.schema import RecordFormat
from spherical_cnn.errors import ConfigError, DatasetError
from spherical_cnn.shapes.load import load_mesh
from spherical_cnn.shapes.raycast import RayCaster
from spherical_cnn.shapes.signal import Pose
from spherical_cnn.sphere.grid import SphericalGrid

FORMAT = RecordFormat(8)
GRID = SphericalGrid.from_resolution(8)


def test_shapes_come_back_from_their_shards(built):
    source, folder, config, _ = built
    assert sorted(os.listdir(folder)) == [
        *("manifest.json", "test0.tfrecord", "train0.tfrecord", "train1.tfrecord")
    ]
    for split, copy, count in (("train", 0, 6), ("train", 1, 6), ("test", 0, 4)):
        found = list(read_shard(folder / f"{split}{copy}.tfrecord", FORMAT))
        assert len({record.name for record in found}) == count
        for record in found:
            pose = draw_poses(config, split, record.name)[copy]
            expected = join_complex(RayCaster(load_mesh(source / record.name)).signal(GRID, pose))
            np.testing.assert_array_equal(record.signal[..., 0], expected)
            assert record.label == ("bed", "chair").index(record.name.split("/")[0])
            assert record.name.split("/")[1] == split and record.rotation == copy
    batches = list(load_records(sorted(folder.glob("train*")), 8, num_classes=2, batch_size=5))
    assert [len(signals) for signals, _ in batches] == [5, 5, 2]
    assert sum(labels.numpy().sum() for _, labels in batches) == 6


def test_the_manifest_says_what_was_built(source, out, add, shards):
    add(source, "bed/train/notes.txt")
    (source / "bed/train/empty.off").touch()
    cut = source / "chair/test/cut.off"
    cut.write_text((source / "chair/test/0.off").read_text()[:-20])
    config = DatasetConfig(resolution=8, copies=2, data_seed=3)
    manifest = build(source, out, config)
    assert json.loads((out / "manifest.json").read_text()) == manifest
    assert DatasetConfig.from_dict(manifest["options"]) == config
    assert manifest["source"] == str(source) and manifest["classes"] == ["bed", "chair"]
    assert manifest["counts"] == {
        "train": {"bed": 3, "chair": 3},
        "test": {"bed": 2, "chair": 2},
    }
    assert manifest["shards"] == {
        name: {
            "records": 4 if name.startswith("test") else 6,
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        for name, data in shards(out).items()
    }
    empty, cut, notes = manifest["skipped"]
    assert (empty["split"], empty["name"]) == ("train", "bed/train/empty.off")
    assert empty["reason"].startswith("0 bytes, expected 1")
    assert (cut["split"], cut["name"]) == ("test", "chair/test/cut.off") and cut["reason"]
    assert notes["name"] == "bed/train/notes.txt" and "not a shape" in notes["reason"]


def test_a_shape_that_no_ray_meets_is_kept_and_named(source, out):
    sheet = "OFF\n4 2 0\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n3 0 1 2\n3 0 2 3\n"
    (source / "bed/test/sheet.off").write_text(sheet)
    manifest = build(source, out, DatasetConfig(resolution=8, test_copies=2))
    assert manifest["blank"] == [{"split": "test", "name": "bed/test/sheet.off"}]
    assert manifest["skipped"] == [] and manifest["counts"]["test"] == {"bed": 3, "chair": 2}
    for copy in range(2):
        found = {r.name: r.signal for r in read_shard(out / f"test{copy}.tfrecord", FORMAT)}
        assert len(found) == 5
        assert [name for name in found if not found[name].any()] == ["bed/test/sheet.off"]


@pytest.mark.slow
def test_the_shards_do_not_depend_on_the_number_of_workers(built, out, shards):
    source, folder, config, manifest = built
    assert build(source, out, config, workers=2) == manifest
    assert shards(out) == shards(folder)


def test_a_record_depends_on_its_shape_and_copy_only(built, out, add, records):
    source, folder, _, _ = built
    more = out / "shapes"
    shutil.copytree(source, more)
    add(more, "bed/train/aa.off", "chair/train/zz.off", "chair/train/1a.off")
    (more / "bed/train/1.off").unlink()
    build(more, out / "out", DatasetConfig(resolution=8, copies=3))
    before, after = records(folder, "train"), records(out / "out", "train")
    common = [key for key in after if key in before]
    assert len(common) == 10 and len(after) == 24
    assert common == [key for key in before if key in after]
    assert all(before[key] == after[key] for key in common)
    assert records(folder, "test") == records(out / "out", "test")


def test_seeds_differ(built, out, records):
    source, folder, _, _ = built
    build(source, out, DatasetConfig(resolution=8, copies=2, data_seed=1))
    before, after = records(folder, "train"), records(out, "train")
    assert set(before) == set(after) and not set(before.values()) & set(after.values())
    assert list(before) != list(after)


def rotation_of(record, source):
    """Which rotations explain a record; a box rotated about z looks the same from the pole."""
    signal = join_complex(RayCaster(load_mesh(source / record.name)).signal(GRID, Pose()))
    if np.array_equal(record.signal[..., 0], signal):
        return "none"
    pole = np.abs(record.signal[0, :, 0]), np.abs(signal[0])
    return "z" if np.allclose(*pole, rtol=1e-5) else "so3"


@pytest.mark.parametrize(
    ("rotation", "test_rotation"),
    [
        *(("none", "same"), ("z", "same"), ("so3", "same")),
        *(("none", "so3"), ("z", "so3"), ("so3", "none"), ("so3", "z")),
    ],
)
def test_rotations_are_of_the_kind_asked_for(tmp_path, out, add, rotation, test_rotation):
    splits = ("train", "val", "test")
    source = add(tmp_path / "shapes", *(f"bed/{s}/{i}.off" for s in splits for i in (0, 1)))
    build(source, out, DatasetConfig(resolution=8, rotation=rotation, test_rotation=test_rotation))
    test_rotation = rotation if test_rotation == "same" else test_rotation
    for split, expected in zip(splits, (rotation, rotation, test_rotation), strict=True):
        found = list(read_shard(out / f"{split}0.tfrecord", FORMAT))
        assert {rotation_of(record, source) for record in found} == {expected}


@pytest.mark.parametrize("rotation", ["none", "z", "so3"])
def test_scale_and_shift_vary_train_only_within_their_ranges(rotation):
    config = DatasetConfig(8, rotation, copies=200, scale_range=0.3, shift_range=0.2)
    poses = draw_poses(config, "train", "a")
    scale, shift = (np.array([getattr(p, key) for p in poses]) for key in ("scale", "center"))
    for change, bound in ((scale - 1, 0.3), (shift, 0.2)):
        assert 0.95 * bound < np.abs(change).max() <= bound
        assert np.abs(change.mean(0)).max() < bound / 5
        assert np.abs(np.corrcoef(change.T) - np.eye(3)).max() < 0.3
    for split in ("val", "test"):
        for pose in draw_poses(config, split, "a"):
            assert pose.rigid and not pose.center.any()
    up = np.array([pose.rotation[2, 2] for pose in poses])
    assert (np.allclose(up, 1)) == (rotation != "so3")


def test_scaled_and_shifted_copies_are_all_different(built, out, records):
    source = built[0]
    build(source, out, DatasetConfig(8, "none", copies=3, scale_range=0.2, shift_range=0.1))
    assert len(set(records(out, "train").values())) == 18
    assert {rotation_of(r, source) for r in read_shard(out / "test0.tfrecord", FORMAT)} == {"none"}


@pytest.mark.parametrize("rays_per_sample", [1, 7, 19])
def test_a_dataset_of_an_earlier_version_is_finished_and_the_same(
    source, out, shards, monkeypatch, of_earlier_version, rays_per_sample
):
    options = {"rays_per_sample": rays_per_sample, "center": "area", "data_seed": 5}
    config = DatasetConfig(resolution=8, **options)
    manifest = build(source, out, config)
    old = {**manifest, "version": "1.0", "options": of_earlier_version(manifest["options"])}
    assert {"centre", "rings", "seed"} < set(old["options"]) and old["options"].keys().isdisjoint(
        options
    )
    text = json.dumps(old)
    (out / "manifest.json").write_text(text)
    before = shards(out)
    monkeypatch.setattr(building, "write_part", None)
    assert build(source, out, config) == old
    assert shards(out) == before and (out / "manifest.json").read_text() == text
    for name, value, there in (("center", "sphere", "area"), ("data_seed", 6, 5)):
        message = f"holds another dataset: {name} {there!r} there, {value!r} here; choose"
        with pytest.raises(DatasetError, match=message):
            build(source, out, dataclasses.replace(config, **{name: value}))
    message = f"rays_per_sample {rays_per_sample} there, 37 here; choose"
    with pytest.raises(DatasetError, match=message):
        build(source, out, dataclasses.replace(config, rays_per_sample=37))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rotation": "none", "copies": 2}, "--copies: without rotation all copies .* Received: 2"),
        ({"test_rotation": "none", "test_copies": 3}, "--test_copies: without rotation"),
        (
            {"rotation": "none", "scale_range": 0.1, "test_copies": 2},
            "--test_copies: without rotation",
        ),
        ({"val_fraction": 0.5, "test_fraction": 0.5}, "--val_fraction, --test_fraction: .* than 1"),
        ({"val_fraction": 1}, "--val_fraction: expected at least 0 and below 1. Received: 1"),
        ({"scale_range": 1}, "--scale_range: expected at least 0 and below 1"),
        ({"shift_range": "nan"}, "--shift_range: expected at least 0 and below 1"),
        ({"resolution": 9}, "--resolution: expected an even number. Received: 9"),
        ({"resolution": 0}, "--resolution: expected at least 2"),
        ({"rotation": "x"}, "--rotation: expected none or z or so3. Received: 'x'"),
        ({"test_rotation": "x"}, "--test_rotation: expected same or none or z or so3"),
        ({"copies": 0}, "--copies: expected at least 1"),
        ({"copies": 1.5}, "--copies: expected an integer. Received: 1.5"),
        ({"center": "middle"}, "--center: expected sphere or area or volume"),
        ({"up": "w"}, "--up: expected x or y or z"),
        ({"rays_per_sample": 6}, "--rays_per_sample: expected 1, 7, 19, 37 .* Received: 6"),
        ({"rays_per_sample": 0}, "--rays_per_sample: expected at least 1. Received: 0"),
        ({"kind": "nurbs"}, "--kind: expected auto or mesh or voxels or points"),
        ({"max_file_mb": 0}, "--max_file_mb: expected at least 1. Received: 0"),
        ({"data_seed": -1}, "--data_seed: expected at least 0"),
    ],
)
def test_errors_of_invalid_options_name_the_flag(options, message):
    with pytest.raises(ConfigError, match=message):
        DatasetConfig(**{"resolution": 8, **options})
