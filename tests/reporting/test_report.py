"""The report of a run: one HTML file with its results, pictures, data and options."""

import dataclasses
import html
import re

import pytest

from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.training.report import (
    dataset_lines,
    option_lines,
    result_cells,
    result_table,
    write_report,
)
from spherical_cnn.training.run import load_run
from spherical_cnn.training.run_config import RunConfig

METRICS = {"train": 0.98765, "test": 0.5, "train_time": 12.345}


def test_the_report_of_a_run_is_one_html_file(finished):
    folder, _, metrics = finished
    assert not list(folder.rglob("*.md"))
    assert list(folder.rglob("*.html")) == [folder / "report.html"]
    page = (folder / "report.html").read_text(encoding="utf-8")
    sources = re.findall(r'src="([^"]*)"', page)
    assert len(list(folder.glob("plots/*.png"))) == 3 < len(sources)
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "href=" not in page
    for key in ("test", "val", "train"):
        assert f"<b>{100 * metrics[key]:.1f} %</b>" in page


def test_mistakes_have_a_sentence_on_shapes_that_are_not_found(finished):
    page = (finished[0] / "report.html").read_text(encoding="utf-8")
    assert "The shapes are missing: the dataset does not say where they are." in page


def test_the_report_ends_with_the_options_that_differ_from_their_defaults(finished):
    page = (finished[0] / "report.html").read_text(encoding="utf-8")
    last = html.unescape(re.findall("<pre>(.*?)</pre>", page, re.S)[-1]).splitlines()
    assert last == load_run(finished[0]).config.to_flags()
    assert f"--dset_dir={load_run(finished[0]).config.dset_dir}" in last


def test_the_report_of_a_run_on_online_data_names_its_source_and_no_tfrecords(copied):
    run = load_run(copied[0])
    dataset = DatasetConfig(resolution=16, rays_per_sample=7)
    made = {"source": "shapes.npz", "classes": ["bed"], "options": dataset.to_dict()}
    run.folder.write("data.json", made)
    run.config = dataclasses.replace(run.config, online="shapes.npz", dset_dir="")
    errors = {"exact": {"layers": {"signal": [0.0]}, "flips": [0.0]}}
    write_report(run, run.folder.read_metrics(), errors, [])
    page = html.unescape((copied[0] / "report.html").read_text(encoding="utf-8"))
    assert "source: shapes.npz" in page and "rays_per_sample: 7" in page
    assert "--online=shapes.npz" in page
    assert "TFRecords:" not in page and "--dset_dir" not in page


def test_an_empty_folder_of_records_is_no_flag():
    assert option_lines(RunConfig(seed=3, dset_dir="")) == ["--seed=3"]
    assert option_lines(RunConfig(dset_dir="/data")) == ["--dset_dir=/data"]


def test_a_dataset_without_manifest_has_no_lines():
    assert dataset_lines({"source": None, "classes": [], "options": {}}) == []


@pytest.mark.parametrize(("measured", "cell"), [({}, "–"), ({"val": 0.25}, "0.2500")])
def test_what_was_not_measured_is_a_dash(measured, cell):
    header, row = result_cells("net", {**METRICS, **measured})
    assert header == ["model", "train", "val", "test", "train time"]
    assert row == ["net", "0.9877", cell, "0.5000", "12.35"]


def test_the_table_of_the_log_is_aligned():
    lines = result_table("a-long-name", METRICS)
    assert lines == [
        "| model       |  train | val |   test | train time |",
        "| a-long-name | 0.9877 |   – | 0.5000 |      12.35 |",
    ]
