"""Datasets in one `.npz`, as others name and write them."""

import numpy as np
import pytest

from spherical_cnn.data.archives import read_parts
from spherical_cnn.data.sources import find_shapes
from spherical_cnn.errors import ConfigError
from spherical_cnn.shapes.load import to_mesh

CLOUDS = np.random.default_rng(0).normal(size=(6, 80, 3))
LABELS = np.array([0, 1, 0, 1, 2, 0])


@pytest.fixture
def archive(tmp_path):
    """`archive(**arrays)`: path of an `.npz` with these arrays."""

    def write(**arrays):
        np.savez(tmp_path / "a.npz", **arrays)
        return str(tmp_path / "a.npz")

    return write


@pytest.mark.parametrize(
    "labels",
    [
        LABELS,
        LABELS[:, None].astype(np.uint8),
        LABELS.astype(np.float32),
        LABELS[:, None].astype(">f8"),
        np.eye(3)[LABELS],
        np.eye(3, dtype=bool)[LABELS],
    ],
    ids=["integers", "column", "floats", "column of floats", "one-hot", "one-hot bool"],
)
def test_labels_in_any_usual_form(archive, labels):
    ((part,), classes) = read_parts(archive(x=CLOUDS, y=labels))
    np.testing.assert_array_equal(part.labels, LABELS)
    assert classes == ["class_0", "class_1", "class_2"] and part.labels.dtype == np.int64


@pytest.mark.parametrize("dtype", ["U", "S"])
@pytest.mark.parametrize("classes", [(), ("sofa", "chair", "bed")])
def test_labels_may_be_names(archive, dtype, classes):
    names = np.array(["chair", "bed", "chair", "bed", "sofa", "chair"], dtype)
    arrays = {"classes": np.array(classes)} if classes else {}
    ((part,), found) = read_parts(archive(x=CLOUDS, y=names[:, None], **arrays))
    assert found == (list(classes) or ["bed", "chair", "sofa"])
    assert [found[label] for label in part.labels] == [
        str(name, "ascii") if dtype == "S" else name for name in names
    ]


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("data_train", "label_train", "data_test", "label_test"),
        ("train_data", "train_labels", "test_data", "test_labels"),
        ("points_train", "labels_train", "Test_Points", "Test_Labels"),
    ],
)
def test_names_that_others_use(archive, names):
    arrays = dict(zip(names, (CLOUDS, LABELS, CLOUDS, LABELS), strict=True))
    parts, _ = read_parts(archive(**arrays, faceId=LABELS))
    assert [(part.split, part.key) for part in parts] == [("train", names[0]), ("test", names[2])]


@pytest.mark.parametrize("form", ["six columns", "beside"])
def test_normals_of_clouds(archive, form):
    """As in ModelNet40's HDF5 files, `data`, `normal` and `label`; or in columns of their own."""
    points = CLOUDS / np.linalg.norm(CLOUDS, axis=-1, keepdims=True)
    arrays = {"data": points, "normal": points}
    if form == "six columns":
        arrays = {"data": np.concatenate([points, points], -1)}
    source = find_shapes(archive(**arrays, label=LABELS[:, None]))
    mesh = to_mesh(source.items[4].origin.shape(limit=None))
    assert source.items[4].name == "data/000004" and source.items[4].class_name == "class_2"
    middles = mesh.vertices[mesh.faces].mean(1)
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    assert np.median(np.abs((mesh.normals * middles).sum(1))) > 0.95


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": LABELS}, r"a.npz: found arrays a \(6,\) int64; expected x_train, .* label, labels"),
        ({"x": CLOUDS}, r"found arrays x \(6, 80, 3\) float64; expected x_train"),
        ({"x": CLOUDS, "data": CLOUDS, "y": LABELS}, "found arrays x, data, expected one of them"),
        ({"x": CLOUDS, "y": LABELS - 0.5}, "y of shape .* float64; expected one label per shape"),
        ({"x": CLOUDS, "y": CLOUDS[:, 0]}, r"y of shape \(6, 3\) and float64; expected one label"),
        ({"x": CLOUDS, "y": LABELS[:5]}, r"x of shape \(6, 80, 3\), y of shape \(5,\)"),
        ({"x_test": CLOUDS}, "expected shapes and labels of test: x_test and y_test"),
        (
            {"x": CLOUDS, "y": np.array([*"abcabc"]), "classes": np.array([*"ab"])},
            "label 'c' is no",
        ),
    ],
)
def test_what_is_no_dataset_is_refused_by_name(archive, arrays, message):
    with pytest.raises(ConfigError, match=message):
        read_parts(archive(**arrays))
