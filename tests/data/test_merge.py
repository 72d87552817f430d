"""Parts, built apart, make the whole, byte for byte; anything less is refused."""

import json
import shutil

import pytest

from spherical_cnn.data.build import build, parse_part
from spherical_cnn.data.files import BuildError
from spherical_cnn.data.flags import ConfigError
from spherical_cnn.data.merge import merge
from spherical_cnn.data.recipe import Recipe

RECIPE = Recipe(resolution=8, copies=11, val_fraction=0.34)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def build_parts(source, root, count, recipe=RECIPE):
    paths = [root / f"part{number}" for number in range(1, count + 1)]
    for number, path in enumerate(paths, 1):
        build(source, path, recipe, part=(number, count))
    return paths


@pytest.fixture
def parts(source, tmp_path):
    (source / "bed/train/notes.txt").touch()
    (source / "chair/train/broken.off").write_text("OFF")
    return build_parts(source, tmp_path, 2)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_merged_parts_are_the_whole(source, out, tmp_path, count):
    (source / "bed/train/notes.txt").touch()
    (source / "chair/train/broken.off").write_text("OFF")
    build(source, tmp_path / "whole", RECIPE)
    if count == 1:
        build(source, out, RECIPE, part=(1, 1))
    else:
        manifest = merge(reversed(build_parts(source, tmp_path, count)), out)
        assert json.loads((out / "manifest.json").read_text()) == manifest
    assert contents(out) == contents(tmp_path / "whole")
    assert build(source, out, RECIPE)["counts"]["train"]["bed"] == 2  # finished, as any other


def test_parts_hold_every_shape_once(parts, names):
    found = {split: [names(path, split) for path in parts] for split in ("train", "val", "test")}
    assert all(not one & other for one, other in found.values())
    assert sum(len(part) for pair in found.values() for part in pair) == 6 + 4


def test_a_part_is_not_taken_for_the_whole(source, parts):
    for part in ((1, 1), (2, 2), (1, 3)):
        with pytest.raises(BuildError, match=r"another data set lies there: part \[1, 2\] there"):
            build(source, parts[0], RECIPE, part=part)
    assert build(source, parts[0], RECIPE, part=(1, 2))["part"] == [1, 2]


def test_what_cannot_be_merged_is_refused(source, parts, out, tmp_path):
    build(source, tmp_path / "whole", RECIPE)
    other = build_parts(source, tmp_path / "other", 2, Recipe(resolution=8, copies=10))
    third = tmp_path / "third"
    build(source, third, RECIPE, part=(3, 3))
    copy = tmp_path / "copy"
    shutil.copytree(parts[0], copy)
    for folders, message in (
        (parts[:1], "of 2 parts these are missing: 2"),
        ([parts[0], copy, parts[1]], "copy: part 1/2, as is .*part1"),
        ([parts[0], tmp_path / "whole"], "whole: expected a finished build of .* --part"),
        ([parts[0], tmp_path / "absent"], "absent: expected a finished build"),
        ([parts[0], other[1]], "other/part2: a part of another data set than .*part1"),
        ([parts[0], third], "third: a part of another data set"),
        ([], "no parts"),
    ):
        with pytest.raises(BuildError, match=message):
            merge(folders, out)
        assert not out.exists()
    out.mkdir()
    (out / "mine.txt").touch()
    with pytest.raises(BuildError, match="out: expected an absent or empty folder"):
        merge(parts, out)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_a_damaged_part_leaves_nothing(parts, out):
    shard = parts[1] / "train3.tfrecord"
    data = bytearray(shard.read_bytes())
    data[20] ^= 1
    shard.write_bytes(data)
    with pytest.raises(BuildError, match="part2/train3.tfrecord: its bytes are not those that"):
        merge(parts, out)
    assert [path.name for path in out.iterdir()] == [".building"]
    shard.write_bytes(data[:-1])
    with pytest.raises(BuildError, match="train3.tfrecord: missing or of another size"):
        merge(parts, out)
    data[20] ^= 1
    shard.write_bytes(data)
    merge(parts, out)


@pytest.mark.parametrize("text", ["1", "a/b", "1/2/3", "-1/2", ""])
def test_parts_are_numbers(text):
    with pytest.raises(ConfigError, match="--part: expected I/N, such as 1/2. Received: "):
        parse_part(text)


@pytest.mark.parametrize("part", [(0, 2), (3, 2)])
def test_numbers_of_parts_are_checked(source, refused, out, part):
    message = f"--part: expected I/N from 1/N to N/N. Received: {part[0]}/{part[1]}"
    refused(ConfigError, message, source, out, RECIPE, part=part)
