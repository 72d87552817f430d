"""What the README shows works."""

import re

import pytest
from helpers import PAGES, ROOT, blocks, commands, parse_run


def test_the_layer_in_the_readme_is_equivariant(capsys):
    (source,) = blocks("README.md", "python")
    exec(source, {})  # our own README
    assert 0 < float(capsys.readouterr().out) < 5e-6


def test_the_first_screen_shows_what_it_is():
    lines = PAGES["README.md"].splitlines()
    assert len(lines) <= 150
    assert sum(line.startswith("![") for line in lines) == 1
    for start in ("![", "pip install ", "```python"):
        assert any(line.startswith(start) for line in lines[:15]), start


@pytest.mark.parametrize("command", commands("README.md", "train"))
def test_training_commands_are_valid(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    parse_run(command[2:])


def test_the_two_commands_are_targets():
    targets = re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    shown = re.findall(r"^make (\S+)", "".join(blocks("README.md", "sh")), re.MULTILINE)
    assert {"demo", "test"} == set(shown) <= set(targets)
