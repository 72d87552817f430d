"""Where shapes come from: folders, split files, archives and the embedded dataset, good and bad."""

import numpy as np
import pytest

from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.data.records.build import build
from spherical_cnn.data.records.codec import read_shard
from spherical_cnn.data.records.schema import RecordFormat
from spherical_cnn.data.sources import find_shapes
from spherical_cnn.errors import ConfigError
from spherical_cnn.shapes.generated.procedural import FAMILIES

FORMAT = RecordFormat(8)
SMALL = DatasetConfig(resolution=8)
VOXELS = np.zeros((6, 5, 5, 5), np.uint8)
VOXELS[:, 1:4, 1:3, 1:4] = 1
LABELS = np.array([0, 1, 0, 1, 0, 1])


# Folders


def test_fractions_divide_each_class_once_and_for_all(tmp_path, add, names):
    for name in ("bed", "chair"):
        add(tmp_path / "shapes", *(f"{name}/{i}.off" for i in range(8)))
    divisions = []
    for number, seed in enumerate((0, 0, 1)):
        folder = tmp_path / str(number)
        config = DatasetConfig(
            8, val_fraction=0.25, test_fraction=0.125, data_seed=seed, copies=1 + number
        )
        counts = build(tmp_path / "shapes", folder, config)["counts"]
        for split, count in (("train", 5), ("val", 2), ("test", 1)):
            assert counts[split] == {"bed": count, "chair": count}
        divisions.append([names(folder, split) for split in ("train", "val", "test")])
        assert sum(map(len, divisions[-1])) == len(set.union(*divisions[-1])) == 16
    assert divisions[0] == divisions[1] != divisions[2]


def test_val_is_drawn_from_train_where_the_source_has_test_shapes(source, out, names, refused):
    build(source, out, DatasetConfig(resolution=8, val_fraction=0.34))
    assert [len(names(out, split)) for split in ("train", "val", "test")] == [4, 2, 4]
    message = "--test_fraction: the source has test shapes, expected 0"
    refused(ConfigError, message, source, out / "x", DatasetConfig(resolution=8, test_fraction=0.5))


def test_what_lies_beside_classes_and_splits_is_listed_as_skipped(source, out, add):
    add(source, "top.off", "bed/deep/0.off", "bed/train/deep/0.off")
    (source / "bed/linked").symlink_to("train")
    (source / "chair/val").symlink_to("val")
    (source / "loop").symlink_to("loop")
    (source / "dangling").symlink_to("absent")
    manifest = build(source, out, SMALL)
    assert manifest["counts"] == {"train": {"bed": 3, "chair": 3}, "test": {"bed": 2, "chair": 2}}
    assert {entry["name"]: entry["reason"].split(":")[0] for entry in manifest["skipped"]} == {
        **dict.fromkeys(("top.off", "loop", "dangling"), "not a folder of a class"),
        **dict.fromkeys(("bed/deep", "bed/linked"), "a folder; expected files here"),
        "bed/train/deep": "a folder; expected files here",
        "chair/val": "not a shape",
    }


def test_a_link_back_to_the_source_is_not_followed_round(source, out):
    (source / "round").symlink_to(".")
    manifest = build(source, out, SMALL)
    assert manifest["classes"] == ["bed", "chair"]
    assert [entry["name"] for entry in manifest["skipped"]] == [
        *("round/bed", "round/chair", "round/round")
    ]


