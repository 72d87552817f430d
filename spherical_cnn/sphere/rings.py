"""Rings of equal colatitude: where they lie, their weights, and their Legendre functions.

`ROWS` are the rules that place `n` rings. All of them but `"gauss_legendre"` space them evenly:

| rule | colatitudes | for |
|---|---|---|
| `"north_pole"` | `π t / n` | the paper's grid (Driscoll & Healy 1994) |
| `"poles"` | `π t / (n - 1)` | rasters with a row on each pole, such as 73 × 144 |
| `"cells"` | `π (t + ½) / n` | rows at the centers of cells, such as in panoramas |
| `"open"` | `π (t + 1) / (n + 1)` | rasters without their rows on the poles |
| `"gauss_legendre"` | zeros of `P_n(cos θ)` | maps inside networks: exact with the fewest rows |
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from scipy import linalg


@functools.lru_cache(maxsize=8)
def gauss_legendre(count) -> tuple[np.ndarray, np.ndarray]:
    """Returns colatitudes and weights of Gauss–Legendre rings, by Newton steps in the colatitude.

    Near the poles this is a hundred times as precise as steps in its cosine, as in SciPy.
    """
    theta = np.pi * (np.arange(count) + 0.75) / (count + 0.5)
    for _ in range(6):
        x = np.cos(theta)
        before, value = np.zeros(count), np.ones(count)
        for l in range(1, count + 1):
            before, value = value, ((2 * l - 1) * x * value - (l - 1) * before) / l
        slope = count * (x * value - before) / np.sin(theta)
        theta = theta - value / slope
    return theta, 2 / slope**2


_PLACES: dict[str, Callable[[int], np.ndarray]] = {
    "north_pole": lambda n: np.pi * np.arange(n) / n,
    "poles": lambda n: np.pi * np.arange(n) / max(n - 1, 1),
    "cells": lambda n: np.pi * (np.arange(n) + 0.5) / n,
    "open": lambda n: np.pi * (np.arange(n) + 1) / (n + 1),
    "gauss_legendre": lambda n: gauss_legendre(n)[0],
}
ROWS = tuple(_PLACES)


def colatitudes(rows, count):
    """Returns the colatitudes of `count` rings by a rule of `ROWS`, radians, from the north."""
    return _PLACES[rows](count)


def exact_degree(rows, count):
    """Returns the highest degree of the polynomials that `ring_weights` integrate exactly."""
    if rows == "gauss_legendre":
        return 2 * count - 1
    if rows == "north_pole":
        return count - 1
    return count - 1 + count % 2  # by symmetry, an odd number is exact for one odd degree more


def most_degrees(rows, count):
    """Returns the number of degrees that samples on rings determine, for every order."""
    return count - 1 if rows == "poles" else count  # on a pole, only order 0 is not 0


def ring_weights(rows, count):
    """Returns the weight of each ring, `(count,)`: they sum to 2, the integral of `sin θ`.

    The weights of evenly spaced rings integrate `cos kθ` exactly for `k < count`. They are those of
    Driscoll & Healy, Clenshaw & Curtis, and Fejér.
    """
    if rows == "gauss_legendre":
        return gauss_legendre(count)[1]
    theta = colatitudes(rows, count)
    if rows == "north_pole" and count % 2 == 0:
        odd = np.arange(1, count, 2)
        return 4 / count * np.sin(theta) * (np.sin(np.outer(theta, odd)) @ (1 / odd))
    k = np.arange(count)
    moments = np.where(k % 2 == 0, 2 / (1 - k.astype(float) ** 2 + (k == 1)), 0)
    return np.linalg.solve(np.cos(np.outer(k, theta)), moments)


def band_edges(colatitude):
    """Returns the colatitudes `(rows + 1,)` between rings, from pole to pole, in their order."""
    ends = (0, np.pi) if colatitude[0] <= colatitude[-1] else (np.pi, 0)
    return np.array([ends[0], *((colatitude[1:] + colatitude[:-1]) / 2), ends[1]])


def legendre_functions(colatitude, bandwidth):
    """Returns orthonormal associated Legendre functions `P_l^m(cos θ_t)`, `(L, L, rows)`: m, l, t.

    They are zero where `m > l`, and include the Condon–Shortley phase.
    """
    x, y = np.cos(colatitude), np.sin(colatitude)
    table = np.zeros((bandwidth, bandwidth, len(colatitude)))
    table[0, 0] = np.sqrt(1 / (4 * np.pi))
    for m in range(bandwidth):
        if m > 0:
            table[m, m] = -np.sqrt((2 * m + 1) / (2 * m)) * y * table[m - 1, m - 1]
        if m + 1 < bandwidth:
            table[m, m + 1] = np.sqrt(2 * m + 3) * x * table[m, m]
        for l in range(m + 2, bandwidth):
            a = np.sqrt((4 * l**2 - 1) / (l**2 - m**2))
            b = np.sqrt(((l - 1) ** 2 - m**2) / (4 * (l - 1) ** 2 - 1))
            table[m, l] = a * (x * table[m, l - 1] - b * table[m, l - 2])
    return table


def least_squares(legendre, colatitude):
    """Returns the inverse of synthesis along colatitude, `(L, L, rows)`, by least squares.

    For each order, `table[m] @ (legendre[m].T @ a) = a` for the coefficients `a` of degrees `m …`.
    Rows count by the areas of their bands, which makes the solution smooth where it is not unique
    to rounding.
    """
    root = np.sqrt(np.abs(np.diff(np.cos(band_edges(colatitude)))))
    table = np.zeros_like(legendre)
    for m, functions in enumerate(legendre):
        q, r = np.linalg.qr((functions[m:] * root).T)
        table[m, m:] = linalg.solve_triangular(r, q.T) * root
    return table
