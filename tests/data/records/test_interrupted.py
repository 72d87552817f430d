"""No interruption changes a byte: by hand, by a kill, by a full disk, by a second build."""

import contextlib
import fcntl
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from concurrent import futures

import pytest
from helpers import ROOT

from spherical_cnn.cli import exit_code
from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.data.records import build as building
from spherical_cnn.data.records.build import build
from spherical_cnn.data.records.writer import write_part
from spherical_cnn.errors import DatasetError

SMALL = DatasetConfig(resolution=8)


class Interruption:
    """`progress` that ends the build once `last` shapes are done."""

    def __init__(self, last):
        self.last = last

    def __call__(self, done, total):
        assert total == 10
        if done >= self.last:
            raise KeyboardInterrupt


@pytest.mark.parametrize("last", [0, 1, 5, 6, 7, 10])
def test_interrupted_it_ends_at_the_same_bytes(built, out, shards, small_parts, last):
    source, folder, config, manifest = built
    with pytest.raises(KeyboardInterrupt):
        build(source, out, config, progress=Interruption(last))
    assert shards(out) == {} and not (out / "manifest.json").exists()
    left = out / ".building/.writing-1-train-0-1"  # as a kill leaves a part, a file, a shard
    left.mkdir()
    for name in (".writing-1-train-0-1/0", ".writing-abc", "train0.tfrecord-"):
        (out / ".building" / name).write_bytes(b"left")
    seen = []
    assert build(source, out, config, progress=lambda *state: seen.append(state)) == manifest
    assert seen[0] == (min(last, 6), 10)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen) and seen[-1] == (10, 10)
    assert shards(out) == shards(folder) and not (out / ".building").exists()


@pytest.mark.parametrize("function", ["rename", "truncate"])
@pytest.mark.parametrize("calls", range(0, 14))
def test_killed_between_two_changes_of_the_folder(
    built, out, shards, small_parts, monkeypatch, function, calls
):
    source, folder, config, manifest = built
    real, allowed = getattr(os, function), iter(range(calls))

    def killed(*args):
        if next(allowed, None) is None:
            raise KeyboardInterrupt
        real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(os, function, killed)
        with pytest.raises(KeyboardInterrupt):
            build(source, out, config)
    assert build(source, out, config) == manifest
    assert shards(out) == shards(folder) and not (out / ".building").exists()


@pytest.mark.parametrize("lost", [".building/train1.tfrecord", "train1.tfrecord"])
def test_a_shard_that_was_whole_and_is_gone_is_reported(built, out, small_parts, monkeypatch, lost):
    source, _, config, _ = built

    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(building, "_checksum", killed)
    with pytest.raises(KeyboardInterrupt):
        build(source, out, config)
    if lost.startswith("."):
        os.rename(out / "train1.tfrecord", out / lost)
    (out / lost).unlink()
    message = r"out/.building/train-0-1/1: found 0 bytes, expected \d+; remove the folder"
    for _ in range(2):
        with pytest.raises(DatasetError, match=message):
            build(source, out, config)


def test_an_interrupted_build_is_continued_by_its_own_request_only(built, out, small_parts):
    source, _, config, _ = built
    with pytest.raises(KeyboardInterrupt):
        build(source, out, config, progress=Interruption(2))
    with pytest.raises(DatasetError, match="holds another dataset: .*data_seed 0 there, 1 here"):
        build(source, out, DatasetConfig(resolution=8, copies=2, data_seed=1))


def test_two_builds_at_once_in_one_folder(built, out, shards, small_parts):
    source, folder, config, manifest = built
    errors = []

    def intrude(done, total):
        with pytest.raises(DatasetError, match="out: another process is building it") as error:
            build(source, out, config)
        errors.append(error)

    assert build(source, out, config, progress=intrude) == manifest
    assert len(errors) > 5 and shards(out) == shards(folder)


