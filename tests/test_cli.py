"""The command line: its commands, their help, and what they import."""

import json
import os
import platform
import re
import subprocess
import sys

import keras
import pytest
from helpers import ROOT, box, without_noise, write_off

from spherical_cnn import errors
from spherical_cnn.cli import COMMANDS, dispatch, exit_code
from spherical_cnn.errors import ConfigError, DatasetError
from spherical_cnn.version import __version__

MODULES_OF_A_COMMAND = """
import json, sys
from spherical_cnn.cli import main
try:
    main()
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
HEAVY = {"keras", "tensorflow", "jax", "torch", "numpy", "scipy", "tqdm", "matplotlib"}


def scnn(*argv):
    """A finished `python -m spherical_cnn`, in a directory other than the repository's."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "spherical_cnn", *argv]
    return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True)


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"]])
def test_without_a_command_it_prints_all_commands(argv, capsys):
    assert exit_code(argv) == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: scnn COMMAND")
    for name, (_, what) in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(what)}$", text, re.M)


def test_the_version_names_what_the_program_runs_on(capsys):
    assert exit_code(["--version"]) == 0
    package, python, backend, device = capsys.readouterr().out.splitlines()
    assert package == f"spherical_cnn {__version__}"
    assert python == f"Python {platform.python_version()}"
    name = keras.backend.backend()
    assert re.fullmatch(rf"Keras {keras.__version__}, backend {name} \d+\.\d+\.\d+\S*", backend)
    assert re.fullmatch("device .+", device)


def test_the_version_without_a_backend_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    monkeypatch.setattr(errors.importlib.util, "find_spec", lambda name: None)
    assert exit_code(["--version"]) == 0
    package, _, keras_line = capsys.readouterr().out.splitlines()
    assert package == f"spherical_cnn {__version__}" and "keras" in keras_line


@pytest.mark.parametrize(
    ("installed", "variable", "stored", "chosen"),
    [
        (["tensorflow", "jax"], None, None, None),
        (["jax", "torch"], None, None, "jax"),
        (["torch"], None, "tensorflow", "torch"),
        (["jax", "torch"], None, "torch", None),
        (["jax"], "torch", None, "torch"),
        ([], None, None, None),
    ],
)
def test_an_installed_backend_is_used_unless_one_is_named(
    installed, variable, stored, chosen, monkeypatch, tmp_path
):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_BACKEND", variable or "")
    if variable is None:
        monkeypatch.delenv("KERAS_BACKEND")
    if stored:
        (tmp_path / "keras.json").write_text(json.dumps({"backend": stored}))
    monkeypatch.setattr(errors.importlib.util, "find_spec", lambda name: name in installed or None)
    errors.choose_backend()  # as `import spherical_cnn` does
    assert os.environ.get("KERAS_BACKEND") == chosen


LARGE = 10**15
_ALLOCATE = {
    "tensorflow": lambda tf: tf.zeros([LARGE]),
    "jax": lambda jax: jax.numpy.zeros([LARGE]),
    "torch": lambda torch: torch.zeros([LARGE]),
    "numpy": lambda numpy: numpy.ones(LARGE),
}


@pytest.mark.parametrize("package", _ALLOCATE)
def test_too_little_memory_is_a_line_that_says_what_to_do(package, capsys, monkeypatch):
    module = pytest.importorskip(package)

    def allocate(argv):
        _ALLOCATE[package](module)

    monkeypatch.setattr("spherical_cnn.cli.dispatch", allocate)
    for command, advice in (("train", "lower --train_bsize, end"), ("predict", "end")):
        assert exit_code([command]) == 1
        line = f"error: out of memory: {advice} other programs .*CUDA_VISIBLE_DEVICES=-1.*\n"
        assert re.fullmatch(line, capsys.readouterr().err)


def test_other_errors_are_raised(monkeypatch):
    def fail(argv):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("spherical_cnn.cli.dispatch", fail)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        exit_code(["train"])


@pytest.mark.parametrize("name", ["fly", "--colour", ""])
def test_an_unknown_command_is_refused_with_the_names_of_all(name, capsys):
    assert exit_code([name]) == 2
    error = capsys.readouterr().err
    assert error == f"error: expected a command: {', '.join(COMMANDS)}. Received: {name}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help(name, capsys):
    with pytest.raises(SystemExit) as ended:
        dispatch([name, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: scnn {name} ") and f"\n  scnn {name} " in text
    for flag in ("--debug", "--quiet", "@FILE reads flags from a file"):
        assert flag in text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_refuses_an_unknown_flag(name, capsys):
    assert exit_code([name, "--colour"]) == 2
    assert re.fullmatch("error: .*(--colour|required).*\n", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("bad flag"), 2),
        (DatasetError("no shapes"), 1),
        (OSError("disk full"), 1),
        (ImportError("ONNX needs tf2onnx"), 1),
    ],
)
def test_errors_become_a_line_and_an_exit_code_and_with_debug_a_traceback(
    error, code, capsys, monkeypatch
):
    def fail(argv):
        assert argv == ["build", "a"]
        raise error

    monkeypatch.setattr("spherical_cnn.cli.dispatch", fail)
    assert exit_code(["build", "a", "--quiet"]) == code
    assert capsys.readouterr().err == f"error: {error}\n"
    with pytest.raises(type(error), match=str(error)):
        exit_code(["build", "--debug", "a"])


