"""The result of a run, as the log's table and as `report.md`."""

from __future__ import annotations

import re

import numpy as np

import spherical_cnn
from spherical_cnn.experiment import plots
from spherical_cnn.experiment.equivariance import table_lines


def result_table(name, metrics):
    """The result table, two aligned lines: accuracies on train, val, test; seconds per epoch."""
    titles = ["model", "train", "val", "test", "train time"]
    row = [name, *(f"{metrics[key]:.4f}" for key in ("train", "val", "test"))]
    row.append(f"{metrics['train_time']:.2f}")
    widths = [max(map(len, column)) for column in zip(titles, row, strict=True)]
    return [_line(titles, widths), _line(row, widths)]


def write_report(run, config, state, metrics, errors):
    """Writes `metrics.json`, `equivariance.json`, the plots and `report.md` of a tested run.

    Args:
        run: `RunFolder`.
        config: `Config`.
        state: of the final checkpoint.
        metrics: as returned by `spherical_cnn.experiment.training.test`.
        errors: as returned by `spherical_cnn.experiment.equivariance.measure_records`, or `None`.
    """
    confusion = np.asarray(metrics["confusion"])
    run.write_json("metrics.json", metrics)
    run.write("plots/confusion.png", plots.png(plots.confusion_figure(confusion)))
    run.write("plots/curves.png", plots.png(plots.curves_figure(state["history"])))
    if errors:
        run.write_json("equivariance.json", errors)
        run.write("plots/equivariance.png", plots.png(plots.equivariance_figure(errors)))
    run.write_text("report.md", _markdown(config, state, metrics, errors))


def _markdown(config, state, metrics, errors):
    history = state["history"]
    title, row = result_table(config.name, metrics)
    columns = ("epoch", "learning_rate", "train_accuracy", "valid_accuracy", "loss", "seconds")
    lines = [
        f"# {config.name}",
        "",
        f"spherical_cnn {spherical_cnn.__version__}; train, val and test are accuracies, "
        "train time is mean seconds per epoch.",
        "",
        title,
        re.sub(r"[^|]", "-", title),
        row,
        "",
        f"Test: {metrics['test_samples']} samples, loss {metrics['test_loss']:.4f}.",
        "",
        "![Confusion](plots/confusion.png)",
        "",
        "## Training",
        "",
        "![Curves](plots/curves.png)",
        "",
        f"| {' | '.join(columns)} |",
        f"|{'---|' * len(columns)}",
        *(f"| {' | '.join(f'{row[key]:.6g}' for key in columns)} |" for row in history),
        "",
        "## Equivariance",
        "",
        *_equivariance(errors),
        "",
        "## Options",
        "",
        "```",
        *config.to_flags(),
        "```",
        "",
    ]
    return "\n".join(lines)


def _equivariance(errors):
    if not errors:
        return ["Not measured: that needs lie_learn, which is not installed."]
    return [
        "Error of each layer, relative to its norm, when the first test signals, band-limited, "
        "are rotated exactly: medians over random rotations.",
        "",
        "![Equivariance](plots/equivariance.png)",
        "",
        *table_lines(errors),
    ]


def _line(cells, widths):
    first, *rest = zip(cells, widths, strict=True)
    return f"| {first[0]:<{first[1]}} | {' | '.join(f'{cell:>{width}}' for cell, width in rest)} |"