@pytest.mark.parametrize(
    ("train", "test"), [("train", "test"), ("Train", "TEST"), ("training", "testing")]
)
@pytest.mark.parametrize("by_split", [True, False])
def test_splits_come_before_or_after_classes_in_any_letter_case(
    tmp_path, add, by_split, train, test
):
    places = [(split, name) for split in (train, test, "validation") for name in ("bed", "chair")]
    folders = ["/".join(place if by_split else place[::-1]) for place in places]
    found = find_shapes(add(tmp_path, *(f"{folder}/0.off" for folder in folders)))
    assert found.classes == ["bed", "chair"] and not found.ignored
    seen = {(item.split, item.class_name, item.name) for item in found.items}
    splits = {train: "train", test: "test", "validation": "val"}
    assert seen == {
        (splits[split], name, f"{folder}/0.off")
        for (split, name), folder in zip(places, folders, strict=True)
    }


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            ("train/bed/0.off", "test/bed/0.off", "chair/0.off"),
            "found folders of splits, such as test, and others, such as chair; expected CLASS",
        ),
        (
            ("train/bed/0.off", "train/train/0.off", "chair/train/0.off"),
            "shapes/train: found folders of classes, such as bed, beside others of splits; exp",
        ),
        (("bed/train0.tfrecord",), "found no shapes, .*These are TFRecords: train on them with"),
        (
            ("train/0.off", "test/0.off"),
            "found test, train as classes, expected CLASS/train/FILE and .* train/CLASS/FILE",
        ),
        (("0.off", "1.off"), "found no shapes, expected CLASS/train/FILE .* or CLASS/FILE, with"),
        (("bed/train/0.jpg", "bed/test/0.jpg"), "found no shapes, .* suffixes .asc .* .xyzn$"),
        (("bed/test/0.off", "chair/train/0.off"), "classes without train shapes: bed"),
        (("bed/0.off", "chair/0.off"), "no test shapes; expected .* --test_fraction$"),
        (("bed/test/0.off",), "no train shapes; expected folders class/train and class/test"),
    ],
)
def test_folders_of_another_layout_are_told_the_one_expected(
    tmp_path, out, add, refused, files, message
):
    refused(ConfigError, message, add(tmp_path / "shapes", *files), out, SMALL)


def test_text_beside_shapes_is_no_shape_unless_a_split_file_lists_it(source, out, tmp_path):
    cloud = np.random.default_rng(0).normal(size=(99, 3))
    for name in ("bed/train/0.txt", "bed/train/points.csv", "sofa/train/0.txt", "sofa/test/1.csv"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(source / name, cloud)
    manifest = build(source, out, SMALL)
    assert manifest["counts"]["train"] == {"bed": 3, "chair": 3, "sofa": 1}
    assert {entry["name"]: entry["reason"] for entry in manifest["skipped"]} == dict.fromkeys(
        ("bed/train/0.txt", "bed/train/points.csv"),
        "not a shape: text beside shapes of other suffixes",
    )
    rows = "name,split\nbed/train/0.txt,train\nbed/train/1.off,test\n"
    (tmp_path / "s.csv").write_text(rows)
    counts = build(source, out / "listed", SMALL, tmp_path / "s.csv")["counts"]
    assert counts == {"train": {"bed": 1}, "test": {"bed": 1}}


# Split files


def test_a_split_file_alone_decides(source, out, tmp_path, names):
    chosen = {
        "bed/test/0.off": "train",
        "bed/test/1.off": "val",
        "chair/train/0.off": "train",
        "chair/train/2.off": "test",
    }
    rows = "".join(f"{name},{split},x\n" for name, split in chosen.items())
    (tmp_path / "splits.csv").write_text("name,split,remark\n" + rows)
    manifest = build(source, out, SMALL, tmp_path / "splits.csv")
    for split in ("train", "val", "test"):
        assert names(out, split) == {name for name in chosen if chosen[name] == split}
    assert [entry["reason"] for entry in manifest["skipped"]] == 6 * ["not in the split file"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            b"name,split\nbed/a.off,train\n",
            "shapes: 1 names of the split file are not found, such as bed/a.off",
        ),
        (b"name,split\na,train\nb,val\na,val\n", "s.csv: line 4: a is listed twice"),
        (b"name,split\na,dev\n", "s.csv: line 2: expected a name and train or .* 'a', 'dev'"),
        (b"name,split\na\n", "s.csv: line 2: expected a name and train or val or test.* None"),
        (b"a,train\nb,test\n", r"s.csv: found header \['a', 'train'\], expected name,split"),
        (b"name;split\na;train\n", "s.csv: found header .'name;split'., expected name,split"),
        (b"name,split\n", "s.csv: found no lines below the header, expected one per shape"),
        (b"", "s.csv: found header None, expected name,split"),
        (b"\x7fELF\0\xff\r\n\0", "s.csv: found header .*ELF.*, expected name,split"),
        (b"name,split\n" + b"x" * 200_000, "s.csv: line .: field larger than"),
        (
            b"name,split\nbed/train/0.off,train\nchair/train/0.off,test\n",
            "/shapes: classes without train shapes: chair",
        ),
        (b"name,split\nbed/train/0.off,train\n", "no test shapes; expected"),
    ],
)
def test_split_files_that_make_no_dataset(source, out, tmp_path, refused, text, message):
    (tmp_path / "s.csv").write_bytes(text)
    refused(ConfigError, message, source, out, SMALL, split_file=tmp_path / "s.csv")


