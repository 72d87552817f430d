"""Pictures of misclassified samples: their shapes, where the source is known, and their signals."""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np

from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.data.signals import ray_caster
from spherical_cnn.data.sources import find_shapes
from spherical_cnn.errors import ConfigError, SphericalCNNError, explain_import
from spherical_cnn.reporting import shading

_PIXELS, _GAP = 150, 6  # side of a picture; between pictures


class Card(NamedTuple):
    """A picture, PNG, with a title and a line of text."""

    title: str
    text: str
    png: bytes


def mistake_cards(mistakes, classes, dataset):
    """Draws mistakes, see `Mistake` of `spherical_cnn.training.metrics`.

    Args:
        mistakes: list of at least one `Mistake`.
        classes: names of the classes.
        dataset: `source` and `options` of the dataset; the options are empty if nothing is known.

    Returns:
        `(cards, note)`: a `Card` for each mistake, and what the pictures show.
    """
    casters, reason = _open_shapes(mistakes, classes, dataset)
    cards = []
    for index, mistake in enumerate(mistakes):
        panels = _signal_panels(mistake.signal)
        if casters:
            panels.insert(0, shading.shape_pixels(casters[index], pixels=_PIXELS))
        title = f"{classes[mistake.label]}, predicted {classes[mistake.predicted]}"
        title += f" ({100 * mistake.probability:.0f} %)"
        panels = [np.pad(one, ((0, 0), (0, _GAP), (0, 0))) for one in panels]
        cards.append(Card(title, mistake.name, _png(np.concatenate(panels, axis=1))))
    of_points = mistakes[0].signal.ndim == 2
    signal = "its points" if of_points else "the distance and the sine of the incidence angle"
    if reason:
        return cards, f"Each picture shows {signal}, as tested. The shapes are missing: {reason}."
    return cards, f"Each picture shows the shape, not rotated, and {signal}, as tested."


def _open_shapes(mistakes, classes, dataset):
    """Returns a `RayCaster` of the shape of each mistake and "", or none and the reason."""
    if not dataset["options"]:
        return [], "the dataset does not say where they are"
    try:
        config = DatasetConfig.from_dict(dataset["options"])
        given = config.embedded_shapes, config.data_seed
        found = find_shapes(dataset["source"], None, *given)
        # The embedded dataset has a shape of each name in every split.
        items = {item.name: item for item in sorted(found.items, key=lambda i: i.split == "test")}
        casters = []
        for mistake in mistakes:
            item = items.get(mistake.name)
            if item is None or item.class_name != classes[mistake.label]:
                raise ConfigError(f"{found.name} has no {classes[mistake.label]} {mistake.name}")
            casters.append(ray_caster(item.origin, config))
        return casters, ""
    except ImportError as error:
        return [], explain_import(error)
    except (SphericalCNNError, OSError) as error:
        return [], str(error)


def _signal_panels(signal):
    if signal.ndim == 2:
        return [shading.points_pixels(signal, pixels=_PIXELS)]
    return [
        shading.sphere_pixels(values, shading.color_range(values), pixels=_PIXELS)
        for values in np.moveaxis(signal, -1, 0)
    ]


def _png(pixels):
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.rint(255 * pixels).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()
