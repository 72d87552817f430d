"""The wheel: what it holds, and what it does in fresh environments with one backend each."""

import email
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest
from helpers import ROOT, box, write_off

from spherical_cnn.presets import DEFAULT, PRESETS
from spherical_cnn.version import __version__

pytestmark = pytest.mark.slow
OWN = (
    "spherical_cnn",
    "params",
    "weights",
    "*.md",
    "*.toml",
    "*.in",
    "setup.py",
    "LICENSE",
    "*.cff",
)
# With a backend and what it and Keras bring along; no extra is installed yet.
LIBRARY = """
import sys
import keras, numpy as np, spherical_cnn as scnn
assert keras.backend.backend() == sys.argv[1]
maps = scnn.SphericalBlock(4, num_anchors=3)(np.ones((1, 16, 16, 2), "float32"))
assert tuple(scnn.SphericalPooling()(maps).shape) == (1, 8, 8, 4)
run = scnn.from_preset(sys.argv[2])
model = keras.Sequential([run.descriptor, keras.layers.Dense(3)])
samples = np.random.default_rng(0).normal(size=(2, *model.input_shape[1:])) / 4
print(run.class_names[8], model.predict(samples, verbose=0).shape)
assert not {"tensorflow", "jax", "torch"} - {sys.argv[1]} & set(sys.modules)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel, made from the source distribution, and that."""
    pytest.importorskip("build")
    folder = tmp_path_factory.mktemp("built")
    for pattern in OWN:
        for path in ROOT.glob(pattern):
            copy = shutil.copytree if path.is_dir() else shutil.copy
            copy(path, folder / path.name)
    subprocess.run([sys.executable, "-m", "build", folder], check=True, capture_output=True)
    (wheel,), (source,) = (folder.glob(f"dist/*{suffix}") for suffix in (".whl", ".tar.gz"))
    return wheel, source


def test_the_wheel_holds_what_its_commands_need(built):
    with zipfile.ZipFile(built[0]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    expected = set()
    for folder in ("spherical_cnn", "params", "weights"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.parent.name != "__pycache__":
                inside = path.relative_to(ROOT).as_posix()
                expected.add(inside if folder == "spherical_cnn" else f"spherical_cnn/{inside}")
    assert "spherical_cnn/py.typed" in expected
    assert names == expected


def test_what_an_index_shows_is_whole(built):
    with zipfile.ZipFile(built[0]) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
        text = email.message_from_bytes(wheel.read(name))
    assert (text["Version"], text["License-Expression"]) == (__version__, "MIT")
    assert text["Author"] and text["Keywords"] and text.get_all("Project-URL")
    assert "Programming Language :: Python :: 3.13" in text.get_all("Classifier")
    page = text.get_payload()
    assert "Two commands" in page and re.findall(r"\]\((?!https?:)[^)]*\)", page) == []
    pytest.importorskip("twine")
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *built], check=True)


@pytest.fixture(scope="module", params=["tensorflow", "jax", "torch"])
def there(request, built, tmp_path_factory):
    """Backend, and `call(program, *arguments)` in an environment with the wheel and it alone."""
    backend = request.param
    requirement = f"{built[0]}[{backend}]"
    if backend == "torch":  # where it is installed, pip finds a wheel for this machine
        version = pytest.importorskip("torch").__version__.partition("+")[0]
        requirement = f"{built[0]} torch=={version}"
    folder = tmp_path_factory.mktemp(backend)
    subprocess.run([sys.executable, "-m", "venv", folder / "env"], check=True)
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    clean.pop("KERAS_BACKEND", None)

    def call(program, *arguments, cwd=folder, **variables):
        done = subprocess.run(
            [folder / "env/bin" / program, *map(str, arguments)],
            env={**clean, **variables},
            cwd=cwd,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    install = functools.partial(call, "pip", "install", "--quiet")
    install(*requirement.split())
    call("python", "-c", LIBRARY, backend, DEFAULT, KERAS_BACKEND=backend)
    install(f"{built[0]}[shapes,train]")
    installed = {line.split("==")[0] for line in call("pip", "freeze").splitlines()}
    assert (
        not {"tensorflow", "jax", "torch"} - {backend} & installed and "lie_learn" not in installed
    )
    return backend, call


def test_a_mesh_is_classified_by_the_backend_that_is_installed(there, tmp_path):
    backend, call = there
    assert f"backend {backend} " in call("scnn", "--version", cwd=tmp_path)
    write_off(tmp_path / "box.off", *box((1, 2, 3.5)))
    (found,) = json.loads(call("scnn", "predict", "box.off", "--json", cwd=tmp_path))
    assert found["error"] == "" and len(found["classes"]) == 3
    names = json.loads(call("scnn", "presets", "--json", cwd=tmp_path))
    assert [one["name"] for one in names] == list(PRESETS)


def test_networks_are_measured_and_tested(there, tmp_path):
    _, call = there
    for split in ("chair", "table"):
        (tmp_path / "shapes" / split / "test").mkdir(parents=True)
        write_off(tmp_path / "shapes" / split / "test/a.off", *box((1, 1, 2)))
    results = json.loads(call("scnn", "evaluate", DEFAULT, "shapes", "--json", cwd=tmp_path))
    assert results["test_samples"] == 2 and results["skipped"] == []
    one = ["--shapes=1", "--rotations=1", "--input_res=16", "--nfilters=4,4,4,4,4,4,4,4"]
    argv = ["embedded", "@params/model-64.txt", "@params/m10-64.txt", *one]
    assert "| logits |" in call("scnn", "equivariance", *argv, cwd=tmp_path)


def test_shapes_are_aligned(there, tmp_path):
    _, call = there
    for name, sides in (("a.off", (1, 2, 3.5)), ("b.off", (3.5, 1, 2))):
        write_off(tmp_path / name, *box(sides))
    argv = ["a.off", "b.off", "--resolution", 16, "--json"]
    aligned = json.loads(call("scnn", "align", *argv, cwd=tmp_path))
    assert aligned["rotations"][0]["correlation"] > 0.99


def test_a_network_is_trained_on_online_data(there, tmp_path):
    _, call = there
    shapes = ["--online=embedded", "--embedded_shapes=20,0,10"]
    network = ["--input_res=16", "--nfilters=4,4", "--pool_layers=0,1", "--concat_branches=0,1"]
    training = ["--n_epochs=1", "--train_bsize=10", "--skip_val", "--logdir=run"]
    call("scnn", "train", *shapes, *network, *training, cwd=tmp_path)
    assert {"report.html", "metrics.json"} <= {path.name for path in (tmp_path / "run").iterdir()}
