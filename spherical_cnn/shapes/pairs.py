"""Arithmetic with twice the precision of float32 on `keras.ops`.

A number is a pair `(high, low)` of float32. Their sum holds 48 bits. Some training devices have no
float64, and JAX disables it by default. Source: Dekker 1971, *A floating-point technique for
extending the available precision*.
"""

import numpy as np

_SPLIT = 4097.0  # 2¹² + 1: splits the 24 bits of a float32 in halves


def split_float64(values):
    """Splits a float64 array into a pair."""
    high = np.asarray(values, np.float32)
    return high, np.asarray(values - high, np.float32)


def add(a, b):
    """Adds two pairs."""
    high = a[0] + b[0]
    of_b = high - a[0]
    low = (a[0] - (high - of_b)) + (b[0] - of_b)
    return _carry(high, low + (a[1] + b[1]))


def subtract(a, b):
    """Subtracts two pairs."""
    return add(a, (-b[0], -b[1]))


def multiply(a, b):
    """Multiplies two pairs."""
    high = a[0] * b[0]
    (a0, a1), (b0, b1) = _split(a[0]), _split(b[0])
    low = ((a0 * b0 - high) + a0 * b1 + a1 * b0) + a1 * b1
    return _carry(high, low + (a[0] * b[1] + a[1] * b[0]))


def dot(a, b):
    """Computes the dot product of two vectors, lists of three pairs."""
    return add(add(multiply(a[0], b[0]), multiply(a[1], b[1])), multiply(a[2], b[2]))


def cross(a, b):
    """Computes the cross product of two vectors, lists of three pairs."""
    return [
        subtract(multiply(a[i], b[j]), multiply(a[j], b[i])) for i, j in ((1, 2), (2, 0), (0, 1))
    ]


def _carry(high, low):
    total = high + low
    return total, low - (total - high)


def _split(value):
    scaled = value * _SPLIT
    high = scaled - (scaled - value)
    return high, value - high
