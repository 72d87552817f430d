"""What the README shows works."""

import re

import pytest
from helpers import ROOT, blocks, commands, parse_run


def test_the_model_in_the_readme_builds():
    (source,) = blocks("README.md", "python")
    names = {}
    exec(source, names)  # our own README
    assert names["model"].output_shape == (None, 10)


@pytest.mark.parametrize("command", commands("README.md", "train"))
def test_training_commands_are_valid(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    parse_run(command[2:])


def test_the_two_commands_are_targets():
    targets = re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    shown = re.findall(r"^make (\S+)", "".join(blocks("README.md", "sh")), re.MULTILINE)
    assert {"demo", "test"} == set(shown) <= set(targets)
