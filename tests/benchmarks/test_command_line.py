"""`python -m benchmarks`: what it takes, refuses and writes."""

import json

import pytest

from benchmarks import __main__ as command
from benchmarks.harness import ChildError
from benchmarks.table import Table, column


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stepp"], "expected step, transform, pipeline, start, scale, options. Received: 'stepp'"),
        (["step", "--rounds", "0"], "expected a positive integer. Received: '0'"),
        (["start", "--batches", "2"], "--batches: concerns step, which is not asked for"),
        (["step", "--dset_dir", "x"], "--dset_dir: concerns pipeline, which is not asked for"),
    ],
)
def test_refused(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        command.parse(arguments)
    assert exit_.value.code == 2 and message in capsys.readouterr().err


def test_all_sections_unless_some_are_named():
    assert command.parse([]).sections == list(command.SECTIONS)
    assert command.parse(["start", "step", "--batches", "1", "2"]).batches == [1, 2]


def test_tables_are_printed_and_numbers_written(tmp_path, monkeypatch, capsys):
    def dying(options):
        raise ChildError("died, code 1")

    table = Table("Title", {"n": column("n")}, [{"n": 2, "raw": [1.5]}], ["a note"])
    monkeypatch.setattr(command, "SECTIONS", {"good": lambda options: table, "bad": dying})
    monkeypatch.setattr(command, "rates", lambda rounds: {"product_flops": 1e9 * rounds})
    file = tmp_path / "new" / "figures.json"
    assert command.main(["bad", "good", "--rounds", "2", "--json", str(file)]) == 1
    printed = capsys.readouterr()
    assert printed.out.startswith("### Title\n") and "error: bad: died, code 1" in printed.err
    report = json.loads(file.read_text("utf-8"))
    assert report["sections"] == {
        "good": {"title": "Title", "rows": [{"n": 2, "raw": [1.5]}], "notes": ["a note"]}
    }
    machine = report["machine"]
    assert machine["product_flops"] == 2e9 and machine["cores"] >= 1
    assert machine["packages"]["keras"] and machine["memory_bytes"] > 1e8
