"""One HTML page that shows a shape, its signal, and what networks make of it under rotation.

The page needs no network. It embeds three.js (MIT), the scripts in `assets/`, and the arrays as
base64: coordinates as int16, maps as uint8 between their extremes.
"""

from __future__ import annotations

import base64
import dataclasses
import html
import importlib.resources
import json
from typing import Any

import numpy as np

from spherical_cnn.data.atomic import printable
from spherical_cnn.reporting.shading import color_range
from spherical_cnn.shapes.simplify import simplify

_MOST_FACES, _MOST_POINTS = 60_000, 50_000  # that the page draws


@dataclasses.dataclass(frozen=True)
class RotatedMaps:
    """A map on the sphere for each rotation of the shape."""

    title: str
    about: str  # shown below the title
    grid: Any  # `SphericalGrid`
    values: np.ndarray  # (rotations, *grid.shape)


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a network says about the shape in each rotation."""

    name: str
    about: str  # a sentence
    classes: list[str]
    probabilities: np.ndarray  # (rotations, classes)
    maps: list[RotatedMaps]


def shape_page(title, shape, rotations, axis, signal, answers, notes=()):
    """Returns the page as HTML.

    Args:
        title: name of the shape.
        shape: normalized `Mesh` or `Cloud`.
        rotations: number of rotations, by equal angles about the axis, from the identity.
        axis: unit vector.
        signal: list of `RotatedMaps`.
        answers: list of `Answer`.
        notes: sentences for the reader.
    """
    arrays = _Arrays()
    facts = {
        "steps": rotations,
        "axis": axis,
        "shape": _shape_facts(shape, arrays),
        "signal": [_map_facts(maps, arrays) for maps in signal],
        "answers": [
            {
                "name": printable(one.name),
                "about": one.about,
                "classes": one.classes,
                "probabilities": arrays.add(one.probabilities, "<f4"),
                "maps": [_map_facts(maps, arrays) for maps in one.maps],
            }
            for one in answers
        ],
    }
    given = {
        "TITLE": html.escape(printable(title)),
        "STYLE": _asset("shape_page.css"),
        "NOTES": "".join(f"<p class=note>{html.escape(printable(note))}</p>" for note in notes),
        "FACTS": json.dumps(facts).replace("<", "\\u003c"),
        "ARRAYS": arrays.base64(),
        "LIBRARY": f"/*\nthree.js\n\n{_asset('three.LICENSE')}*/\n{_asset('three.min.js')}",
        "SCRIPTS": _asset("pictures.js") + _asset("shape_page.js"),
    }
    page = _asset("shape_page.html")
    for name, text in given.items():
        page = page.replace(f"[[{name}]]", text)
    return page


class _Arrays:
    """Arrays as one block of bytes; the facts of each are its place, type and number of values."""

    def __init__(self):
        self._parts, self._size = [], 0

    def add(self, values, dtype):
        data = np.ascontiguousarray(values, dtype).tobytes()
        padding = -len(data) % 4
        facts = {"at": self._size, "type": np.dtype(dtype).name, "count": np.size(values)}
        self._parts.append(data + bytes(padding))
        self._size += len(data) + padding
        return facts

    def base64(self):
        return base64.b64encode(b"".join(self._parts)).decode()


def _shape_facts(shape, arrays):
    if hasattr(shape, "faces"):
        drawn = simplify(shape, _MOST_FACES)
        vertices, faces = drawn.vertices, arrays.add(drawn.faces, "<u4")
        about = f"{len(shape.vertices):,} vertices, {len(shape.faces):,} faces"
    else:
        vertices, faces = shape.points[:: -(-len(shape.points) // _MOST_POINTS)], None
        about = f"{len(shape.points):,} points"
    coordinates = np.rint(np.clip(vertices, -1, 1) * 32767)
    return {"about": about, "vertices": arrays.add(coordinates, "<i2"), "faces": faces}


def _map_facts(maps, arrays):
    scheme, low, high = color_range(maps.values)
    southwards = np.argsort(maps.grid.colatitude)
    levels = np.rint(255 * (maps.values[:, southwards] - low) / (high - low))
    return {
        "title": maps.title,
        "about": maps.about,
        "scheme": scheme,
        "low": low,
        "high": high,
        "colatitude": maps.grid.colatitude[southwards].round(5).tolist(),
        "longitude": maps.grid.longitude.round(5).tolist(),
        "levels": arrays.add(levels, "u1"),
    }


def _asset(name):
    return importlib.resources.files(__package__).joinpath("assets", name).read_text("utf-8")
