"""Exponents of growth: slopes in log-log."""

import numpy as np


def exponent(sizes, values):
    """Slope of the least-squares line through the logarithms; `None` below two points."""
    if len(sizes) < 2:
        return None
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def last_exponent(sizes, values):
    """Slope between the two largest sizes; `None` below two points."""
    largest = np.argsort(sizes)[-2:]
    return exponent(np.asarray(sizes)[largest], np.asarray(values)[largest])