def test_a_split_file_that_is_not_there(source, out, tmp_path, refused):
    message = "--split_file: .*absent.csv: No such file"
    refused(ConfigError, message, source, out, SMALL, split_file=tmp_path / "absent.csv")


def test_a_split_file_may_begin_with_a_byte_order_mark(source, out, tmp_path):
    rows = "name,split\nbed/train/0.off,train\nbed/train/1.off,test\n"
    (tmp_path / "s.csv").write_text(rows, encoding="utf-8-sig")
    counts = build(source, out, SMALL, tmp_path / "s.csv")["counts"]
    assert counts == {"train": {"bed": 1}, "test": {"bed": 1}}  # it alone names the classes


# Archives


@pytest.mark.parametrize(
    ("layout", "options", "counts"),
    [
        ({"x_train": "y_train", "x_test": "y_test"}, {}, {"train": 6, "test": 6}),
        ({"X_train": "Y_train", "x_val": "y_val", "x_test": "y_test"}, {}, None),
        ({"x": "y"}, {"test_fraction": 0.34}, {"train": 4, "test": 2}),
    ],
)
@pytest.mark.parametrize("classes", [(), ("bed", "chair", "sofa")])
def test_archives_of_arrays(tmp_path, out, layout, options, counts, classes):
    arrays = {x: VOXELS for x in layout} | {y: LABELS for y in layout.values()}
    arrays |= {"classes": np.array(classes)} if classes else {}
    np.savez(tmp_path / "a.npz", **arrays)
    manifest = build(str(tmp_path / "a.npz"), out, DatasetConfig(resolution=8, **options))
    counts = counts or {"train": 6, "val": 6, "test": 6}
    assert {split: sum(c.values()) for split, c in manifest["counts"].items()} == counts
    assert manifest["classes"] == list(classes or ("class_0", "class_1"))
    for record in read_shard(out / "train0.tfrecord", FORMAT):
        key, row = record.name.split("/")[:2]
        assert key == next(iter(layout)) and record.label == int(row) % 2


def test_shapes_of_an_archive_are_listed_by_name(tmp_path, out, names):
    arrays = {"x": VOXELS, "y": 0 * LABELS, "name": np.array([f"ä{i}" for i in range(6)])}
    np.savez(tmp_path / "a.npz", **arrays)
    (tmp_path / "s.csv").write_text("name,split\nä0,train\nx/000005/ä5,test\n")
    manifest = build(str(tmp_path / "a.npz"), out, SMALL, tmp_path / "s.csv")
    assert names(out, "train") == {"x/000000/ä0"} and names(out, "test") == {"x/000005/ä5"}
    assert manifest["skipped"] == [
        {"name": f"x/00000{i}/ä{i}", "reason": "not in the split file"} for i in range(1, 5)
    ]


