"""Latitudes and longitudes: as directions, and the grid that they form."""

from __future__ import annotations

import warnings

import numpy as np

from spherical_cnn.sphere.rings import ROWS, colatitudes

_TOLERANCE = 5e-3  # of the spacing of the rows or the columns; files round coordinates


def to_directions(colatitude, longitude):
    """Returns the unit vectors `(..., 3)` of colatitudes and longitudes in radians, float64.

        (sin θ cos φ, sin θ sin φ, cos θ)

    The arguments are arrays that broadcast with each other. Of latitudes in degrees, the colatitude
    is `np.radians(90 - latitude)`.

    >>> to_directions(np.pi / 2, [0.0, np.pi / 2]).round(6).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    theta, phi = np.broadcast_arrays(*(np.asarray(x, np.float64) for x in (colatitude, longitude)))
    horizontal = np.sin(theta)
    return np.stack([horizontal * np.cos(phi), horizontal * np.sin(phi), np.cos(theta)], -1)


def recognize(latitude, longitude):
    """Returns `(rows, nlat, nlon, start, ascending)` of latitudes and longitudes in degrees.

    Raises:
        ValueError: if they fit no grid; it says by how much.
    """
    latitude, longitude = _axis("latitude", latitude), _axis("longitude", longitude)
    ascending = bool(latitude[0] < latitude[-1])
    rows = _recognize_rows(90 - (latitude[::-1] if ascending else latitude))
    start, nlon = _recognize_columns(longitude)
    return rows, len(latitude), nlon, start, ascending


def _recognize_rows(found):
    count = len(found)
    off = {}
    for rows in ROWS:
        difference = np.abs(found - np.degrees(colatitudes(rows, count)))
        worst = int(difference.argmax())
        off[rows] = difference[worst], worst
    best = min(off, key=lambda rows: off[rows][0])
    if off[best][0] <= _TOLERANCE * 180 / count:
        return best
    distances = ", ".join(
        f"{rows} (up to {far:.3g}° off, at {90 - found[at]:g}°)" for rows, (far, at) in off.items()
    )
    raise ValueError(
        f"latitude: {count} values from {90 - found[0]:g} to {90 - found[-1]:g} fit no grid of the "
        f"whole sphere; expected the rows of one: {distances}. Interpolate the data to one of them"
    )


def _recognize_columns(longitude):
    steps = np.diff(longitude) % 360
    step = float(np.median(steps)) if len(steps) else 360.0
    count = len(longitude)
    if step > 180 and count > 2:
        raise ValueError(
            f"longitude: goes west from {longitude[0]:g} to {longitude[1]:g}; expected values that "
            "go east: reverse longitude and the columns of the data"
        )
    uneven = np.abs(steps - step).max(initial=0)
    if uneven > _TOLERANCE * step:
        raise ValueError(
            f"longitude: steps between {steps.min():g}° and {steps.max():g}°; expected equal ones"
        )
    around = steps.sum()
    if abs(around - 360) <= _TOLERANCE * step and count > 2:
        warnings.warn(
            f"longitude: the last value, {longitude[-1]:g}, repeats the first, {longitude[0]:g}, "
            "and is dropped; drop that column of the data: field[..., :-1]",
            stacklevel=4,
        )
        count, around = count - 1, around - step
    if abs(around + step - 360) > count * _TOLERANCE * step:
        raise ValueError(
            f"longitude: {count} values {step:g}° apart cover {around + step:g}°; expected the "
            "whole circle, 360°"
        )
    return float(longitude[0]), count


def _axis(name, values):
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"{name} must be one axis of degrees, (n,). Received: {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite. Received: {(~np.isfinite(values)).sum()} are not")
    if name == "latitude":
        steps = np.diff(values)
        if np.abs(values).max() > 90 + 1e-6 or not ((steps > 0).all() or (steps < 0).all()):
            raise ValueError(
                "latitude must be in -90 … 90, ascending or descending. Received: "
                f"{values.min():g} … {values.max():g}, first {values[0]:g}, last {values[-1]:g}"
            )
    return values
