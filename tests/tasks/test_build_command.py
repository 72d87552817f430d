"""`scnn build`: what it prints, its exit codes, and one clear line for each error."""

import json
import re

import pytest
from helpers import ROOT, assert_fails

from spherical_cnn.cli import exit_code

EMBEDDED = ["embedded", "--resolution=8", "--embedded_shapes=20,0,10"]


def test_it_prints_the_number_of_shapes_of_each_split(tmp_path, capsys):
    out = tmp_path / "out"
    for _ in range(2):  # a finished one is reported again
        assert exit_code(["build", *EMBEDDED, str(out), "--copies", "2"]) == 0
        assert capsys.readouterr().out.splitlines() == [
            "train: 20 shapes of 10 classes",
            "test: 10 shapes of 10 classes",
            f"All shards and skipped shapes: {out}/manifest.json",
        ]
    assert len(list(out.glob("*.tfrecord"))) == 3


def test_it_counts_skipped_shapes_by_reason(tmp_path, capsys):
    for number, text in enumerate(("", "", "OFF\n1 0 0\n", None)):
        for split in ("train", "test"):
            path = tmp_path / f"shapes/bed/{split}/{number}.off"
            path.parent.mkdir(parents=True, exist_ok=True)
            good = "OFF\n4 4 0\n0 0 0\n1 0 0\n0 2 0\n0 0 3\n3 0 2 1\n3 0 1 3\n3 0 3 2\n3 1 2 3\n"
            path.write_text(good if text is None else text)
    sheet = tmp_path / "shapes/bed/test/sheet.off"  # through the center of its rays
    sheet.write_text("OFF\n4 2 0\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n3 0 1 2\n3 0 2 3\n")
    argv = [str(tmp_path / "shapes"), str(tmp_path / "out"), "--resolution=8"]
    assert exit_code(["build", *argv]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["train: 1 shapes of 1 classes", "test: 2 shapes of 1 classes"]
    assert re.fullmatch("skipped, 4: 0 bytes, expected 1 … .*", lines[2])
    assert lines[3].startswith("skipped, 2: ") and len(lines) == 6
    assert lines[4] == "nearly blank in some copy, but used, 1: bed/test/sheet.off"
    assert len(json.loads((tmp_path / "out/manifest.json").read_text())["skipped"]) == 6


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["/absent", "OUT"], "/absent: expected a folder, an .npz file or 'embedded'"),
        (["embedded"], "the following arguments are required: FOLDER"),
        ([*EMBEDDED, "OUT", "--colour"], "unrecognized arguments: --colour"),
        ([*EMBEDDED, "OUT", "--copies=x"], "--copies: expected an integer. Received: 'x'"),
        ([*EMBEDDED, "OUT", "--scale_range=x"], "--scale_range: expected a number. Received: 'x'"),
        ([*EMBEDDED, "OUT", "--workers=x"], ".*--workers: .*'x'"),
        ([*EMBEDDED, "OUT", "--workers=0"], "--workers: expected at least 1. Received: 0"),
        ([*EMBEDDED, "OUT", "--up=y"], "--up: has no effect on embedded, expected none"),
        ([*EMBEDDED, "OUT", "--resolution=7"], "--resolution: expected an even number.*"),
        (
            [*EMBEDDED, "OUT", "--embedded_shapes=9,9"],
            "--embedded_shapes: expected three numbers.*",
        ),
    ],
)
def test_wrong_usage_writes_nothing(tmp_path, capsys, argv, message):
    out = tmp_path / "out"
    argv = [str(out) if argument == "OUT" else argument for argument in argv]
    assert_fails(capsys, 2, message, "build", argv)
    assert not out.exists()


def test_a_folder_or_a_file_of_something_else_is_refused(tmp_path, capsys):
    (tmp_path / "notes.txt").touch()
    message = f"{tmp_path}: expected an absent or empty folder, found notes.txt"
    assert_fails(capsys, 1, message, "build", [*EMBEDDED, str(tmp_path)])
    path = tmp_path / "notes.txt"
    message = f"{path}: a file, expected an absent or empty folder"
    assert_fails(capsys, 1, message, "build", [*EMBEDDED, str(path)])
    assert path.read_bytes() == b""


def test_an_empty_folder_name_is_not_the_current_folder(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").touch()
    message = "FOLDER: expected the folder of the dataset. Received none"
    assert_fails(capsys, 2, message, "build", [*EMBEDDED, ""])
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_another_dataset_in_the_folder_is_refused(tmp_path, capsys):
    assert exit_code(["build", *EMBEDDED, str(tmp_path)]) == 0
    capsys.readouterr()
    message = f"{tmp_path}: holds another dataset: resolution 8 there, 16 here; choose.*"
    argv = [*EMBEDDED, str(tmp_path), "--resolution=16"]
    assert_fails(capsys, 1, message, "build", argv)


def test_debug_shows_the_traceback_of_a_build(tmp_path):
    with pytest.raises(ValueError, match="/absent: expected a folder"):
        exit_code(["build", "/absent", str(tmp_path / "out"), "--debug"])


def test_the_help_of_build_names_flags_and_sources(capsys):
    with pytest.raises(SystemExit) as ended:
        exit_code(["build", "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for word in ("CLASS/SPLIT/FILE", "embedded", "--rotation", "(none, z, so3)", "@FILE"):
        assert word in text


@pytest.mark.parametrize(
    "names",
    [
        ("model-64", "m10-64", "training-16"),
        ("invariant-64", "m40-64", "training"),
        ("planar-64", "m40-64", "training"),
    ],
)
def test_files_of_params_are_flags_of_train(tmp_path, capsys, monkeypatch, names):
    monkeypatch.chdir(ROOT)  # argfiles name others from there
    argv = [f"@{ROOT}/params/{name}.txt" for name in names]
    argv += ["--dset_dir=/absent", f"--logdir={tmp_path / 'run'}"]
    assert_fails(capsys, 1, "/absent: No such file or directory; expected.*", "train", argv)
