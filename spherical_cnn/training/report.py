"""The result of a run: the table of the log, `report.md` and `report.html`."""

from __future__ import annotations

import numpy as np

import spherical_cnn
from spherical_cnn.reporting import plots
from spherical_cnn.reporting.page import Page
from spherical_cnn.reporting.sphere_plots import mistakes_figure
from spherical_cnn.training.equivariance import error_table

_HISTORY = {
    "epoch": "d",
    "learning_rate": "g",
    "train_accuracy": ".4f",
    "valid_accuracy": ".4f",
    "loss": ".4f",
    "seconds": ".1f",
}


def result_table(name, metrics):
    """The result table, two aligned lines: accuracies on train, val, test; seconds per epoch."""
    titles = ["model", "train", "val", "test", "train time"]
    accuracies = (metrics.get(key) for key in ("train", "val", "test"))
    row = [name, *("–" if accuracy is None else f"{accuracy:.4f}" for accuracy in accuracies)]
    row.append(f"{metrics['train_time']:.2f}")
    widths = [max(map(len, column)) for column in zip(titles, row, strict=True)]
    return [_line(titles, widths), _line(row, widths)]


def write_report(run, config, state, metrics, errors, mistakes):
    """Writes `metrics.json`, `equivariance.json`, the plots and the report of a tested run.

    Args:
        run: `RunFolder`.
        config: `Config`.
        state: of the final checkpoint.
        metrics: as returned by `spherical_cnn.training.run.test`.
        errors: as returned by `spherical_cnn.training.equivariance.measure_records`.
        mistakes: as returned by `spherical_cnn.training.metrics.worst_mistakes`.
    """
    data = run.read_data()
    classes = class_names(data, config.n_classes)
    run.write_json("metrics.json", metrics)
    page = Page(config.name)

    def picture(name, figure):
        pixels = plots.png(figure)
        run.write(f"plots/{name}.png", pixels)
        page.picture(name.capitalize(), f"plots/{name}.png", pixels)

    add_results(page, config, metrics)
    picture("confusion", plots.confusion_figure(np.asarray(metrics["confusion"]), classes))
    page.heading("Training")
    picture("curves", plots.curves_figure(state["history"]))
    columns = {
        name: [f"{row[name]:{form}}" if name in row else "–" for row in state["history"]]
        for name, form in _HISTORY.items()
        if any(name in row for row in state["history"])
    }
    page.table(
        [name.replace("_", " ") for name in columns], list(zip(*columns.values(), strict=True))
    )
    page.heading("Equivariance")
    run.write_json("equivariance.json", errors)
    page.text(
        "Error of each layer, relative to its norm, when the first test signals, band-limited, "
        "are rotated exactly: medians over random rotations."
    )
    picture("equivariance", plots.equivariance_figure(errors))
    page.table(*error_table(errors))
    page.heading("Worst mistakes")
    if mistakes:
        page.text("The distances of the test samples that are most surely taken for another class.")
        picture("mistakes", mistakes_figure(mistakes, classes))
    else:
        page.text("None.")
    page.heading("Data")
    page.code([f"shards: {config.dset_dir}", *data_lines(data)])
    page.heading("Options")
    page.code(config.to_flags())
    run.write_text("report.md", page.markdown())
    run.write_text("report.html", page.html())


def class_names(data, count):
    """Names of a run's classes, numbers where its data set had no manifest.

    Args:
        data: of `RunFolder.read_data`.
        count: of the classes.
    """
    named = data["classes"]
    return [*named, *(str(label) for label in range(len(named), count))]


def add_results(page, config, metrics):
    """Puts a run's figures, as returned by `training.test`, on a `Page`."""
    page.text(
        f"spherical_cnn {spherical_cnn.__version__}; train, val and test are accuracies, "
        "train time is mean seconds per epoch."
    )
    header, row = (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in result_table(config.name, metrics)
    )
    page.table(header, [row])
    page.text(f"Test: {metrics['test_samples']} samples, loss {metrics['test_loss']:.4f}.")


def data_lines(data):
    """What is known of the making of a run's data set, of `RunFolder.read_data`, line by line."""
    if not data["options"]:
        return []
    lines = [f"source: {data['source']}", f"classes: {', '.join(data['classes'])}"]
    return lines + [f"{name}: {value}" for name, value in data["options"].items()]


def _line(cells, widths):
    first, *rest = zip(cells, widths, strict=True)
    return f"| {first[0]:<{first[1]}} | {' | '.join(f'{cell:>{width}}' for cell, width in rest)} |"