@pytest.mark.parametrize(
    ("module", "backend", "line"),
    [
        (
            "embreex.rtcore",
            "jax",
            'embreex is not installed: pip install "spherical_cnn[shapes]". Where Embree has no '
            "wheel, such as on ARM Linux: scnn predict --caster device, scnn evaluate --caster "
            "device, scnn train --online",
        ),
        ("tqdm", "jax", 'tqdm is not installed: pip install "spherical_cnn[shapes,train]"'),
        (
            "tensorflow",
            "jax",
            'tensorflow is not installed: pip install "spherical_cnn[tensorflow]"',
        ),
        (
            "jax",
            "jax",
            'jax is not installed: pip install "spherical_cnn[jax]"; or set KERAS_BACKEND to '
            "tensorflow or torch",
        ),
        ("absent", "jax", "No module named 'absent'"),
    ],
)
def test_a_missing_package_ends_in_a_line_that_names_its_extra(
    module, backend, line, capsys, monkeypatch
):
    def fail(argv):
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setattr(errors, "installed_backends", lambda: ["tensorflow", "torch"])
    monkeypatch.setattr("spherical_cnn.cli.dispatch", fail)
    assert exit_code(["predict", "run"]) == 1
    assert capsys.readouterr().err == f"error: {line}\n"


def test_without_any_backend_a_line_says_that_keras_needs_one(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", "/absent")
    monkeypatch.setattr(errors, "installed_backends", lambda: [])
    error = ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow")
    assert errors.explain_import(error) == (
        'tensorflow is not installed: pip install "spherical_cnn[tensorflow]"; Keras needs this '
        "backend, or jax or torch: then set KERAS_BACKEND to its name"
    )


WITHOUT = """
import sys
sys.modules[sys.argv.pop(1)] = None  # importing it fails
from spherical_cnn.cli import main
main()
"""


@pytest.mark.parametrize(
    ("package", "extra", "command"),
    [
        ("embreex", "shapes", ["predict", "weights/modelnet40-points", "FILE"]),
        ("embreex", "shapes", ["show", "FILE", "--output=RUN.html"]),
        ("matplotlib", "train", ["train", "--online=embedded", "--n_epochs=1", "--logdir=RUN"]),
        ("matplotlib", "train", ["visualize", "signal", "FILE", "RUN.png", "--resolution=16"]),
    ],
)
def test_commands_without_an_extra_fail_before_they_write(package, extra, command, tmp_path):
    write_off(tmp_path / "box.off", *box())
    places = {"FILE": tmp_path / "box.off", "RUN": tmp_path / "run"}
    for word, path in places.items():
        command = [argument.replace(word, str(path)) for argument in command]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, package, *command, "--quiet"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    line = f'error: {package} is not installed: pip install "spherical_cnn[{extra}]"'
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(f"{re.escape(line)}(. Where Embree .*)?\n", without_noise(done.stderr))
    assert [path.name for path in tmp_path.iterdir()] == ["box.off"]


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["build", "my shapes", "out"], "interrupted; resume with: scnn build 'my shapes' out"),
        (["predict", "run"], "interrupted"),
    ],
)
def test_an_interrupted_command_that_can_resume_says_how(argv, line, capsys, monkeypatch):
    def interrupt(argv):
        raise KeyboardInterrupt

    monkeypatch.setattr("spherical_cnn.cli.dispatch", interrupt)
    assert exit_code(argv) == 130
    assert capsys.readouterr().err == f"{line}\n"


@pytest.mark.parametrize(
    "argv", [["--help"], ["presets"], *([name, "--help"] for name in COMMANDS)]
)
def test_a_help_imports_neither_keras_nor_numpy(argv):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", MODULES_OF_A_COMMAND, *argv]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout
    assert HEAVY.intersection(json.loads(done.stderr)) == set()


def test_the_module_is_a_program_with_the_exit_codes_of_its_commands():
    done = scnn("presets")
    assert (done.returncode, done.stderr) == (0, "") and "modelnet40-points" in done.stdout
    done = scnn("train", "--n_epochs=0", "--logdir=/absent/run")
    message = "error: --n_epochs: expected at least 1. Received: 0\n"
    assert (done.returncode, done.stdout, without_noise(done.stderr)) == (2, "", message)
