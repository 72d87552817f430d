"""What the project's files say about it agrees: versions, extras, Python."""

import os
import re
import stat
import subprocess
import tomllib

import pytest
from helpers import ROOT

from spherical_cnn.errors import _EXTRAS
from spherical_cnn.version import __version__

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
PYTHONS = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["classifiers"]))


def test_the_version_is_written_once_and_released():
    assert "version" in PROJECT["dynamic"] and "version" not in PROJECT
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert re.findall(r"^version: (.+)$", citation, re.M) == [__version__]
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", changes, re.M)
    assert released[0] == __version__
    (date,) = re.findall(rf"^## \[{re.escape(__version__)}\] - (\d{{4}}-\d\d-\d\d)$", changes, re.M)
    assert re.findall(r"^date-released: (.+)$", citation, re.M) == [date]


def test_messages_name_extras_that_exist():
    assert set(",".join(_EXTRAS.values()).split(",")) <= set(EXTRAS)
    for backend in ("tensorflow", "jax", "torch"):
        (requirement,) = EXTRAS[backend]
        assert requirement.startswith(backend)


def test_requirements_allow_what_the_package_does():
    listed = {}
    for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            name, bounds = re.fullmatch(r"([\w-]+)(.*)", line).groups()
            listed[name] = bounds
    for requirement in [*PROJECT["dependencies"], *EXTRAS["train"], *EXTRAS["shapes"]]:
        name, least = re.match(r"([\w-]+)>=([\d.]+)", requirement).groups()
        ours, theirs = (
            tuple(map(int, v.split("."))) for v in (least, listed[name][2:].split(",")[0])
        )
        assert theirs >= ours, name


def test_ci_has_the_pythons_and_backends_of_the_project():
    text = (ROOT / ".github/workflows/ci.yml").read_text("utf-8")
    assert re.findall(r'"(3\.\d+)"', text.split("python:")[1].split("\n")[0]) == PYTHONS
    assert "backend: [tensorflow, jax, torch]" in text
    targets = re.findall(r"^([\w -]+):", (ROOT / "Makefile").read_text("utf-8"), re.M)
    known = {name for names in targets for name in names.split()}
    assert set(re.findall(r"run: make ([\w-]+)(?= |$)", text, re.M)) - {"test-"} <= known


def test_make_refuses_an_old_python_in_a_line(tmp_path):
    python = tmp_path / "python3.8"
    python.write_text(
        '#!/bin/sh\ncase "$1" in -c) exit 1;; --version) echo Python 3.8.10;; *) exit 9;; esac\n'
    )
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    for name in ("requirements.txt", "pyproject.toml", "setup.py"):
        (tmp_path / name).touch()
    command = ["make", "--no-print-directory", f"PYTHON={python}"]
    outside = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    for target in ("demo", "test-jax"):
        done = subprocess.run(
            [*command, target], cwd=tmp_path, env=outside, capture_output=True, text=True
        )
        line = "is Python 3.8.10, expected Python 3.11 or newer: make PYTHON=python3.11"
        assert done.returncode == 2 and done.stdout == f"error: {python} {line} {target}\n"
        assert not os.path.exists(tmp_path / ".venv")


def test_a_checkout_refuses_an_old_python_in_a_line(monkeypatch):
    source = (ROOT / "spherical_cnn/__init__.py").read_text("utf-8")
    monkeypatch.setattr("sys.version_info", (3, 8, 10))
    monkeypatch.setattr("sys.version", "3.8.10 (default)")
    message = r"spherical_cnn needs Python 3\.11 or newer, this is Python 3\.8\.10$"
    with pytest.raises(ImportError, match=message):
        exec(source, {"__name__": "spherical_cnn"})  # our own module
