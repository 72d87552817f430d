"""What the README shows works."""

import pathlib
import re
import shlex

import pytest

from spherical_cnn.experiment.config import Config, argument_parser

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_model_in_the_readme_builds():
    (source,) = blocks("python")
    names = {}
    exec(source, names)  # our own README
    assert names["model"].output_shape == (None, 10)


def commands(script):
    lines = "".join(blocks("sh")).replace("\\\n", " ").splitlines()
    return [shlex.split(line)[2:] for line in lines if f"scripts/{script}" in line]


@pytest.mark.parametrize("arguments", commands("train.py"))
def test_training_commands_make_an_experiment(arguments, monkeypatch):
    monkeypatch.chdir(ROOT)
    Config.from_json(vars(argument_parser("").parse_args(arguments)))


def test_the_two_commands_are_targets():
    targets = re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "test"} <= set(targets) and re.findall(r"^make (\w+)", README, re.M)