def test_shapes_without_names_are_listed_by_row(tmp_path, out, names):
    np.savez(tmp_path / "a.npz", x=VOXELS, y=0 * LABELS)
    (tmp_path / "s.csv").write_text("name,split\nx/000001,train\nx/000004,test\n")
    build(tmp_path / "a.npz", out, SMALL, tmp_path / "s.csv")
    assert names(out, "train") == {"x/000001"} and names(out, "test") == {"x/000004"}


def test_an_archive_that_is_written_anew_is_read_anew(tmp_path, out, names):
    for count in (2, 3):
        arrays = {"x_train": VOXELS[:count], "y_train": 0 * LABELS[:count]}
        np.savez(tmp_path / "a.npz", **arrays, x_test=VOXELS, y_test=0 * LABELS)
        build(str(tmp_path / "a.npz"), out / str(count), SMALL)
        assert len(names(out / str(count), "train")) == count


def test_shapes_of_equal_names_in_an_archive_stay_apart(tmp_path, out, names):
    name = np.array(["chair_1"] * 3 + ["chair_2"] * 3)
    arrays = {"x_train": VOXELS, "y_train": 0 * LABELS, "x_test": VOXELS, "y_test": 0 * LABELS}
    np.savez(tmp_path / "a.npz", **arrays, name_train=name, name_test=name)
    build(str(tmp_path / "a.npz"), out / "a", SMALL)
    for split in ("train", "test"):
        expected = {f"x_{split}/{i:06d}/{name[i]}" for i in range(6)}
        assert names(out / "a", split) == expected
        found = read_shard(out / f"a/{split}0.tfrecord", FORMAT)
        assert len({record.signal.tobytes() for record in found}) == 6  # one shape, six rotations
    (tmp_path / "s.csv").write_text("name,split\nchair_1,train\nchair_2,test\n")
    build(str(tmp_path / "a.npz"), out / "b", SMALL, tmp_path / "s.csv")
    for split, number in (("train", 1), ("test", 2)):
        found = names(out / "b", split)
        assert len(found) == 6 and all(entry.endswith(f"/chair_{number}") for entry in found)


LABEL = "expected one label per shape, an integer or the name of a class"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"y_train": LABELS[:3]},
            rf"x_train of shape \(6, 5, 5, 5\), y_train of shape \(3,\) and int64; {LABEL}",
        ),
        ({"y_train": LABELS[:, None] + [0, 1]}, rf"y_train of shape \(6, 2\) and int64; {LABEL}"),
        ({"y_train": LABELS - 1}, "labels -1 … 0 in y_train, expected 0 … 99999"),
        ({"y_test": LABELS * 10**6}, "labels 0 … 1000000 in y_test, expected 0 … 99999"),
        ({"y_train": LABELS / 2}, rf"y_train of shape \(6,\) and float64; {LABEL}"),
        ({"y_train": np.array([0, np.nan] * 3)}, rf"y_train of shape \(6,\) and float64; {LABEL}"),
        ({"y_train": np.array(list("ababab"))}, "of one split are names, of another numbers"),
        ({"Y_TRAIN": LABELS}, "found arrays y_train, Y_TRAIN, expected one of them"),
        ({"x_val": VOXELS}, "expected shapes and labels of val: x_val and y_val"),
        ({"normals_train": VOXELS[:5]}, r"normals_train of shape \(5, 5, 5, 5\) for x_train of"),
        ({"x_train": np.array(1.0)}, rf"x_train of shape \(\), .*; {LABEL}"),
        ({"x_test": VOXELS[:0], "y_test": LABELS[:0]}, rf"y_test of shape \(0,\) .*; {LABEL}"),
        ({"classes": np.array(["bed"])}, "1 different names in classes .* up to 1; expected a"),
        (
            {"classes": np.array(["bed"] * 2)},
            "1 different names in classes of 2; expected each class once",
        ),
        ({"classes": np.array("bed")}, "1 different names in classes"),
        ({"name_train": np.array(["a", "b"])}, "2 names in name_train for 6 shapes"),
        ({"x_test": np.array([None] * 6)}, "array x_test: dtype object, expected numbers or text"),
    ],
)
def test_archives_that_make_no_dataset(tmp_path, out, refused, change, message):
    good = {"x_train": VOXELS, "y_train": LABELS, "x_test": VOXELS, "y_test": LABELS}
    np.savez(tmp_path / "a.npz", **{**good, **change})
    refused(ConfigError, f"a.npz: .*{message}", str(tmp_path / "a.npz"), out, SMALL)


