"""The results of a run: the table of the log, `metrics.json`, plots and `report.html`."""

from __future__ import annotations

import numpy as np

from spherical_cnn.nn.layer_errors import error_table
from spherical_cnn.reporting import plots
from spherical_cnn.reporting.page import Page
from spherical_cnn.reporting.sphere_plots import mistakes_figure
from spherical_cnn.training.metrics import Mistake
from spherical_cnn.training.run import Run
from spherical_cnn.version import __version__

_HISTORY = {
    "epoch": "d",
    "learning_rate": "g",
    "train_accuracy": ".4f",
    "valid_accuracy": ".4f",
    "loss": ".4f",
    "seconds": ".1f",
}


def result_cells(name, metrics):
    """Returns the result table `(header, row)`: accuracies of train, val, test; seconds per epoch.

    "–" stands for what was not measured.
    """
    accuracies = (metrics.get(key) for key in ("train", "val", "test"))
    cells = ("–" if accuracy is None else f"{accuracy:.4f}" for accuracy in accuracies)
    header = ["model", "train", "val", "test", "train time"]
    return header, [name, *cells, f"{metrics['train_time']:.2f}"]


def result_table(name, metrics):
    """Returns the result table as two aligned lines of text; see `result_cells`."""
    table = result_cells(name, metrics)
    first, *others = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for cells in table:
        aligned = [cells[0].ljust(first), *map(str.rjust, cells[1:], others)]
        lines.append(f"| {' | '.join(aligned)} |")
    return lines


def write_report(run: Run, metrics, errors, mistakes: list[Mistake]):
    """Writes `metrics.json`, `equivariance.json`, the plots and `report.html` of a tested run.

    `errors` holds what `layer_errors.measure` returns, by the method of rotation.
    """
    folder, config, history = run.folder, run.config, run.state["history"]
    folder.write("metrics.json", metrics)
    folder.write("equivariance.json", errors)
    page = Page(config.name)

    def picture(name, figure):
        pixels = plots.encode_figure(figure)
        folder.write(f"plots/{name}.png", pixels)
        page.picture(name.capitalize(), pixels)

    header, row = result_cells(config.name, metrics)
    page.text(accuracy_note())
    page.table(header, [row])
    page.text(test_note(metrics))
    counts = np.asarray(metrics["confusion"])
    picture("confusion", plots.confusion_figure(counts, run.class_names))
    page.heading("Training")
    picture("curves", plots.curves_figure(history))
    columns = {n: form for n, form in _HISTORY.items() if any(n in row for row in history)}
    rows = [
        [f"{row[name]:{form}}" if name in row else "–" for name, form in columns.items()]
        for row in history
    ]
    page.table([name.replace("_", " ") for name in columns], rows)
    page.heading("Equivariance")
    page.text(
        "Error of each layer relative to its norm when the first test signals, band-limited, are "
        "rotated exactly: medians over random rotations."
    )
    picture("equivariance", plots.equivariance_figure(errors))
    page.table(*error_table(errors))
    page.heading("Worst mistakes")
    if mistakes:
        page.text("Distances of the test samples that are misclassified most confidently.")
        picture("mistakes", mistakes_figure(mistakes, run.class_names))
    else:
        page.text("None.")
    page.heading("Data")
    where = [] if config.online else [f"TFRecords: {config.dset_dir}"]
    page.code([*where, *dataset_lines(run.dataset)])
    page.heading("Options")
    precision = "TensorFloat-32 where the GPU has it" if config.tf32 else "full float32"
    page.text(f"Products of matrices in training: {precision}. The errors above: full float32.")
    page.code(option_lines(config))
    folder.write("report.html", page.html())


def accuracy_note():
    """Returns a sentence on the columns of the result table."""
    return (
        f"spherical_cnn {__version__}; train, val and test are accuracies, train time is the mean "
        "number of seconds per epoch."
    )


def test_note(metrics):
    """Returns a sentence on the test samples."""
    return f"Test: {metrics['test_samples']} samples, loss {metrics['test_loss']:.4f}."


def dataset_lines(dataset):
    """Returns the source, classes and options of a dataset, of `Run.dataset`, as lines."""
    if not dataset["options"]:
        return []
    lines = [f"source: {dataset['source']}", f"classes: {', '.join(dataset['classes'])}"]
    return lines + [f"{name}: {value}" for name, value in dataset["options"].items()]


def option_lines(config):
    """Returns the flags of a run as lines; online and released runs have no `--dset_dir`."""
    return [flag for flag in config.to_flags() if flag != "--dset_dir="]
