"""Plots: what their axes hold."""

import io

import numpy as np
import pytest
from helpers import all_grids
from PIL import Image

from spherical_cnn.reporting import plots, sphere_plots


def history(*accuracies, **more):
    return [
        {"epoch": number, "train_accuracy": accuracy, **more}
        for number, accuracy in enumerate(accuracies, 1)
    ]


def test_a_confusion_matrix_is_of_fractions_of_each_true_class():
    counts = np.array([[3, 1, 0], [0, 0, 0], [2, 2, 4]])
    axes = plots.confusion_figure(counts, ["bed", "chair", "desk"]).axes[0]
    (picture,) = axes.images
    expected = [[0.75, 0.25, 0], [0, 0, 0], [0.25, 0.25, 0.5]]  # no sample of chair
    np.testing.assert_allclose(picture.get_array(), expected)
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [label.get_text() for label in labels] == ["bed", "chair", "desk"]
    numbered = plots.confusion_figure(counts).axes[0].get_xticklabels()
    assert [label.get_text() for label in numbered] == ["0", "1", "2"]


@pytest.mark.parametrize("measured", [{}, {"valid_accuracy": 0.25}])
def test_curves_have_validation_only_where_it_was_measured(measured):
    (axes,) = plots.curves_figure(history(0.5, 0.75, **measured)).axes
    lines = {line.get_label(): line.get_ydata().tolist() for line in axes.lines}
    valid = {"valid": [0.25, 0.25]} if measured else {}
    assert lines == {"train": [0.5, 0.75], **valid}


def test_curves_of_networks_have_a_panel_per_dataset_and_a_color_per_network():
    networks = {"a": [history(0.1, 0.2), history(0.3)], "b": [history(0.4)]}
    panels = plots.network_curves_figure({"z": networks, "SO(3)": networks}).axes
    assert [axes.get_title() for axes in panels] == ["z", "SO(3)"]
    for axes in panels:
        assert [line.get_ydata().tolist() for line in axes.lines] == [[0.1, 0.2], [0.3], [0.4]]
        first, again, other = (line.get_color() for line in axes.lines)
        assert first == again != other
    assert [text.get_text() for text in panels[-1].get_legend().get_texts()] == ["a", "b"]


@all_grids
def test_a_map_is_drawn_over_the_places_of_its_rows_and_columns(grid):
    values = grid.directions[..., 2:]
    axes = sphere_plots.signal_figure(values, ["height"], grid).axes[0]
    (mesh,) = axes.collections
    np.testing.assert_array_equal(mesh.get_array(), values[..., 0])
    east, south = np.moveaxis(mesh.get_coordinates(), -1, 0)
    middles = np.radians((east[0, 1:] + east[0, :-1]) / 2)
    np.testing.assert_allclose(np.exp(1j * middles), np.exp(1j * grid.longitude), atol=1e-12)
    assert sorted((south[0, 0], south[-1, 0])) == [0, 180]
    rows = np.degrees(grid.colatitude)
    low, high = np.sort([south[:-1, 0], south[1:, 0]], axis=0)
    assert (low <= rows + 1e-9).all() and (rows <= high + 1e-9).all()
    assert axes.get_ylim() == (180, 0)


def test_errors_are_in_percent_a_dot_per_rotation():
    results = {
        "exact": {"layers": {"signal": [0.0, 0.0], "conv0_distance": [0.1, 0.2]}},
        "re-cast": {"layers": {"signal": [0.01, 0.02], "conv0_distance": [0.3, 0.4]}},
    }
    (axes,) = plots.equivariance_figure(results).axes
    points = [(line.get_xdata(), set(line.get_ydata())) for line in axes.lines]
    expected = [([1e-3, 1e-3], {0}), ([10, 20], {1}), ([1, 2], {0}), ([30, 40], {1})]
    for (found, row), (values, at) in zip(points, expected, strict=True):
        np.testing.assert_allclose(found, values)
        assert row == at
    assert [label.get_text() for label in axes.get_yticklabels()] == ["signal", "conv0_distance"]


def test_an_image_has_the_pixels_of_its_figure():
    figure = plots.canvas(2, 1)
    figure.patch.set_facecolor((1, 0, 0))
    pixels = plots.image(figure)
    assert pixels.shape == (100, 200, 3) and pixels.dtype == np.uint8
    assert (pixels == [255, 0, 0]).all()
    with Image.open(io.BytesIO(plots.encode_figure(figure))) as stored:
        assert stored.size == (240, 120)
