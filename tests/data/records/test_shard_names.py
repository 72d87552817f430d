import os

import pytest

from spherical_cnn.data.records.shard_names import find_shards, shard_of_epoch
from spherical_cnn.errors import RecordError


def names(folder, *files):
    for name in files:
        (folder / name).touch()
    return [os.path.basename(path) for path in find_shards(folder, "train")]


@pytest.mark.parametrize(
    "files",
    [
        ["train0.tfrecord", "train2.tfrecord", "train10.tfrecord"],
        ["train0.tfrecords", "train1.tfrec"],
        ["Train0.TFRecord"],
        ["train0.tfrecord.gz", "train1.tfrecord.zlib"],
        ["train-00000-of-00002", "train-00001-of-00002"],
        ["train.tfrecord-00000-of-00002", "train.tfrecord-00001-of-00002"],
        ["train-1-of-2.tfrecords", "train-2-of-2.tfrecords"],
    ],
    ids=lambda files: files[0],
)
def test_shards_of_other_programs_are_found_in_order(files, tmp_path):
    found = names(tmp_path, *reversed(files), "val0.tfrecord", "train.txt", "readme")
    assert found == files


def test_the_parts_of_a_sharded_file_make_one_epoch(tmp_path):
    names(tmp_path, *(f"train{k}-{i}-of-2.tfrecord" for k in range(2) for i in range(2)))
    shards = find_shards(tmp_path, "train")
    epochs = [shard_of_epoch(shards, epoch) for epoch in range(3)]
    assert epochs == [shards[:2], shards[2:], shards[:2]]
    assert [shard_of_epoch(["a.tfrecord", "b.tfrecord"], e) for e in (0, 1)] == [
        ["a.tfrecord"],
        ["b.tfrecord"],
    ]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            ["train-00001-of-00003", "train-00000-of-00003"],
            "found 2 of the 3 parts of train-00000-of-00003.*such as train-00002-of-00003",
        ),
        (["train-0-of-2", "train-0-of-3"], "found train-0-of-2 and train-0-of-3, expected one"),
        (["train0.tfrecord", "train0.tfrecord.gz"], "found train0.tfrecord and train0.tfrecord.gz"),
        (["train.tfrecord", "train-0-of-1.tfrecord"], "expected one of them"),
        (["shapes0.tfrecord"], r"expected shards named train\*.tfrecord.*It holds other shards"),
    ],
)
def test_incomplete_and_doubtful_sets_are_refused(files, message, tmp_path):
    with pytest.raises(RecordError, match=message):
        names(tmp_path, *files)


def test_a_folder_of_shapes_is_named_for_what_it_is(tmp_path):
    with pytest.raises(RecordError, match="If it holds shapes: scnn build makes TFRecords"):
        names(tmp_path, "chair.off")
    inner = tmp_path / "out"
    inner.mkdir()
    (inner / "train0.tfrecord").touch()
    with pytest.raises(RecordError, match="There are shards in .*out: give that folder"):
        find_shards(tmp_path, "train")
