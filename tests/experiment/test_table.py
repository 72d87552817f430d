"""Table 1 from shapes: sets, runs, tests, report."""

import json
import pathlib

import pytest
from test_scripts import assert_fails, files, script

from spherical_cnn.experiment.cli import exit_code

pytest.importorskip("embreex")

ROOT = pathlib.Path(__file__).parents[2]


def flags(folder):
    """Command line of a table of seconds."""
    return [
        *("embedded", str(folder), "--embedded_shapes=40,0,10", "--copies=2", "--input_res=16"),
        *("--model=two_branch", "--dset=from_cached_tfrecords", "--dtype=complex64", "--skip_val"),
        *("--nfilters=4,6", "--pool_layers=0,1", "--concat_branches=0,1", "--n_epochs=2"),
        *("--n_filter_params=3", "--train_bsize=8"),
    ]


@pytest.mark.slow
def test_three_regimes_are_trained_tested_and_reported(tmp_path, capsys):
    folder = tmp_path / "table"
    assert exit_code(script("table1"), flags(folder)) == 0
    table = json.loads((folder / "table.json").read_text())
    assert list(table) == ["SO(3)/SO(3)", "z/z", "z/SO(3)"]
    assert [metrics["test_samples"] for metrics in table.values()] == [10, 10, 10]
    assert table["z/z"]["train"] == table["z/SO(3)"]["train"]
    for regime in ("so3", "z"):
        config = json.loads((folder / regime / "config.json").read_text())
        assert config["options"]["dset_dir"] == str(folder / f"data-{regime}")
        assert config["options"]["n_classes"] == 10
        recipe = json.loads((folder / f"data-{regime}/manifest.json").read_text())["options"]
        assert (recipe["rotation"], recipe["resolution"]) == (regime, 16)
        assert (
            json.loads((folder / regime / "metrics.json").read_text())["test"]
            == (table["z/z" if regime == "z" else "SO(3)/SO(3)"]["test"])
        )
    report = (folder / "report.md").read_text()
    accuracies = " | ".join(f"{100 * metrics['test']:.1f}" for metrics in table.values())
    assert accuracies in report and accuracies in capsys.readouterr().out
    linked = [folder / part.split(")")[0] for part in report.split("](")[1:]]
    assert len(linked) == 8 and all(path.exists() for path in linked)

    checkpoints = files(folder / "z/checkpoints") | files(folder / "data-z")
    assert exit_code(script("table1"), flags(folder)) == 0
    assert files(folder / "z/checkpoints") | files(folder / "data-z") == checkpoints
    assert json.loads((folder / "table.json").read_text()) == table


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--rotation=z"], "unrecognized arguments: --rotation=z"),
        (["--n_classes=4"], "unrecognized arguments: --n_classes=4"),
        (["--input_res=x"], "--input_res: expected an integer. Received: 'x'"),
        (["--copies=0"], "--copies: expected at least 1. Received: 0"),
        (["--model=cube"], "--model: expected two_branch. Received: 'cube'"),
        (["--input_res=18"], "--input_res: expected a multiple of 4 for 1 pooling.*18"),
    ],
)
def test_a_bad_request_writes_nothing(tmp_path, capsys, change, message):
    assert_fails(capsys, 2, message, script("table1"), [*flags(tmp_path / "table"), *change])
    assert not (tmp_path / "table").exists()