def test_a_lock_of_another_process_is_heeded(source, out):
    (out / ".building").mkdir(parents=True)
    with open(out / ".building/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DatasetError, match="another process is building it"):
            build(source, out, SMALL)
    build(source, out, SMALL)


@pytest.mark.parametrize("text", ["", "{", "[1]", "{}", "null", "\0", "[" * 10**5])
def test_a_damaged_request_is_named_and_nothing_removed(source, out, small_parts, text):
    with pytest.raises(KeyboardInterrupt):
        build(source, out, SMALL, progress=Interruption(4))
    (out / ".building/request.json").write_text(text)
    before = {path: path.is_file() and path.read_bytes() for path in out.rglob("*")}
    message = f"{out}/.building/request.json: damaged; remove {out}/.building to build again"
    with pytest.raises(DatasetError, match=message):
        build(source, out, SMALL)
    assert {path: path.is_file() and path.read_bytes() for path in out.rglob("*")} == before


def test_a_worker_that_dies_ends_the_build_resumably(built, out, shards, small_parts, monkeypatch):
    source, folder, config, manifest = built

    def die(part):
        raise futures.BrokenExecutor

    monkeypatch.setattr(building, "write_part", die)
    with pytest.raises(DatasetError, match="out: a worker died.* the same command resumes"):
        build(source, out, config)
    monkeypatch.undo()
    assert build(source, out, config) == manifest and shards(out) == shards(folder)


@pytest.mark.parametrize("lose", [lambda path: os.truncate(path, 10), os.remove])
def test_a_part_that_lost_bytes_never_reaches_a_shard(built, out, small_parts, monkeypatch, lose):
    source, _, config, _ = built

    def write_and_lose(part):
        write_part(part)
        if part.path.endswith("train-1-1"):
            lose(os.path.join(part.path, "1"))

    monkeypatch.setattr(building, "write_part", write_and_lose)
    message = r"out/.building/train-1-1/1: found \d+ bytes, expected \d+; remove the folder"
    with pytest.raises(DatasetError, match=message):
        build(source, out, config)


@contextlib.contextmanager
def small_disk(folder, size):
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError as error:
        pytest.skip(f"no full disk without mount: {error}")
    if done.returncode:
        pytest.skip(f"no full disk without the right to mount: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="module")
def many_copies(built, tmp_path_factory, shards):
    """Shards that fill a small disk."""
    folder = tmp_path_factory.mktemp("many") / "out"
    build(built[0], folder, DatasetConfig(resolution=16, copies=12))
    return shards(folder)


@pytest.mark.parametrize("size", ["8k", "80k", "120k"])  # for a part; for its shards; for the next
def test_a_full_disk(built, many_copies, tmp_path, shards, capsys, size):
    source = built[0]
    with small_disk(tmp_path / "disk", size) as disk:
        argv = [str(source), str(disk / "out"), "--resolution=16", "--copies=12"]
        assert exit_code(["build", *argv]) == 1
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert error.startswith(f"error: {disk / 'out'}"), error
        assert "No space left on device; what is written is kept, the same command resumes" in error
        assert not shards(disk / "out")
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        assert exit_code(["build", *argv]) == 0
        assert shards(disk / "out") == many_copies


def start(folder, *flags):
    """`scnn build` of 300 embedded shapes, four copies, in a session of its own."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "spherical_cnn", "build", "embedded", str(folder)),
            *("--resolution=8", "--copies=4", "--embedded_shapes=300,0,40", *flags),
        ],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for(process, folder, moment):
    """Waits until `moment(folder / ".building")`; returns whether the process is still running."""
    while process.poll() is None:
        if moment(folder / ".building"):
            return True
        time.sleep(0.002)
    return False


def exists(pattern, number=1):
    return lambda folder: len(list(folder.glob(pattern))) >= number


def session(leader):
    """Processes of a session that still run."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append(int(stat.parent.name))
    return found


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_at_the_same_bytes(tmp_path, shards):
    folder = tmp_path / "killed"
    kills = 0
    for moment in (
        *(exists("*"), exists("request.json"), exists("train-*"), exists("train-*", 5)),
        *(exists("train0.tfrecord"), exists("test-*"), exists("test3.tfrecord*")),
    ):
        process = start(folder)
        if wait_for(process, folder, moment):
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
    assert kills >= 4
    process = start(folder)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    config = DatasetConfig(resolution=8, copies=4, embedded_shapes=(300, 0, 40))
    manifest = build("embedded", tmp_path / "whole", config)
    assert json.loads((folder / "manifest.json").read_text()) == manifest
    assert shards(folder) == shards(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_workers_do_not_outlive_the_build(out, number):
    process = start(out, "--workers=2")
    try:
        assert wait_for(process, out, exists("train-*"))
        process.send_signal(number)
        output, _ = process.communicate() if number == signal.SIGINT else (process.wait(), None)
        if number == signal.SIGINT:
            assert process.returncode == 130 and "Traceback" not in str(output)
        deadline = time.monotonic() + 20
        while session(process.pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert session(process.pid) == []
    finally:
        for pid in session(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.stdout.close()
