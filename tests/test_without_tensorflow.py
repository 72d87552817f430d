"""A fresh environment with JAX and NumPy 2, without TensorFlow: what works there."""

import json
import os
import subprocess
import sys

import pytest
from helpers import ROOT, box, write_off

pytestmark = pytest.mark.slow
WEIGHTS = ROOT / "weights/modelnet40-points"
LAYERS = """
import sys
import numpy as np, keras, spherical_cnn as scnn
assert keras.backend.backend() == "jax" and int(np.__version__.split(".")[0]) >= 2
maps = scnn.SphericalBlock(4, num_anchors=3)(np.ones((1, 16, 16, 2), "float32"))
assert tuple(scnn.SphericalPooling()(maps).shape) == (1, 8, 8, 4)
assert "tensorflow" not in sys.modules
"""


@pytest.fixture(scope="module")
def run_there(tmp_path_factory):
    """Runs Python or `scnn` in an environment with the package, installed from this checkout."""
    folder = tmp_path_factory.mktemp("jax")
    subprocess.run([sys.executable, "-m", "venv", folder / "env"], check=True)
    install = [folder / "env/bin/pip", "install", "--quiet", "--no-warn-script-location"]
    subprocess.run([*install, f"{ROOT}[jax,train,shapes]"], check=True)
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def run(program, *arguments):
        done = subprocess.run(
            [folder / "env/bin" / program, *map(str, arguments)],
            env={**clean, "KERAS_BACKEND": "jax"},
            cwd=folder,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_tensorflow_is_absent_and_layers_compute(run_there):
    installed = {line.split("==")[0] for line in run_there("pip", "freeze").splitlines()}
    assert not {"tensorflow", "lie_learn"} & installed
    run_there("python", "-c", LAYERS)


def test_predict_evaluate_and_align(run_there, tmp_path):
    for name, sides in (("a.off", (1, 2, 3.5)), ("b.off", (3.5, 1, 2))):
        write_off(tmp_path / name, *box(sides))
    a, b = tmp_path / "a.off", tmp_path / "b.off"
    (found,) = json.loads(run_there("scnn", "predict", WEIGHTS, a, "--kind", "mesh", "--json"))
    assert found["error"] == "" and len(found["classes"]) == 3
    aligned = json.loads(run_there("scnn", "align", a, b, "--resolution", 16, "--json"))
    assert aligned["rotations"][0]["correlation"] > 0.99
    for split in ("chair", "table"):
        (tmp_path / "shapes" / split / "test").mkdir(parents=True)
        write_off(tmp_path / "shapes" / split / "test/a.off", *box((1, 1, 2)))
    flags = ["--kind", "mesh", "--json"]
    results = json.loads(run_there("scnn", "evaluate", WEIGHTS, tmp_path / "shapes", *flags))
    assert results["test_samples"] == 2 and results["skipped"] == []


def test_online_training_and_its_run(run_there, tmp_path):
    shapes = ["--online=embedded", "--embedded_shapes=20,0,10"]
    network = ["--input_res=16", "--nfilters=4,4", "--pool_layers=0,1", "--concat_branches=0,1"]
    training = ["--n_epochs=1", "--train_bsize=10", "--skip_val", f"--logdir={tmp_path / 'run'}"]
    run_there("scnn", "train", *shapes, *network, *training)
    assert {"report.html", "metrics.json"} <= {path.name for path in (tmp_path / "run").iterdir()}
    equivariance = ["embedded", f"--logdir={tmp_path / 'run'}", "--shapes=1", "--rotations=1"]
    assert "| logits |" in run_there("scnn", "equivariance", *equivariance)
