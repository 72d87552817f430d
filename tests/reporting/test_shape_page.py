"""The page of `scnn show`: one file whose facts and arrays are those that it was given."""

import re

import numpy as np
import pytest
from helpers import box, read_shape_page

from spherical_cnn.reporting.shape_page import Answer, RotatedMaps, shape_page
from spherical_cnn.shapes.formats.clouds import Cloud
from spherical_cnn.shapes.signal import Mesh
from spherical_cnn.sphere.grid import SphericalGrid

AXIS = (0.6, 0.0, 0.8)


@pytest.fixture
def answer(rng):
    grid = SphericalGrid.gauss_legendre(3)
    maps = [RotatedMaps("conv0", "channel 1", grid, rng.normal(size=(4, *grid.shape)))]
    return Answer("run </script>", "About it.", ["bed", "a<b"], rng.random((4, 2)), maps)


@pytest.fixture
def signal(rng):
    grid = SphericalGrid.equiangular(7, 12, ascending=True)  # from the south
    return [RotatedMaps("Distance", "to the surface", grid, rng.random((4, *grid.shape)))]


def make(shape, signal, answers, **more):
    return shape_page("chair & <b>.off", shape, 4, AXIS, signal, answers, **more)


def test_arrays_are_those_given_up_to_the_precision_of_a_picture(signal, answer):
    mesh = Mesh(box()[0] / 2, box()[1])
    facts, array = read_shape_page(make(mesh, signal, [answer]))
    assert (facts["steps"], facts["axis"]) == (4, list(AXIS))
    shape = facts["shape"]
    np.testing.assert_array_equal(array(shape["faces"]).reshape(-1, 3), mesh.faces)
    vertices = array(shape["vertices"]).reshape(-1, 3) / 32767
    np.testing.assert_allclose(vertices, mesh.vertices, atol=2e-5)
    (one,) = facts["answers"]
    assert one["classes"] == answer.classes and one["about"] == answer.about
    np.testing.assert_array_equal(
        array(one["probabilities"]).reshape(4, 2), answer.probabilities.astype("f4")
    )
    southwards = slice(None, None, -1)
    for drawn, maps, rows in (
        (facts["signal"][0], signal[0], southwards),
        (one["maps"][0], answer.maps[0], slice(None)),
    ):
        assert (drawn["title"], drawn["about"]) == (maps.title, maps.about)
        assert drawn["colatitude"] == sorted(drawn["colatitude"])
        np.testing.assert_allclose(drawn["colatitude"], maps.grid.colatitude[rows], atol=1e-5)
        np.testing.assert_allclose(drawn["longitude"], maps.grid.longitude, atol=1e-5)
        low, high = drawn["low"], drawn["high"]
        found = low + array(drawn["levels"]).reshape(maps.values.shape) / 255 * (high - low)
        np.testing.assert_allclose(found, maps.values[:, rows], atol=(high - low) / 500)


def test_signed_maps_have_a_scheme_around_zero(signal, answer):
    facts, _ = read_shape_page(make(Mesh(*box()), signal, [answer]))
    assert facts["signal"][0]["scheme"] == "cividis" and facts["signal"][0]["low"] == 0
    (signed,) = facts["answers"][0]["maps"]
    assert signed["scheme"] == "PuOr" and signed["low"] == -signed["high"]


def test_a_cloud_has_points_and_no_faces(rng):
    points = rng.uniform(-0.5, 0.5, (70_000, 3))
    facts, array = read_shape_page(make(Cloud(points), [], []))
    assert facts["shape"]["faces"] is None and facts["shape"]["about"] == "70,000 points"
    found = array(facts["shape"]["vertices"]).reshape(-1, 3) / 32767
    np.testing.assert_allclose(found, points[::2], atol=2e-5)


def test_the_page_is_one_file_that_may_load_nothing(signal, answer):
    page = make(Mesh(*box()), signal, [answer], notes=["5 < 6"])
    assert "[[" + "TITLE" not in page and re.findall(r"\[\[[A-Z]+\]\]", page) == []
    assert "<h1>chair &amp; &lt;b&gt;.off</h1>" in page and "<p class=note>5 &lt; 6</p>" in page
    assert "default-src 'none'" in page
    head = page.split("<script")[0]
    assert re.findall(r'(?:src|href)="(?!data:)', head) == []
    assert page.count("</script>") == page.count("<script") == 4
    assert "The MIT License" in page and "three.js authors" in page
    assert len(page) < 1e6
