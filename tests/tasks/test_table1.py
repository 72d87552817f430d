"""`scnn table1`: datasets, runs, tests, report."""

import json
import pathlib
import re

import pytest
from helpers import assert_fails, files

from spherical_cnn.cli import dispatch, exit_code
from spherical_cnn.training.run import load_run

pytest.importorskip("embreex")

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def flags(tmp_path):
    """Command line of a table of seconds, of two networks."""
    networks = {
        "small": "--nfilters=4,6",
        "smaller": "--nfilters=2,2\n--pool=lowpass\n--rays_per_sample=7\n--up_channel=on",
    }
    for name, own in networks.items():
        (tmp_path / f"{name}.txt").write_text(own)
    return [
        *(
            "embedded",
            str(tmp_path / "table"),
            "--embedded_shapes=40,0,10",
            "--copies=2",
            "--input_res=16",
        ),
        *("--model=two_branch", "--dset=from_cached_tfrecords", "--dtype=complex64", "--skip_val"),
        *("--pool_layers=0,1", "--concat_branches=0,1", "--n_epochs=2", "--n_filter_params=3"),
        *("--train_bsize=8", "--networks", *(str(tmp_path / f"{n}.txt") for n in networks)),
    ]


@pytest.mark.slow
def test_three_regimes_are_trained_tested_and_reported(flags, tmp_path, capsys):
    folder = tmp_path / "table"
    assert exit_code(["table1", *flags, "--seed=5", "--seeds=2"]) == 0
    table = json.loads((folder / "table.json").read_text())
    assert list(table) == ["small", "smaller"]
    report = (folder / "report.html").read_text()
    assert not list(folder.rglob("report.md"))
    printed = capsys.readouterr().out
    for name, columns in table.items():
        assert list(columns) == ["SO(3)/SO(3)", "z/z", "z/SO(3)"]
        for seed in (0, 1):
            runs = {column: metrics[seed] for column, metrics in columns.items()}
            assert [metrics["test_samples"] for metrics in runs.values()] == [10, 10, 10]
            assert runs["z/z"]["train"] == runs["z/SO(3)"]["train"]
            for regime, column in (("so3", "SO(3)/SO(3)"), ("z", "z/z")):
                run = folder / name / f"{regime}-{5 + seed}"
                options = json.loads((run / "config.json").read_text())["options"]
                own = {"small": "", "smaller": "-smaller"}[name]
                assert options["dset_dir"] == str(folder / f"data-{regime}{own}")
                assert (options["n_classes"], options["seed"]) == (10, 5 + seed)
                up_channel = {"so3": "masked", "z": "on"}[regime]
                assert options["up_channel"] == {"small": "off", "smaller": up_channel}[name]
                assert options["nfilters"] == {"small": [4, 6], "smaller": [2, 2]}[name]
                metrics = json.loads((run / "metrics.json").read_text())
                assert metrics["test"] == runs[column]["test"]
        pairs = [[100 * metrics["test"] for metrics in runs] for runs in columns.values()]
        cells = [f"{sum(pair) / 2:.1f} ± {abs(pair[0] - pair[1]) / 2:.1f}" for pair in pairs]
        row = "".join(f"<td>{cell}</td>" for cell in (name, *cells))
        assert f"<tr>{row}</tr>" in report
        assert f"| {name} | {' | '.join(cells)} |" in printed
    for regime in ("so3", "z"):
        for own, rays in (("", 1), ("-smaller", 7)):
            manifest = json.loads((folder / f"data-{regime}{own}/manifest.json").read_text())
            dataset = manifest["options"]
            assert (dataset["rotation"], dataset["resolution"]) == (regime, 16)
            assert dataset["rays_per_sample"] == rays
    linked = [folder / address for address in re.findall('href="([^"]+)"', report)]
    assert len(linked) == 8 and all(path.exists() for path in linked)
    embedded = re.findall('src="data:image/png;base64,([^"]+)"', report)
    assert len(embedded) == 1 + 8 and len(set(embedded)) > 2

    for upright, up_channel in ((False, "masked"), (True, "on")):
        assert load_run(folder / "smaller/z-5", upright).config.up_channel == up_channel
        assert load_run(folder / "small/z-5", upright).config.up_channel == "off"

    checkpoints = files(folder / "small/z-5/checkpoints") | files(folder / "data-z")
    assert exit_code(["table1", *flags, "--seed=5", "--seeds=2"]) == 0
    assert files(folder / "small/z-5/checkpoints") | files(folder / "data-z") == checkpoints
    assert json.loads((folder / "table.json").read_text()) == table


class _Built(Exception):
    """Raised in place of building."""


@pytest.mark.parametrize("name", [path.stem for path in (ROOT / "params").glob("table-*.txt")])
def test_networks_of_the_tables_are_valid(tmp_path, monkeypatch, name):
    def build(source, folder, config, *_):
        raise _Built(config)

    monkeypatch.chdir(ROOT)  # argfiles name others from there
    monkeypatch.setattr("spherical_cnn.tasks.table1.build", build)
    with pytest.raises(_Built, match="rotation='so3'"):  # all networks have passed by then
        dispatch(["table1", "embedded", str(tmp_path / "table"), f"@params/{name}.txt"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--rotation=z"], "unrecognized arguments: --rotation=z"),
        (["--n_classes=4"], "unrecognized arguments: --n_classes=4"),
        (["--input_res=x"], "--input_res: expected an integer. Received: 'x'"),
        (["--copies=0"], "--copies: expected at least 1. Received: 0"),
        (["--model=cube"], "--model: expected two_branch or planar or point_sphere. .*'cube'"),
        (["--networks", "absent"], ".*absent.*"),
        (
            ["--networks", *["params/model-64.txt"] * 2],
            ".*different names. Received: params/model-64.txt, .*",
        ),
        (["--seeds=0"], "--seeds: expected at least 1. Received: 0"),
        (["--input_res=18"], "--input_res: expected a multiple of 4 for 1 pooling.*18"),
    ],
)
def test_a_bad_request_writes_nothing(flags, tmp_path, capsys, monkeypatch, change, message):
    monkeypatch.chdir(ROOT)
    assert_fails(capsys, 2, message, "table1", [*flags, *change])
    assert not (tmp_path / "table").exists()
