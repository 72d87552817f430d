"""The result of a run, as the log's table and as `report.md`."""

from __future__ import annotations

import numpy as np

import spherical_cnn
from spherical_cnn.experiment import plots


def result_rows(name, metrics):
    """The result table, one text line a row: accuracies of train, val, test; seconds per epoch."""
    row = [name, *(f"{metrics[key]:.4f}" for key in ("train", "val", "test"))]
    return [
        "| model | train | val | test | train time |",
        "|---|---|---|---|---|",
        f"| {' | '.join(row)} | {metrics['train_time']:.1f} |",
    ]


def write_report(run, config, state, metrics):
    """Writes `metrics.json`, the plots and `report.md` of a tested run.

    Args:
        run: `RunFolder`.
        config: `Config`.
        state: of the final checkpoint.
        metrics: as returned by `spherical_cnn.experiment.training.test`.
    """
    confusion = np.asarray(metrics["confusion"])
    run.write_json("metrics.json", metrics)
    run.write("plots/confusion.png", plots.png(plots.confusion_figure(confusion)))
    run.write("plots/curves.png", plots.png(plots.curves_figure(state["history"])))
    run.write_text("report.md", _markdown(config, state, metrics))


def _markdown(config, state, metrics):
    history = state["history"]
    columns = ("epoch", "learning_rate", "train_accuracy", "valid_accuracy", "loss", "seconds")
    lines = [
        f"# {config.name}",
        "",
        f"spherical_cnn {spherical_cnn.__version__}; train, val and test are accuracies, "
        "train time is mean seconds per epoch.",
        "",
        *result_rows(config.name, metrics),
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
        "## Options",
        "",
        "```",
        *config.to_flags(),
        "```",
        "",
    ]
    return "\n".join(lines)
