"""Rotations between symmetric signals: all of them are found, and nothing else."""

import numpy as np
import pytest
from reference import band_limited, rotate, synthesize
from scipy.spatial.transform import Rotation

from spherical_cnn.sphere import symmetry
from spherical_cnn.sphere.symmetry import symmetry_rotations

L = 8


def symmetrized(coefficients, group):
    """The mean over a group of rotations."""
    return np.mean([rotate(coefficients, element) for element in group.as_matrix()], axis=0)


@pytest.mark.parametrize("name, order", [("C1", 1), ("C3", 3), ("D2", 4), ("T", 12), ("O", 24)])
def test_there_are_as_many_peaks_as_the_group_has_elements(rng, name, order):
    group = Rotation.create_group(name)
    a = symmetrized(band_limited(rng, L, channels=2), group)
    matrix = Rotation.random(rng=rng)
    peaks = symmetry_rotations(synthesize(a)[0], synthesize(rotate(a, matrix.as_matrix()))[0])
    assert peaks.axis is None and len(peaks.rotations) == order
    np.testing.assert_allclose(peaks.correlation, 1, atol=1e-9)
    expected = (matrix * group).as_matrix()
    between = np.einsum("aji,bjk->abik", expected, peaks.rotations).reshape(-1, 3, 3)
    angles = Rotation.from_matrix(between).magnitude().reshape(order, order)
    assert angles.min(axis=0).max() < 1e-6 and angles.min(axis=1).max() < 1e-6


def test_a_surface_of_revolution_has_an_axis(rng):
    a = band_limited(rng, L, channels=2)
    a[:, :, np.arange(2 * L - 1) != L - 1] = 0
    matrix = Rotation.random(rng=rng).as_matrix()
    peaks = symmetry_rotations(synthesize(a)[0], synthesize(rotate(a, matrix))[0])
    np.testing.assert_allclose(abs(peaks.axis @ matrix[:, 2]), 1, atol=1e-6)
    assert len(peaks.rotations) == 1
    np.testing.assert_allclose(peaks.rotations[0][:, 2], matrix[:, 2], atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_a_double_cone_has_an_axis_and_two_ends(seed, monkeypatch):
    monkeypatch.setattr(symmetry, "_MOST", 16)  # fewer than the grid has maxima on one circle
    a = band_limited(np.random.default_rng(seed), L)
    a[:, :, np.arange(2 * L - 1) != L - 1] = 0
    a[:, 1::2] = 0
    peaks = symmetry_rotations(synthesize(a)[0], synthesize(a)[0])
    assert len(peaks.rotations) == 2
    np.testing.assert_allclose(np.sort(peaks.rotations[:, 2, 2]), [-1, 1], atol=1e-6)


def test_threshold_decides_which_rotations_count(rng):
    group = Rotation.create_group("C2")
    a = symmetrized(band_limited(rng, L), group) + 0.2 * band_limited(rng, L)
    signal = synthesize(a)[0]
    assert len(symmetry_rotations(signal, signal, threshold=0.999).rotations) == 1
    assert len(symmetry_rotations(signal, signal, threshold=0.5).rotations) >= 2
