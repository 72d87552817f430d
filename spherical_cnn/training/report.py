"""The results of a run: the table of the log, `metrics.json`, plots and `report.html`."""

from __future__ import annotations

import numpy as np

from spherical_cnn.nn.layer_errors import error_table
from spherical_cnn.reporting import plots
from spherical_cnn.reporting.mistakes import mistake_cards
from spherical_cnn.reporting.page import Page
from spherical_cnn.training.metrics import Mistake
from spherical_cnn.training.run import Run
from spherical_cnn.version import __version__

_SIDE_BY_SIDE = 20  # classes of a matrix that fits beside another plot
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
    run.folder.write("metrics.json", metrics)
    run.folder.write("equivariance.json", errors)
    page = Page(run.config.name)
    page.text(_summary(run))
    page.tiles(_tiles(metrics))
    _add_training(page, run, metrics)
    _add_mistakes(page, run, mistakes)
    _add_equivariance(page, run, errors)
    _add_options(page, run)
    run.folder.write("report.html", page.html())


def _plot(run, name, figure, caption):
    """Writes a plot to the run folder; returns `(caption, png)`."""
    pixels = plots.encode_figure(figure)
    run.folder.write(f"plots/{name}.png", pixels)
    return caption, pixels


def _add_training(page, run, metrics):
    history, counts = run.state["history"], np.asarray(metrics["confusion"])
    curves = plots.curves_figure(history)
    confusion = plots.confusion_figure(counts, run.class_names)
    caption = "Confusion of the test samples: rows are true classes, columns are predicted ones"
    both = [
        _plot(run, "curves", curves, "Accuracy during training"),
        _plot(run, "confusion", confusion, caption),
    ]
    for row in [both] if len(counts) <= _SIDE_BY_SIDE else [[one] for one in both]:
        page.plots(row)
    columns = {n: form for n, form in _HISTORY.items() if any(n in row for row in history)}
    table = [
        [f"{row[name]:{form}}" if name in row else "–" for name, form in columns.items()]
        for row in history
    ]
    page.table([name.replace("_", " ") for name in columns], table)
    page.folded("All epochs")


def _add_mistakes(page, run, mistakes):
    page.heading("Worst mistakes")
    if not mistakes:
        page.text("None.")
        return
    cards, note = mistake_cards(mistakes, run.class_names, run.dataset)
    page.text(f"The test samples that are misclassified most confidently. {note}")
    page.cards(cards)


def _add_equivariance(page, run, errors):
    page.heading("Equivariance")
    page.text(
        "Error of each layer relative to its norm when the first test samples are rotated. "
        "Signals are band-limited and rotated exactly. The errors of descriptor and logits say how "
        "far the answer depends on the rotation."
    )
    caption = "Relative error of each layer, one dot per random rotation"
    page.plots([_plot(run, "equivariance", plots.equivariance_figure(errors), caption)])
    page.table(*error_table(errors))
    page.folded("Medians over the rotations")


def _add_options(page, run):
    config = run.config
    page.heading("Data and options")
    where = [] if config.online else [f"TFRecords: {config.dset_dir}"]
    page.code([*where, *dataset_lines(run.dataset)])
    page.folded("Dataset")
    page.code(option_lines(config))
    page.folded("Flags")
    precision = "TensorFloat-32 where the GPU has it" if config.tf32 else "full float32"
    page.text(
        f"Products of matrices in training: {precision}. The errors above: full float32. "
        f"Written by spherical_cnn {__version__}."
    )


def _summary(run):
    """Returns a sentence on what was trained on what."""
    config, dataset = run.config, run.dataset
    source = dataset["source"] or config.dset_dir
    return (
        f"{config.model} with {run.model.count_params():,} parameters, trained for "
        f"{run.state['epoch']} epochs to tell {config.n_classes} classes apart. Dataset: {source}."
    )


def _tiles(metrics):
    """Returns figures and their meanings; val where it was measured."""
    accuracies = {
        "test": f"of {metrics['test_samples']:,} test samples are correct",
        "val": "of the validation samples are correct",
        "train": "of the train samples in the last epoch",
    }
    return [
        *(
            (f"{100 * metrics[key]:.1f} %", text)
            for key, text in accuracies.items()
            if key in metrics
        ),
        (f"{metrics['test_loss']:.3f}", "loss on the test samples"),
        (f"{metrics['train_time']:.1f} s", "per epoch"),
    ]


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
