"""`python -m benchmarks`: what it takes, refuses and writes; commands that the docs show."""

import importlib
import json
import re
import shlex

import pytest
from helpers import PAGES, ROOT

from benchmarks import __main__ as command
from benchmarks.harness import Table, column

CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
SHOWN = sorted(
    {
        " ".join(shown.split())
        for page in (*PAGES.values(), CHANGELOG)
        for shown in re.findall(r"`python -m (benchmarks[^`]*)`", page)
    }
)


@pytest.mark.parametrize("shown", SHOWN)
def test_commands_of_the_docs_have_names_and_flags_that_exist(shown, capsys):
    module, *arguments = shlex.split(shown)
    main = importlib.import_module(f"{module}.__main__" if "." not in module else module).main
    subcommand = arguments[:1] if module == "benchmarks.alignment" else []
    with pytest.raises(SystemExit) as stop:
        main([*subcommand, "--help"])
    text = capsys.readouterr().out
    flags = {word for word in arguments if word.startswith("--")}
    assert stop.value.code == 0 and flags <= set(re.findall(r"--\w+", text))
    if module == "benchmarks":
        command.parse(arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stepp"], f"expected {', '.join(command.SECTIONS)}. Received: 'stepp'"),
        (["step", "--rounds", "0"], "expected a positive integer. Received: '0'"),
        (["start", "--batches", "2"], "--batches: concerns step, which is not asked for"),
        (["step", "--dset_dir", "x"], "--dset_dir: concerns pipeline, which is not asked for"),
    ],
)
def test_invalid_arguments_are_refused(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        command.parse(arguments)
    assert exit_.value.code == 2 and message in capsys.readouterr().err


def test_all_sections_unless_some_are_named():
    assert command.parse([]).sections == list(command.SECTIONS)
    assert command.parse(["start", "step", "--batches", "1", "2"]).batches == [1, 2]


def test_tables_are_printed_and_numbers_written(tmp_path, monkeypatch, capsys):
    def failing(options):
        raise ValueError("no shards")

    table = Table("Title", {"n": column("n")}, [{"n": 2, "raw": [1.5]}], ["a note"])
    monkeypatch.setattr(command, "SECTIONS", {"good": lambda options: table, "bad": failing})
    file = tmp_path / "new" / "figures.json"
    assert command.main(["bad", "good", "--json", str(file)]) == 1
    printed = capsys.readouterr()
    assert printed.out.startswith("### Title\n") and "error: bad: no shards" in printed.err
    report = json.loads(file.read_text("utf-8"))
    assert report["sections"] == {
        "good": {"title": "Title", "rows": [{"n": 2, "raw": [1.5]}], "notes": ["a note"]}
    }
    assert report["machine"]["cores"] >= 1 and report["machine"]["packages"]["keras"]
