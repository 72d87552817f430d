"""Each section at a tiny size; `transform` has tests of its own."""

import pytest

from benchmarks import __main__ as command
from benchmarks import options, pipeline, scale, start, step
from benchmarks.harness import ChildError
from benchmarks.network import VARIANTS

pytestmark = pytest.mark.slow
TINY = {"input_res": 16, "nfilters": (2, 4), "pool_layers": (0, 1), "concat_branches": (0, 1)}


def test_step(monkeypatch):
    monkeypatch.setattr(step, "NAIVE_BATCH", 1)
    table = step.run(1, (1, 2), TINY)
    names = [(row["batch"], row["variant"]) for row in table.rows]
    assert names == [(1, n) for n in VARIANTS] + [(2, n) for n in VARIANTS if n != "naive"]
    for row in table.rows:
        assert row["step"] > 0 and row["inference"] > 0 and row["peak"] > 1e8
        assert row["step_flops"] > row["inference_flops"] > 0
    assert any("naive above batch 1" in note for note in table.notes)


def test_pipeline(tmp_path):
    table = pipeline.run(1, records=40, flags=TINY)
    rows = {row["cache"]: row for row in table.rows}
    assert "warm" in rows and ("cold" in rows or "skipped: cold" in table.notes[1])
    assert all(row["rate"] > 0 and row["ratio"] > 0 for row in table.rows)
    with pytest.raises(ChildError, match=r"expected shards named train\*"):
        pipeline.run(1, str(tmp_path), flags=TINY)


def test_start():
    rows = {row["what"]: row for row in start.run(1, TINY).rows}
    both = rows["import keras"]["seconds"] + rows["then import the layers"]["seconds"]
    assert both == pytest.approx(rows["both"]["seconds"])
    firsts = [row for name, row in rows.items() if name.startswith("first")]
    assert len(firsts) == 4 and all(0 < row["compiling"] < row["seconds"] for row in firsts)


def test_scale():
    base = {"batch": 1, "resolution": 8, "channels": 2}
    axes = {"batch": (1, 2), "resolution": (8, 16)}
    table = scale.run(1, {"channels": (2, 4)}, axes, base, TINY)
    assert [row["axis"] for row in table.rows] == ["channels", "batch", "resolution"]
    for row in table.rows:
        assert len(row["seconds"]) == len(row["bytes"]) == 2 and min(row["bytes"]) > 0
        assert row["time_exponent"] == pytest.approx(row["time_last"])


def test_options(monkeypatch):
    chosen = {name: options.OPTIONS[name] for name in ("model-64", "planar-64")}
    monkeypatch.setattr(options, "OPTIONS", chosen)
    rows = options.run(1, TINY).rows
    assert [row["option"] for row in rows] == list(chosen)
    assert rows[0]["step_ratio"] == 1 and all(row["inference_ratio"] > 0 for row in rows)


def test_rates():
    assert set(command.rates(1)) == {"product_flops", "copy_bytes"}
