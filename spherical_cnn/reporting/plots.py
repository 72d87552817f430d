"""Plots of a run as figures of matplotlib, which is imported on first use, without a display."""

from __future__ import annotations

import io

import numpy as np


def confusion_figure(counts, classes=None):
    """Draws a confusion matrix `(true, predicted)` as fractions of each true class.

    Without names, the classes are numbers.
    """
    classes = classes or [str(label) for label in range(len(counts))]
    side = max(4.6, 1.4 + 0.16 * len(classes))
    figure = canvas(side + 0.6, side)
    axes = figure.subplots()
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)  # 0 for absent classes
    picture = axes.imshow(fractions, cmap="cividis", vmin=0, vmax=1)
    axes.set(xlabel="predicted class", ylabel="true class")
    axes.set_xticks(range(len(classes)), classes, rotation=90, fontsize=7)
    axes.set_yticks(range(len(classes)), classes, fontsize=7)
    figure.colorbar(picture, label="fraction of the true class")
    return figure


def curves_figure(history):
    """Draws accuracy over the epochs of a history: training and, where measured, validation."""
    figure = canvas(5.2, 4.4)
    axes = figure.subplots()
    for column, style in (("train_accuracy", "o-"), ("valid_accuracy", "s--")):
        points = [(row["epoch"], row[column]) for row in history if column in row]
        if points:
            label = column.removesuffix("_accuracy")
            axes.plot(*zip(*points, strict=True), style, label=label, markersize=3)
    axes.set(xlabel="epoch", ylabel="accuracy", ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def network_curves_figure(histories):
    """Draws training accuracy over epochs of several networks, one panel per training dataset.

    `histories` is a dict by dataset of dicts by network of lists by seed of histories.
    """
    figure = canvas(3.9 * len(histories), 3.4)
    panels = figure.subplots(1, len(histories), sharey=True, squeeze=False)[0]
    for axes, (title, networks) in zip(panels, histories.items(), strict=True):
        for number, (name, seeds) in enumerate(networks.items()):
            for seed, rows in enumerate(seeds):
                epochs = [row["epoch"] for row in rows]
                values = [row["train_accuracy"] for row in rows]
                axes.plot(epochs, values, f"C{number}", label=None if seed else name)
        axes.set(title=title, xlabel="epoch")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("accuracy while training")
    panels[-1].legend(loc="lower right")
    return figure


def equivariance_figure(results):
    """Draws the relative error of each layer, one dot per rotation, on a logarithmic axis.

    `results` holds what `layer_errors.measure` returns, by the method of rotation.
    """
    names = list(next(iter(results.values()))["layers"])
    figure = canvas(8.8, 1 + 0.18 * len(names))
    axes = figure.subplots()
    for (way, result), style in zip(results.items(), ("C0o", "C1x"), strict=False):
        for row, name in enumerate(names):
            percent = [max(100 * error, 1e-3) for error in result["layers"][name]]
            label = way if row == 0 else None
            axes.plot(percent, [row] * len(percent), style, markersize=3, label=label)
    axes.set(xlabel="relative error, %", xscale="log")
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.invert_yaxis()
    axes.grid(alpha=0.3)
    if len(results) > 1:
        axes.legend()
    return figure


def encode_figure(figure, suffix=".png"):
    """Returns a figure as the bytes of a file with a suffix, one of `choices.PICTURES`."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=suffix[1:], dpi=120)
    return buffer.getvalue()


def image(figure):
    """Returns a figure as `(height, width, 3)` uint8."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3]


def canvas(width, height):
    """Returns an empty figure of a size in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
