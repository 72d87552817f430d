"""The GPU benchmark, without one."""

import json

import keras
import pytest

from benchmarks import gpu

TINY = {"input_res": 16, "nfilters": (2, 4), "pool_layers": (0, 1), "concat_branches": (0, 1)}
WITHOUT_TENSORFLOW = f"""
import json, sys
sys.modules["tensorflow"] = None
from benchmarks import gpu
print(json.dumps(gpu.run(1, (2, 3), steps=2, flags={TINY}).rows))
"""


def test_refused_without_a_gpu(monkeypatch, capsys):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.setattr(gpu, "devices", lambda kind=None: [])
    assert gpu.main([]) == 1
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("error: tensorflow sees no GPU")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert gpu.main(["--cpu"]) == 1
    assert "expected jax or tensorflow. Received: torch" in capsys.readouterr().err


def _check(rows, batches):
    assert [row["batch"] for row in rows] == [batch for batch in batches for _ in gpu.DTYPES]
    assert [row["dtype"] for row in rows] == [*gpu.DTYPES] * len(batches)
    for row in rows:
        assert row["seconds"] > 0
        assert row["rate"] == pytest.approx(row["batch"] / row["seconds"])
        assert row["hours"] == pytest.approx(48 * 9_843 / row["rate"] / 3600)


@pytest.mark.slow
def test_tensorflow_on_a_cpu():
    _check(gpu.run(1, (2,), steps=2, flags=TINY).rows, [2])
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.slow
def test_jax_on_a_cpu_where_there_is_no_tensorflow(start_python):
    pytest.importorskip("jax")
    done = start_python("-c", WITHOUT_TENSORFLOW, KERAS_BACKEND="jax", JAX_PLATFORMS="cpu").result()
    _check(json.loads(done.stdout), [2, 3])
