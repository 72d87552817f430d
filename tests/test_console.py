"""Output that cannot be printed stops no command."""

import io
import os
import subprocess
import sys

import pytest
from helpers import ROOT

from spherical_cnn.console import SafeStream

PRINT = """
import os, sys
from spherical_cnn import cli

def print_and_write(argv):
    print("St\\u00fchle \\u2026", os.fsdecode(b"caf\\xe9.off"), flush=True)
    open(argv[0], "w").close()

cli.dispatch = print_and_write
cli.main()
"""


@pytest.fixture
def call(tmp_path):
    """`call(variables, **streams)`: the finished process of a command that prints."""

    def run(variables=(), **streams):
        (tmp_path / "command.py").write_text(PRINT)
        done = subprocess.run(
            [sys.executable, str(tmp_path / "command.py"), str(tmp_path / "written")],
            env={**os.environ, "PYTHONPATH": str(ROOT), **dict(variables)},
            stderr=subprocess.PIPE,
            **streams,
        )
        assert (tmp_path / "written").exists() and b"Traceback" not in done.stderr, done.stderr
        return done

    return run


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("utf-8", "Stühle … caf\\udce9.off\n"), ("ascii", "St\\xfchle \\u2026 caf\\udce9.off\n")],
)
def test_characters_that_an_encoding_lacks_become_escapes(encoding, expected, tmp_path):
    with open(tmp_path / "out", "wb") as file:
        stream = SafeStream(file, encoding, line_buffering=True)
        print("Stühle …", os.fsdecode(b"caf\xe9.off"), file=stream)
        stream.flush()
    assert (tmp_path / "out").read_text(encoding) == expected


@pytest.mark.parametrize(
    "variables", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}]
)
def test_a_command_on_an_ascii_terminal_does_its_work(call, variables):
    done = call(variables, stdout=subprocess.PIPE)
    assert done.returncode == 0 and b"hle " in done.stdout


def test_a_closed_pipe_does_not_stop_a_command(call):
    reader, writer = os.pipe()
    os.close(reader)
    done = call(stdout=writer)
    os.close(writer)
    assert done.returncode == 0 and b"BrokenPipe" not in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_reported_after_the_work_is_done(call):
    with open("/dev/full", "wb") as full:
        done = call(stdout=full)
    assert done.returncode == 1
    assert b"error: standard output: No space left on device; files are written" in done.stderr


def test_a_stream_keeps_what_was_written_before_it_failed():
    stream = SafeStream(io.BytesIO(), "ascii", line_buffering=False)
    assert stream.write("…") == 1 and stream.failure is None
    stream.flush()
    assert stream.buffer.getvalue() == b"\\u2026"
