"""Each measurement at a tiny size; `transform` and `gpu` have tests of their own."""

import pytest

from benchmarks import alignment, pipeline, points, raycast, retrieval, scale, start, step
from benchmarks.network import VARIANTS, configuration
from spherical_cnn.errors import RecordError
from spherical_cnn.shapes.formats.mesh_writing import encode_mesh
from spherical_cnn.shapes.generated.procedural import FAMILIES, draw_mesh

TINY = {"input_res": 16, "nfilters": (2, 4), "pool_layers": (0, 1), "concat_branches": (0, 1)}


@pytest.fixture
def folder(tmp_path):
    """A folder of three meshes of two classes for training, and one for testing."""
    families = list(FAMILIES)
    for index, split in ((0, "train"), (1, "train"), (10, "train"), (11, "test")):
        path = tmp_path / families[index % len(families)] / split / f"{index}.off"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_mesh(draw_mesh("train", index, 0), path))
    return tmp_path


@pytest.mark.slow
def test_step():
    table = step.run(1, (1, 2), TINY)
    names = [(row["batch"], row["variant"]) for row in table.rows]
    assert names == [(batch, name) for batch in (1, 2) for name in VARIANTS]
    for row in table.rows:
        assert row["step"] > 0 and row["inference"] > 0 and row["peak"] > 1e8
        assert 0 < row["step_use"] < 1 and 0 < row["inference_use"] < 1
    assert [note.partition(":")[0] for note in table.notes] == ["Batch 1", "Batch 2"]


@pytest.mark.parametrize("name", step.NETWORKS)
def test_networks_have_options_that_exist(name):
    file, options = step.NETWORKS[name]
    changed = configuration(file, **options)
    assert all(getattr(changed, key) == value for key, value in options.items())


@pytest.mark.slow
def test_options(monkeypatch):
    chosen = {name: step.NETWORKS[name] for name in ("model-64", "planar-64")}
    monkeypatch.setattr(step, "NETWORKS", chosen)
    rows = step.run_options(1, {**TINY, "n_filter_params": 0}).rows
    assert [row["network"] for row in rows] == list(chosen)
    assert rows[0]["step_ratio"] == 1 and all(row["inference_ratio"] > 0 for row in rows)


@pytest.mark.slow
def test_pipeline(tmp_path):
    table = pipeline.run(1, records=40, flags=TINY)
    rows = {row["cache"]: row for row in table.rows}
    assert "warm" in rows and ("cold" in rows or "skipped: cold" in table.notes[1])
    assert all(row["rate"] > 0 and row["ratio"] > 0 for row in table.rows)
    with pytest.raises(RecordError, match=r"expected shards named train\*"):
        pipeline.run(1, str(tmp_path), flags=TINY)


@pytest.mark.slow
def test_start():
    rows = {row["what"]: row["seconds"] for row in start.run(1, TINY).rows}
    assert all(seconds > 0 for seconds in rows.values())
    assert rows["import keras"] < rows["first training step, plain"]


@pytest.mark.slow
def test_scale():
    base = {"batch": 1, "resolution": 16, "channels": 2}
    rows = scale.run(1, {"channels": (2, 4), "batch": (1, 2)}, base, TINY).rows
    assert [row["axis"] for row in rows] == ["channels", "batch"]
    assert all(min(row["seconds"]) > 0 and isinstance(row["exponent"], float) for row in rows)


@pytest.mark.slow
def test_raycast(folder):
    rows = raycast.run(folder, copies=2, rounds=1).rows
    assert [row["share"] for row in rows][0] == 1 and all(row["meshes"] > 0 for row in rows)


def test_points(folder):
    paths = sorted(folder.rglob("*.off"))
    few, many = points.run(paths, 2, resolution=8, densities=(256, 4096)).rows
    assert 0 < many["distance"] < few["distance"] and 0 < many["both"] < few["both"]
    assert 0 <= many["hit or miss"] < 0.1 and many["sine"] > 0


@pytest.mark.slow
def test_alignment(folder):
    (row,) = alignment.speed((4,)).rows
    assert row["ratio"] == pytest.approx(row["rate"] / row["slow_rate"])
    table = alignment.meshes(str(folder), resolution=16, rays_per_sample=1, rotations=1)
    assert "4 shapes" in table.title and table.rows[0]["median"] < 10


def test_retrieval(capsys):
    retrieval.main(["--shapes", "20", "--features", "8"])
    assert capsys.readouterr().out.startswith("20 × 20: ranked in 0.0 s, scored in")
