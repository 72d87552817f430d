from __future__ import annotations

import argparse
import dataclasses
import json

import pytest

from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.errors import ConfigError
from spherical_cnn.flags import Parser, add_options
from spherical_cnn.options import Options, option


@dataclasses.dataclass(frozen=True)
class Oven(Options):
    degrees: int = option(180, "d", "of the oven", least=50, below=300)
    seed: int = option(0, None, "of the oven")
    fan: bool = option(False, "f", "on")


@dataclasses.dataclass(frozen=True)
class Cake(Options):
    layers: tuple[int, ...] = option((1, 2), None, "heights")
    eggs: int = option(7, "e", "of the cake", least=1)
    sort: str = option("plum", None, "of fruit", ("plum", "apple"))


def parse(*argv, options=(Oven, Cake), without=()):
    parser = Parser("Bakes.", examples=("bake --fan",), prog="bake")
    for kind in options:
        add_options(parser, kind, without)
    return vars(parser.parse_args(list(argv)))


def test_flags_of_several_classes_are_parsed_as_one():
    argv = ("-d", "200", "-f", "--layers=3,4", "--sort=apple", "--seed=5", "--debug")
    assert parse(*argv) == {
        **{"degrees": "200", "fan": True, "layers": "3,4", "sort": "apple"},
        **{"seed": "5", "debug": True},
    }
    assert parse() == {}


def test_a_dict_of_flags_is_split_by_class():
    given = parse("--degrees=60", "--sort=apple")
    assert Oven.select(given) == {"degrees": "60"} and Cake.select(given) == {"sort": "apple"}
    assert Oven.from_dict(Oven.select(given)) == Oven(degrees=60)


def test_the_help_has_the_flags_of_every_class(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    text = capsys.readouterr().out
    assert "of the oven" in text and "of the cake" in text and "(plum, apple)" in text
    assert "examples:\n  bake --fan" in text and "default 1,2" in text and "default 180" in text


def test_classes_that_share_a_flag_make_no_parser():
    with pytest.raises(argparse.ArgumentError, match="conflicting option strings?: --degrees, -d"):
        parse(options=[Oven, Oven])


def test_excluded_fields_are_not_flags():
    with pytest.raises(ConfigError, match="unrecognized arguments: --fan"):
        parse("--fan", without=("fan", "sort"))
    assert parse("--degrees=60", without=("fan", "sort"))["degrees"] == "60"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--degree=60"], "arguments: --degree=60; did you mean --degrees"),  # no abbreviations
        (["--degrees"], "argument --degrees/-d: expected one argument"),
        (["--fan=yes"], "ignored explicit argument 'yes'"),
        (["@absent.txt"], "@absent.txt: No such file or directory"),
    ],
)
def test_wrong_usage_raises_instead_of_exiting(argv, message):
    with pytest.raises(ConfigError, match=message):
        parse(*argv)


def test_a_file_of_flags_may_name_another(tmp_path):
    (tmp_path / "inner.txt").write_text("# heat\n--degrees\n60\n\n")
    (tmp_path / "outer.txt").write_text(f"@{tmp_path / 'inner.txt'}\n  --fan  \n")
    options = parse(f"@{tmp_path / 'outer.txt'}", "--degrees=70")
    assert options["degrees"] == "70" and options["fan"] is True


@pytest.mark.parametrize(("value", "good"), [(49, False), (50, True), (299, True), (300, False)])
def test_numbers_outside_their_bounds_are_refused(value, good):
    if good:
        assert Oven(degrees=str(value)).degrees == value
    else:
        message = f"--degrees: expected at least 50 and below 300. Received: {value}"
        with pytest.raises(ConfigError, match=message):
            Oven(degrees=value)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"resolution": 8, "rotation": "z", "test_rotation": "so3", "copies": 3, "data_seed": 9},
        {"scale_range": 0.1, "shift_range": 1e-7, "val_fraction": 1 / 3, "up": "y"},
        {"embedded_shapes": (1, 0, 2), "kind": "points", "center": "area", "max_file_mb": 1},
    ],
)
def test_dataset_options_come_back_from_flags_and_json(tmp_path, options):
    config = DatasetConfig(**options)
    assert DatasetConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert len(config.to_flags()) == len(options)
    (tmp_path / "flags.txt").write_text("\n".join(config.to_flags()))
    assert DatasetConfig(**parse(f"@{tmp_path / 'flags.txt'}", options=[DatasetConfig])) == config
