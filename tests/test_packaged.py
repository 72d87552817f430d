"""Files of flags of the package are found from any folder; those of the current folder first."""

import os

import pytest
from helpers import ROOT, parse_run

from spherical_cnn.commands.networks import table_parser
from spherical_cnn.errors import ConfigError
from spherical_cnn.packaged import find_flags, packaged

FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("params/**/*.txt"))


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("path", FILES)
def test_files_of_the_package_are_found_elsewhere(path, elsewhere):
    assert os.path.samefile(find_flags(path), ROOT / path)


def test_a_file_names_others_of_the_package(elsewhere):
    supersampled = parse_run(["@params/invariant-supersampled.txt"])
    assert supersampled == parse_run(["@params/invariant-64.txt"])
    assert supersampled.dealias and supersampled.nfilters[-1] == 128


def test_the_current_folder_is_first(elsewhere):
    (elsewhere / "params").mkdir()
    (elsewhere / "params/model-64.txt").write_text("# Ours.\n\n  --nfilters=4,4,4,4\n")
    (elsewhere / "mine.txt").write_text("@params/model-64.txt\n@params/training.txt\n")
    flags = vars(table_parser().parse_args(["@mine.txt"]))
    assert flags["nfilters"] == "4,4,4,4" and flags["n_epochs"] == "48"
    assert find_flags("params/training.txt") == packaged("params", "training.txt")


@pytest.mark.parametrize(
    ("content", "argument", "message"),
    [
        ("", "@absent.txt", "@absent.txt: No such file or directory; files of the package are @pa"),
        ("", "@params/absent.txt", "@params/absent.txt: found neither here nor in .* model-64.txt"),
        ("", "@params/../setup.py", "@params/../setup.py: No such file or directory"),
        ("@mine.txt", "@mine.txt", "@mine.txt: mine.txt names mine.txt, expected an end"),
        ("\xff", "@mine.txt", "@mine.txt: expected a file of flags .*utf-8"),
        ("", "@.", "@.: expected a file of flags .*Is a directory"),
    ],
)
def test_files_that_are_none_are_refused(content, argument, message, elsewhere):
    (elsewhere / "mine.txt").write_text(content, encoding="latin-1")
    with pytest.raises(ConfigError, match=message):
        parse_run([argument])
