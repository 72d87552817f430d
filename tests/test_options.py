from __future__ import annotations

import dataclasses
import json

import pytest

from spherical_cnn.data.config import Recipe
from spherical_cnn.options import ConfigError, Options, flag_parser, option


@dataclasses.dataclass(frozen=True)
class Oven(Options):
    degrees: int = option(180, "d", "of the oven", least=50, below=300)
    seed: int = option(0, None, "of the oven")
    fan: bool = option(False, "f", "on")


@dataclasses.dataclass(frozen=True)
class Cake(Options):
    layers: tuple[int, ...] = option((1, 2), None, "heights")
    seed: int = option(7, "s", "of the cake", least=1)
    sort: str = option("plum", None, "of fruit", ("plum", "apple"))


def parse(*argv, without=()):
    return vars(flag_parser("Bakes.", Oven, Cake, without=without).parse_args(list(argv)))


def test_flags_of_several_classes_are_parsed_as_one():
    argv = ("-d", "200", "-f", "--layers=3,4", "--sort=apple", "--seed=5", "--debug")
    assert parse(*argv) == {
        **{"degrees": "200", "fan": True, "layers": "3,4", "sort": "apple"},
        **{"seed": "5", "debug": True},
    }
    assert parse() == {}


def test_of_equal_names_the_first_class_has_the_flag(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    text = capsys.readouterr().out
    assert "of the oven" in text and "of the cake" not in text and "(plum, apple)" in text
    with pytest.raises(ConfigError, match="unrecognized arguments: -s"):
        parse("-s", "3")


def test_names_left_out_are_no_flags():
    with pytest.raises(ConfigError, match="unrecognized arguments: --fan"):
        parse("--fan", without=("fan", "sort"))
    assert parse("--degrees=60", without=("fan", "sort"))["degrees"] == "60"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--degree=60"], "unrecognized arguments: --degree=60"),  # no abbreviations
        (["--degrees"], "argument --degrees/-d: expected one argument"),
        (["--fan=yes"], "ignored explicit argument 'yes'"),
        (["@absent.txt"], "No such file or directory: 'absent.txt'"),
    ],
)
def test_wrong_usage_raises_in_place_of_exiting(argv, message):
    with pytest.raises(ConfigError, match=message):
        parse(*argv)


def test_argfiles_may_name_argfiles(tmp_path):
    (tmp_path / "inner.txt").write_text("# heat\n--degrees\n60\n\n")
    (tmp_path / "outer.txt").write_text(f"@{tmp_path / 'inner.txt'}\n  --fan  \n")
    options = parse(f"@{tmp_path / 'outer.txt'}", "--degrees=70")
    assert options["degrees"] == "70" and options["fan"] is True


@pytest.mark.parametrize(("value", "good"), [(49, False), (50, True), (299, True), (300, False)])
def test_bounds_are_from_and_below(value, good):
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
        {"resolution": 8, "rotation": "z", "test_rotation": "so3", "copies": 3, "seed": 9},
        {"scale_range": 0.1, "shift_range": 1e-7, "val_fraction": 1 / 3, "up": "y"},
        {"embedded_shapes": (1, 0, 2), "kind": "points", "centre": "area", "max_file_mb": 1},
    ],
)
def test_recipes_come_back_from_flags_and_json(tmp_path, options):
    recipe = Recipe(**options)
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
    (tmp_path / "flags.txt").write_text("\n".join(recipe.to_flags()))
    parsed = flag_parser("", Recipe).parse_args([f"@{tmp_path / 'flags.txt'}"])
    assert Recipe(**vars(parsed)) == recipe
