"""Pictures of mistakes: the shapes where the source is known, and the signals or points."""

import io

import numpy as np
import pytest
from PIL import Image

from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.reporting.mistakes import mistake_cards
from spherical_cnn.reporting.shading import points_pixels
from spherical_cnn.shapes.generated.procedural import FAMILIES, name_shape
from spherical_cnn.training.metrics import Mistake

CLASSES = list(FAMILIES)
EMBEDDED = {"source": "embedded", "options": DatasetConfig(embedded_shapes=(9, 0, 3)).to_dict()}


def mistake(index, sample, label=None):
    name, family = name_shape(index)
    label = CLASSES.index(family) if label is None else label
    probabilities = np.full(len(CLASSES), 0.25 / (len(CLASSES) - 1))
    probabilities[(label + 1) % len(CLASSES)] = 0.75
    return Mistake(name, label, (label + 1) % len(CLASSES), probabilities, sample)


def size(card):
    with Image.open(io.BytesIO(card.png)) as picture:
        assert np.asarray(picture)[..., 3].any()
        return picture.size


@pytest.fixture
def signal(rng):
    return rng.random((8, 8, 2), np.float32)


def test_a_card_has_both_classes_the_name_and_pictures_of_shape_and_signal(signal):
    cards, note = mistake_cards([mistake(0, signal), mistake(2, signal)], CLASSES, EMBEDDED)
    for index, card in zip((0, 2), cards, strict=True):
        name, family = name_shape(index)
        other = CLASSES[(CLASSES.index(family) + 1) % len(CLASSES)]
        assert card[:2] == (f"{family}, predicted {other} (75 %)", name)
        assert size(card) == (3 * 156, 150)
    assert cards[0].png != cards[1].png
    assert note.startswith("Each picture shows the shape, not rotated, and the distance")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"source": None, "options": {}}, "the dataset does not say where they are"),
        ({"source": "/absent.npz"}, "/absent.npz: expected a folder, an .npz file or 'embedded'"),
    ],
)
def test_without_its_source_a_card_shows_the_signal_and_the_note_says_why(changes, reason, signal):
    (card,), note = mistake_cards([mistake(0, signal)], CLASSES, {**EMBEDDED, **changes})
    assert size(card) == (2 * 156, 150)
    assert note.endswith(f"The shapes are missing: {reason}.")


def test_a_shape_of_another_class_is_not_drawn(signal):
    wrong = mistake(0, signal, label=(CLASSES.index(name_shape(0)[1]) + 1) % len(CLASSES))
    (card,), note = mistake_cards([wrong], CLASSES, EMBEDDED)
    assert size(card) == (2 * 156, 150)
    assert f"embedded has no {CLASSES[wrong.label]} {wrong.name}" in note


def test_points_are_drawn_in_place_of_a_signal(rng):
    points = rng.normal(size=(50, 3))
    (card,), note = mistake_cards([mistake(0, points)], CLASSES, EMBEDDED)
    assert size(card) == (2 * 156, 150)
    assert note == "Each picture shows the shape, not rotated, and its points, as tested."


def test_nearer_points_are_darker_and_missing_ones_are_not_drawn():
    points = np.array([[1, 0, 0.5], [-1, 0, -0.5], [np.nan] * 3])
    pixels = points_pixels(points, view=(0, 0), pixels=40)
    drawn = pixels[..., 3] > 0
    assert drawn.sum() == 8
    rows = np.flatnonzero(drawn.any(axis=1))
    near, far = pixels[rows[0]][drawn[rows[0]]], pixels[rows[-1]][drawn[rows[-1]]]
    assert near[0, 0] < far[0, 0]
