"""Files of `params/`: each opens with what it gives and a command, which is valid and uses it."""

import re
import shlex

import pytest
from helpers import ROOT

from spherical_cnn.cli import dispatch
from spherical_cnn.commands.networks import train_parser
from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.training.run_config import RunConfig

PARAMS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "params").rglob("*.txt"))


class _Built(Exception):
    """Raised in place of building."""


def header(name):
    """The lines of comment at the top of a file."""
    text = (ROOT / name).read_text("utf-8")
    return re.sub("^# ", "", re.match("(# .*\n)+", text)[0], flags=re.M)


def command(name):
    """The words of the command in a header, without its environment."""
    text = header(name).replace("\\\n", " ")
    (line,) = re.findall(r"^ +(?:\w+=\w+ )*(scnn .*)", text, re.M)
    return shlex.split(line)


@pytest.mark.parametrize("name", PARAMS)
def test_it_opens_with_a_command_that_uses_it(name):
    words = command(name)
    used = {word.removeprefix("@") for word in words}
    for table in [word[1:] for word in words if word.startswith("@params/table-")]:
        used |= set((ROOT / table).read_text("utf-8").splitlines())
    assert name in used


@pytest.mark.parametrize("name", PARAMS)
def test_the_command_is_valid(name, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)  # files of flags name others from there
    _, task, *arguments = command(name)
    if task == "train":
        given = vars(train_parser().parse_args(arguments))
        config = RunConfig.from_dict(RunConfig.select(given))
        dataset = DatasetConfig.select(given)
        DatasetConfig(**dataset)
        assert config.online or not dataset
        return

    def build(source, folder, config, *_):
        raise _Built

    assert task == "table1"
    monkeypatch.setattr("spherical_cnn.tasks.table1.build", build)
    with pytest.raises(_Built):  # all networks have passed by then
        dispatch([task, "embedded", str(tmp_path / "table"), *arguments[2:]])


@pytest.mark.parametrize("name", PARAMS)
def test_the_pages_that_it_names_exist(name):
    for page in re.findall(r"(?:docs|params)/[\w/-]+\.\w+", header(name)):
        assert (ROOT / page).exists(), page
