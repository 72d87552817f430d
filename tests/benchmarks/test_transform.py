"""The transforms beside ours: same coefficients, error, skipping by name."""

import dataclasses

import numpy as np
import pytest

from benchmarks import transform
from benchmarks.harness import installed
from benchmarks.peers import CHANNELS, TRANSFORMS
from spherical_cnn.sphere.sht import from_complex


def test_the_error_is_relative_to_the_largest():
    given = np.array([[4.0, 1.0], [-8.0, 2.0]])
    assert transform.relative_error(given, given) == 0
    assert transform.relative_error(given + [[0, 0.5], [0, 0]], given) == 0.5 / 8


def test_coefficients_are_those_of_real_functions():
    drawn = transform.draw(16, 3)
    assert drawn.shape == (3, 8, 8) and drawn.dtype == np.complex64
    assert not drawn[:, :, 0].imag.any() and not drawn[:, 2, 3:].any() and drawn[:, 2, :3].all()
    np.testing.assert_array_equal(drawn, transform.draw(16, 3))


@pytest.mark.parametrize("name", list(TRANSFORMS))
def test_there_and_back(name):
    """Each that is installed, in float32."""
    peer = TRANSFORMS[name]
    if not installed(peer.module):
        pytest.skip(f"{peer.module} is not installed")
    if peer.module != "tensorflow":
        pytest.importorskip(peer.module, exc_type=ImportError)
    drawn = transform.draw(16, 2 * CHANNELS)
    given, go, gradient = peer.make(drawn)
    assert transform.relative_error(go(), given) < 2e-6
    if gradient:  # of a sum of squares that is that of the coefficients
        slope = np.asarray(gradient())
        assert slope.shape == np.shape(given) and np.isfinite(slope).all() and slope.any()
    np.testing.assert_allclose(
        np.linalg.norm(given), np.linalg.norm(_powers(name, drawn)), rtol=1e-5
    )


def _powers(name, drawn):
    """What has the norm of the coefficients in the layout of a peer."""
    if name.startswith(("torch-harmonics", "ducc0")):
        return drawn
    return from_complex(drawn[:, None, ..., None])


def test_what_is_not_installed_is_skipped_by_name(monkeypatch):
    monkeypatch.setattr(transform, "installed", lambda module: False)
    table = transform.run(1, (8,), CHANNELS)
    assert table.rows == []
    for name in TRANSFORMS:
        assert f"skipped: {name} (not installed)" in table.notes


@pytest.mark.slow
def test_a_run_skips_resolutions_that_are_too_large(monkeypatch):
    naive = dataclasses.replace(TRANSFORMS["ours, naive"], largest=8)
    monkeypatch.setattr(transform, "TRANSFORMS", {"ours": TRANSFORMS["ours"], "naive": naive})
    monkeypatch.setattr(transform, "ASYMPTOTIC", 8)
    table = transform.run(1, (8, 16), CHANNELS)
    ours, naive = table.rows
    assert ours["8"]["error"] < 2e-6 and ours["16"]["seconds"] > 0
    assert isinstance(ours["growth"], float)
    assert "16" not in naive and naive["growth"] is None
    assert table.notes[1].startswith("skipped: naive above n = 8")
    assert "| naive | Driscoll–Healy, n × n |" in table.markdown()
