"""`scnn train` and others: exit codes, one clear line for each error, run folder untouched."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers import ROOT, assert_fails, files, without_noise

from spherical_cnn.cli import COMMANDS, dispatch, exit_code

SCNN = [sys.executable, "-m", "spherical_cnn"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (["--colour"], 2, "unrecognized arguments: --colour"),
        (["--batch_nrom"], 2, "unrecognized arguments: --batch_nrom; did you mean --batch_norm."),
        (["--n_classes=x"], 2, "--n_classes: expected an integer. Received: 'x'"),
        (["--learning_rate=0.1"], 2, "--learning_rate: expected a dict of rates.*'0.1'"),
        (["@absent.txt"], 2, "@absent.txt: No such file or directory; .*"),
        (["--logdir="], 2, "--logdir: expected a folder for the run. Received none"),
        (["--model="], 2, "--model: expected two_branch or planar or point_sphere. Received: ''"),
        (["--dset_dir=/absent"], 1, "/absent: No such file or directory; expected a folder with.*"),
        (["--input_res=32"], 1, ".*record 0 .from 0.: found 2048 bytes .*it would be 16 × 16.*"),
        (["--dtype=float32"], 2, "--nchannels: two_branch takes two channels.*1 of float32"),
        (["--dtype=float64", "--nchannels=2"], 1, ".*found 2048 bytes.*expected 4096.*float64"),
    ],
)
def test_bad_input_leaves_no_run_folder(flags, tmp_path, capsys, change, code, message):
    assert_fails(capsys, code, message, "train", [*flags, *change])
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_label_outside_the_classes_can_be_mended_by_the_flag(flags, capsys):
    message = (
        r".*train2.tfrecord: record \d+ .from 0.: found label 9, expected 0 … 8; see --n_classes"
    )
    assert_fails(capsys, 1, message, "train", [*flags, "--n_classes=9"])
    assert exit_code(["train", *flags, "--n_epochs=1"]) == 0


@pytest.mark.slow
def test_a_bad_record_later_stops_the_run_resumably(flags, shards, tmp_path, capsys):
    data = tmp_path / "data"
    data.mkdir()
    for path in shards.iterdir():
        (data / path.name).write_bytes(path.read_bytes())
    bad = bytearray((shards / "train10.tfrecord").read_bytes())
    bad[-1000] ^= 1
    (data / "train10.tfrecord").write_bytes(bad)
    argv = [*flags, f"--dset_dir={data}"]
    message = (
        r".*train10.tfrecord: record 23 .from 0. is corrupt: its checksum does not match; expected "
        r"TFRecords, plain or compressed as a whole by GZIP or ZLIB\. Copy or build the shard again"
    )
    assert_fails(capsys, 1, message, "train", argv)
    with np.load(tmp_path / "run/checkpoints/latest.npz") as stored:
        assert json.loads(str(stored["state"]))["epoch"] == 1
    assert exit_code(["train", *flags, f"--dset_dir={shards}"]) == 0
    assert "Continuing after epoch 1" in capsys.readouterr().out


def test_a_checkpoint_of_another_architecture_is_refused(copied, capsys):
    folder, flags = copied
    stored = json.loads((folder / "config.json").read_text())
    stored["options"]["nfilters"] = [4, 7]
    (folder / "config.json").write_text(json.dumps(stored))
    before = files(folder)
    message = r".*latest.npz: checkpoint of another architecture: for \S+ found \(.*\), expected .*"
    assert_fails(capsys, 1, message, "train", [*flags, "--nfilters=4,7"])
    latest = folder / "checkpoints/latest.npz"
    latest.write_bytes(latest.read_bytes()[:1000])
    before[latest] = latest.read_bytes()
    message = r".*latest.npz: found no checkpoint: corrupt or another file .*"
    assert_fails(capsys, 1, message, "train", [*flags, "--nfilters=4,7"])
    assert files(folder) == before


def test_test_only_needs_a_run(tmp_path, capsys):
    message = ".*config.json: not found, there is no run to test"
    argv = ["--test_only", f"--logdir={tmp_path}"]
    assert_fails(capsys, 1, message, "train", argv)
    assert not files(tmp_path)


def test_debug_shows_the_traceback_of_a_training():
    with pytest.raises(ValueError, match="unrecognized"):
        exit_code(["train", "--colour", "--debug"])


def test_activations_are_written_with_names(finished, shards, tmp_path, capsys):
    output = tmp_path / "out.npz"
    argv = [str(finished[0]), str(output), "--shards", str(shards / "test0.tfrecord")]
    assert exit_code(["activations", *argv, "--layers", "descriptor", "conv0_distance"]) == 0
    with np.load(output) as arrays:
        assert arrays["descriptor"].shape == (9, 64) and arrays["conv0_distance"].shape == (
            9,
            16,
            16,
            4,
        )
        assert arrays["name"][1] == "bed_00001" and arrays["label"][1] == 1
    capsys.readouterr()
    assert_fails(capsys, 2, "no layer x; there are: .*", "activations", [*argv, "--layers", "x"])


def test_equivariance_of_a_fresh_network(capsys):
    flags = ["--nfilters=4,4", "--pool_layers=1,0", "--concat_branches=0,1", "--input_res=16"]
    argv = ["embedded", *flags, "--pool=lowpass", "--shapes=2", "--rotations=1"]
    assert exit_code(["equivariance", *argv]) == 0
    rows = dict(re.findall(r"\| (\w+) \| ([\d.]+) \|", capsys.readouterr().out))
    assert float(rows["signal"]) == 0 and set(rows) > {
        "conv0_distance",
        "pool0_incidence",
        "logits",
    }
    message = ".*nothing: expected a folder.*"
    assert_fails(capsys, 2, message, "equivariance", ["nothing", *flags])


def test_the_help_of_train_names_its_flags(capsys):
    with pytest.raises(SystemExit) as ended:
        exit_code(["train", "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for flag in ("--model", "-m ", "--learning_rate", "--seed", "--deterministic", "@FILE"):
        assert flag in text


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_at_the_same_weights(flags, tmp_path):
    """SIGKILL during start-up, in each epoch, and while testing; same bits as undisturbed."""
    flags = [*flags, "--n_epochs=4", "--deterministic"]
    command = [*SCNN, "train", *flags]

    whole = tmp_path / "whole"
    subprocess.run([*command, f"--logdir={whole}"], check=True, env=ENVIRONMENT)
    killed = [*command, f"--logdir={tmp_path / 'killed'}"]
    for moment in ("Start training", "epoch=1;", "epoch=2;", "epoch=4;", "Start testing"):
        process = subprocess.Popen(killed, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        for line in process.stdout:
            if moment in line:
                time.sleep(0.05)
                process.send_signal(signal.SIGKILL)
                break
        process.wait()
        process.stdout.close()
    subprocess.run(killed, check=True, env=ENVIRONMENT)
    for name in ("final", "best"):
        with (
            np.load(whole / f"checkpoints/{name}.npz") as ours,
            np.load(tmp_path / f"killed/checkpoints/{name}.npz") as theirs,
        ):
            assert set(ours.files) == set(theirs.files)
            for key in set(ours.files) - {"state"}:
                np.testing.assert_array_equal(ours[key], theirs[key], err_msg=key)
    metrics = [json.loads((f / "metrics.json").read_text()) for f in (whole, tmp_path / "killed")]
    assert metrics[0]["confusion"] == metrics[1]["confusion"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_its_examples_and_every_example_its_flags(name, capsys):
    with pytest.raises(SystemExit) as ended:
        dispatch([name, "--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0 and "--debug" in text and "--quiet" in text
    examples = text.partition("\nexamples:\n")[2].splitlines()
    assert examples and all(line.strip().startswith(f"scnn {name} ") for line in examples)
    for line in examples:
        words = line.split()
        if name == "visualize":
            with pytest.raises(SystemExit):
                dispatch([name, words[2], "--help"])
            text = capsys.readouterr().out
        flags = {word for word in words if word.startswith("--")}
        assert flags <= set(re.findall(r"--\w+", text.partition("\nexamples:\n")[0]))


@pytest.mark.slow
def test_start_up_and_quiet_runs_say_nothing_but_results(flags):
    def call(*more):
        command = [*SCNN, "train", *flags, "--n_epochs=1", *more]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT)

    quiet = call("--quiet")
    assert without_noise(quiet.stderr) == ""
    assert re.fullmatch(r"(\[.*:INFO\] \|.*\|\n){2,3}", quiet.stdout), quiet.stdout
    again = call()
    assert without_noise(again.stderr) == "" and "Already trained for 1 epochs" in again.stdout
