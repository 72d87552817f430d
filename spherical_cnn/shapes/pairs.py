"""Numbers of twice the precision of float32, as pairs `(high, low)`, on `keras.ops`.

Devices for training may not compute in float64, and JAX does not unless told to. The sum of a pair
holds 48 bits. Source: Dekker 1971, *A floating-point technique for extending the available
precision*.
"""

import numpy as np

_SPLIT = 4097.0  # 2¹² + 1: cuts the 24 bits of a float32 in half


def pair(values):
    """The pair of a float64 array."""
    high = np.asarray(values, np.float32)
    return high, np.asarray(values - high, np.float32)


def plus(a, b):
    """Sum of two pairs."""
    high = a[0] + b[0]
    of_b = high - a[0]
    low = (a[0] - (high - of_b)) + (b[0] - of_b)
    return _carried(high, low + (a[1] + b[1]))


def minus(a, b):
    """Difference of two pairs."""
    return plus(a, (-b[0], -b[1]))


def times(a, b):
    """Product of two pairs."""
    high = a[0] * b[0]
    (a0, a1), (b0, b1) = _halves(a[0]), _halves(b[0])
    low = ((a0 * b0 - high) + a0 * b1 + a1 * b0) + a1 * b1
    return _carried(high, low + (a[0] * b[1] + a[1] * b[0]))


def dot(a, b):
    """Product of two vectors, lists of three pairs."""
    return plus(plus(times(a[0], b[0]), times(a[1], b[1])), times(a[2], b[2]))


def cross(a, b):
    """Vector product of two lists of three pairs."""
    return [minus(times(a[i], b[j]), times(a[j], b[i])) for i, j in ((1, 2), (2, 0), (0, 1))]


def _carried(high, low):
    total = high + low
    return total, low - (total - high)


def _halves(value):
    scaled = value * _SPLIT
    high = scaled - (scaled - value)
    return high, value - high