def test_a_class_of_an_archive_without_train_shapes(tmp_path, out, refused):
    other = np.array([1, 1, 1, 2, 2, 2])
    np.savez(tmp_path / "a.npz", x_train=VOXELS, y_train=LABELS, x_test=VOXELS, y_test=other)
    message = "classes without train shapes: class_2"
    refused(ConfigError, message, str(tmp_path / "a.npz"), out, SMALL)


# The embedded dataset, and what is no source


def test_the_embedded_dataset(out, refused):
    manifest = build("embedded", out, DatasetConfig(resolution=8, embedded_shapes="20,0,10"))
    assert manifest["classes"] == list(FAMILIES) and len(FAMILIES) == 10
    assert manifest["counts"] == {
        "train": dict.fromkeys(FAMILIES, 2),
        "test": dict.fromkeys(FAMILIES, 1),
    }
    message = "--embedded_shapes: expected three numbers, for train, val, test. Received: "
    for counts in ("20,10", "20,-1,10"):
        config = DatasetConfig(resolution=8, embedded_shapes=counts)
        refused(ConfigError, f"{message}.20, -?1", "embedded", out / "x", config)


def test_the_embedded_dataset_takes_no_split_file(tmp_path, out, refused):
    (tmp_path / "s.csv").write_text("name,split\nchair_00000,train\n")
    message = "--split_file: the embedded dataset has its own splits"
    refused(ConfigError, message, "embedded", out, SMALL, split_file=tmp_path / "s.csv")


@pytest.mark.parametrize(
    ("origin", "options"),
    [
        *(("embedded", {"kind": "mesh"}), ("embedded", {"up": "y"})),
        *(("embedded", {"max_file_mb": 1}), ("shapes", {"embedded_shapes": (10, 0, 10)})),
        *(("a.npz", {"max_file_mb": 1}), ("a.npz", {"embedded_shapes": (10, 0, 10)})),
    ],
)
def test_flags_without_effect_on_a_source_are_refused(tmp_path, out, refused, origin, options):
    (flag,) = options
    source = origin if origin == "embedded" else str(tmp_path / origin)
    message = f"--{flag}: has no effect on {source}, expected none"
    refused(ConfigError, message, source, out, DatasetConfig(resolution=8, **options))


def test_what_is_no_source(tmp_path, out, source, refused):
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "text.txt").write_text("hello")
    np.savez(tmp_path / "other.npz", a=LABELS)
    (tmp_path / "empty").mkdir()
    for path, message in (
        ("text.npz", "text.npz: not a readable .npz file"),
        ("other.npz", r"other.npz: found arrays a \(6,\) int64; expected x_train, .* or x, y"),
        ("empty", "empty: found no shapes, expected CLASS/train/FILE"),
        ("absent", "absent: expected a folder, an .npz file or 'embedded'"),
        ("absent.npz", "absent.npz: expected a folder, an .npz file or 'embedded'"),
        ("text.txt", "text.txt: expected a folder, an .npz file or 'embedded'"),
    ):
        refused(ConfigError, message, str(tmp_path / path), out, SMALL)
    refused(
        ConfigError, "--workers: expected at least 1. Received: 0", source, out, SMALL, workers=0
    )
