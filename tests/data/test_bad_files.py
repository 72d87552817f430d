"""Files and folders of unknown worth: odd names, odd files, folders that hold something else."""

import contextlib
import os
import pathlib
import shutil
import tempfile

import numpy as np
import pytest

from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.data.records import build as building
from spherical_cnn.data.records.build import build
from spherical_cnn.data.records.pipeline import read_batches
from spherical_cnn.data.records.schema import RecordFormat
from spherical_cnn.data.records.shard_names import find_shards
from spherical_cnn.errors import DatasetError, ShapeError
from spherical_cnn.shapes.formats.safe_read import read_bytes

SMALL = DatasetConfig(resolution=8)


def content(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


@pytest.fixture
def public():
    """A folder that all users may write to: pytest's own are closed to others."""
    root = pathlib.Path(tempfile.mkdtemp(dir="/tmp"))
    root.chmod(0o777)
    yield root
    shutil.rmtree(root)


@contextlib.contextmanager
def no_privileges():
    """To root, permissions mean nothing; so be nobody."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


# Shapes


def test_names_of_any_bytes(tmp_path, out, add, names):
    latin = os.fsdecode(b"caf\xe9.off")
    source = add(
        tmp_path / "shapes", f"Stühle/train/{latin}", "Stühle/train/椅子.off", "Stühle/test/ø.off"
    )
    (tmp_path / "s.csv").write_bytes(
        b"name,split\nSt\xc3\xbchle/train/caf\xe9.off,train\nSt\xc3\xbchle/test/\xc3\xb8.off,test\n"
    )
    build(source, out / "a", SMALL)
    assert names(out / "a", "train") == {"Stühle/train/caf\\xe9.off", "Stühle/train/椅子.off"}
    assert names(out / "a", "test") == {"Stühle/test/ø.off"}
    build(source, out / "b", SMALL, tmp_path / "s.csv")
    assert names(out / "b", "train") == {"Stühle/train/caf\\xe9.off"}


def test_folders_of_any_bytes_are_read_and_written(tmp_path, out, bed_and_chair):
    name = os.fsdecode(b"caf\xe9")
    source = bed_and_chair(tmp_path / name)
    manifest = build(source, out / name, SMALL)
    assert manifest["source"].endswith("caf\\xe9")
    assert build(source, out / name, SMALL) == manifest
    shards = find_shards(out / name, "train")
    (batch,) = read_batches(shards, RecordFormat(8), 6)
    np.testing.assert_array_equal(np.bincount(batch["label"]), [3, 3])


def test_odd_files_are_skipped_with_a_reason(source, out):
    train = source / "bed/train"
    os.symlink("loop.off", train / "loop.off")
    os.symlink("../..", train / "up")
    os.symlink("absent", train / "dangling.off")
    os.symlink("0.off", train / "linked.off")
    os.mkfifo(train / "pipe.off")
    (train / "folder.off").mkdir()
    np.save(train / "flat.npy", np.zeros(7))
    np.save(train / "object.npy", np.array([None]))
    np.save(train / "text.npy", np.full((4, 4, 4), "a"))
    manifest = build(source, out, SMALL)
    reasons = {os.path.basename(entry["name"]): entry["reason"] for entry in manifest["skipped"]}
    expected = {
        "loop.off": "Too many levels of symbolic links",
        "dangling.off": "No such file or directory",
        "pipe.off": "not a regular file",
        "folder.off": "not a regular file",
        "flat.npy": "expected",
        "object.npy": "dtype object",
        "text.npy": "volume of <U1, expected numbers",
        "up": "a folder; expected files here",
    }
    assert set(reasons) == set(expected)
    assert all(part in reasons[name] for name, part in expected.items()), reasons
    assert manifest["counts"]["train"]["bed"] == 4  # the linked one too


def test_a_folder_read_as_a_file_leaves_no_descriptor_open(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(ShapeError, match="not a regular file"):
            read_bytes(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before


def test_an_unreadable_file_is_skipped(public, bed_and_chair):
    source = bed_and_chair(public / "shapes")
    (source / "bed/train/0.off").chmod(0)
    with no_privileges():
        manifest = build(source, public / "out", SMALL)
    assert manifest["skipped"] == [
        {"split": "train", "name": "bed/train/0.off", "reason": "Permission denied"}
    ]


def test_files_above_the_limit_are_skipped(source, out):
    with (source / "bed/train/0.off").open("a") as file:
        file.write("\n" * 2**20)
    (entry,) = build(source, out, DatasetConfig(resolution=8, max_file_mb=1))["skipped"]
    assert entry["name"] == "bed/train/0.off" and "bytes, expected 1 … 1048576" in entry["reason"]


def test_a_split_without_one_usable_shape(source, out, shards):
    for path in source.glob("*/test/*"):
        path.write_text("OFF\n")
    message = "test: no shape could be used, the first, bed/test/0.off: .*expected OFF"
    for _ in range(2):
        with pytest.raises(DatasetError, match=message):
            build(source, out, SMALL)
        assert "test0.tfrecord" not in shards(out) and not (out / "manifest.json").exists()


# The folder that the dataset goes to


def test_a_folder_in_the_way_is_left_alone(source, out, add):
    add(out, "notes.txt")
    with pytest.raises(DatasetError, match="out: expected an absent or empty folder.* notes.txt"):
        build(source, out, SMALL)
    assert os.listdir(out) == ["notes.txt"]


@pytest.mark.parametrize("text", ["", "{", "[1]", "{}", "null", '{"name": "app", "shards": {}}'])
def test_a_manifest_of_another_program_is_left_alone(source, out, text):
    out.mkdir()
    (out / "manifest.json").write_text(text)
    message = "out/manifest.json: damaged, or no manifest of this program; choose another"
    with pytest.raises(DatasetError, match=message):
        build(source, out, SMALL)
    assert content(out) == {out / "manifest.json": text.encode()}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data_seed": 1}, "data_seed 0 there, 1 here; choose another folder"),
        ({"copies": 3, "up": "y"}, "copies 2 there, 3 here, up 'z' there, 'y' here"),
    ],
)
def test_another_request_names_what_differs(built, options, message):
    source, folder, _, _ = built
    before = content(folder)
    with pytest.raises(DatasetError, match=f"holds another dataset: .*{message}"):
        build(source, folder, DatasetConfig(**{"resolution": 8, "copies": 2, **options}))
    assert content(folder) == before


@pytest.mark.parametrize("change", ["more", "fewer", "larger", "split"])
def test_other_shapes_are_another_request(built, tmp_path, add, change):
    source, folder, config, _ = built
    copy, before, splits = tmp_path / "shapes", content(folder), None
    shutil.copytree(source, copy)
    if change == "more":
        add(copy, "bed/train/9.off")
    elif change == "fewer":
        (copy / "bed/train/0.off").unlink()
    elif change == "larger":
        os.truncate(copy / "bed/train/0.off", 10**4)
    else:
        splits = tmp_path / "s.csv"
        splits.write_text("name,split\nbed/train/0.off,train\nbed/test/0.off,test\n")
    message = f"holds another dataset: its shapes, from {source}, or their splits differ"
    with pytest.raises(DatasetError, match=f"{folder}: {message}; choose another folder"):
        build(copy, folder, config, splits)
    assert content(folder) == before


def test_a_source_is_the_same_however_it_is_written(built, tmp_path, monkeypatch):
    source, folder, config, manifest = built
    copy = shutil.copytree(source, tmp_path / "moved")
    monkeypatch.chdir(source.parent)
    for written in (str(source), f"{source}/", "shapes", "./shapes/", "shapes/../shapes"):
        assert build(written, folder, config) == manifest
    assert build(copy, folder, config) == manifest


def test_an_archive_is_the_same_however_it_is_written(tmp_path, out, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", x=np.pad(np.ones((4, 2, 2, 2), np.uint8), 1)[1:-1], y=np.zeros(4, int))
    config = DatasetConfig(resolution=8, test_fraction=0.5)
    manifest = build("a.npz", out, config)
    for written in ("./a.npz", tmp_path / "a.npz"):
        assert build(written, out, config) == manifest
    np.savez("a.npz", x=np.pad(np.ones((4, 2, 2, 3), np.uint8), 1)[1:-1], y=np.zeros(4, int))
    with pytest.raises(DatasetError, match="its shapes, from a.npz, or their splits differ"):
        build("a.npz", out, config)


def test_a_finished_build_is_left_alone_and_reads_no_shape(source, out, monkeypatch):
    manifest = build(source, out, SMALL)
    before = {path: path.stat() for path in out.iterdir()}
    for path in source.rglob("*.off"):
        path.write_bytes(b"x" * path.stat().st_size)
    monkeypatch.setattr(building, "write_part", None)
    assert build(source, out, SMALL) == manifest
    for path in out.iterdir():
        assert path.stat().st_mtime_ns == before[path].st_mtime_ns


def test_a_build_killed_when_it_was_all_but_finished_is_tidied(source, out, shards):
    manifest = build(source, out, SMALL)
    before = shards(out)
    (out / ".building").mkdir()
    (out / ".building/request.json").write_text("{}")
    assert build(source, out, SMALL) == manifest and shards(out) == before
    assert not (out / ".building").exists()


def test_a_finished_build_needs_no_right_to_write(public, bed_and_chair):
    source, out = bed_and_chair(public / "shapes"), public / "out"
    manifest = build(source, out, SMALL)
    out.chmod(0o555)
    try:
        with no_privileges():
            with pytest.raises(PermissionError):
                (out / "file").touch()
            assert build(source, out, SMALL) == manifest
            with pytest.raises(DatasetError, match="out/new: Permission denied"):
                build(source, out / "new", SMALL)
    finally:
        out.chmod(0o755)


@pytest.mark.parametrize("damage", [os.remove, lambda path: os.truncate(path, 100)])
def test_a_damaged_finished_build_is_reported(source, out, damage):
    build(source, out, SMALL)
    damage(out / "test0.tfrecord")
    for _ in range(2):
        with pytest.raises(DatasetError, match="test0.tfrecord: missing, or its size differs from"):
            build(source, out, SMALL)
