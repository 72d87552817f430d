import numpy as np
import pytest

from spherical_cnn.choices import SPLITS
from spherical_cnn.shapes.generated.procedural import FAMILIES, draw_mesh, make_mesh, name_shape

SAMPLES = 6


@pytest.fixture(params=list(FAMILIES))
def family(request):
    return request.param


@pytest.fixture
def meshes(family, rng):
    return [make_mesh(family, rng) for _ in range(SAMPLES)]


def test_there_are_ten_families_in_alphabetical_order():
    assert len(FAMILIES) == 10
    assert list(FAMILIES) == sorted(FAMILIES)


def test_meshes_have_the_documented_arrays(meshes):
    for vertices, faces, _ in meshes:
        assert vertices.dtype == np.float64 and vertices.shape[1:] == (3,)
        assert faces.dtype == np.int64 and faces.shape[1:] == (3,)
        assert np.isfinite(vertices).all()
        np.testing.assert_array_equal(np.unique(faces), np.arange(len(vertices)))
        assert 250 <= len(faces) <= 6000


def test_no_face_is_degenerate(meshes):
    for vertices, faces, _ in meshes:
        a, b, c = np.moveaxis(vertices[faces], 1, 0)
        areas = np.linalg.norm(np.cross(b - a, c - a), axis=-1) / 2
        assert areas.min() > 1e-7 * np.ptp(vertices, axis=0).max() ** 2


def test_parts_are_closed_and_outward(meshes):
    trimesh = pytest.importorskip("trimesh")
    for vertices, faces, _ in meshes:
        parts = trimesh.Trimesh(vertices, faces, process=False).split(only_watertight=False)
        assert len(parts) > 1 or len(faces) > 1000  # a bottle without stopper is one part
        for part in parts:
            assert part.is_watertight
            assert part.is_winding_consistent
            assert part.volume > 0


def test_meshes_stand_on_the_plane_z_0_around_the_z_axis(meshes):
    for vertices, _, _ in meshes:
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        np.testing.assert_allclose([*(low + high)[:2], low[2]], 0, atol=1e-12)
        assert 0.03 < np.min(high) / np.max(high) <= 1


@pytest.mark.parametrize(
    ("family", "longest"),
    [("bed", 0), ("bottle", 2), ("car", 0), ("guitar", 2), ("lamp", 2), ("ship", 0)],
)
def test_longest_side_is_along_the_expected_axis(family, longest, rng):
    extents = [np.ptp(make_mesh(family, rng)[0], axis=0) for _ in range(40)]
    assert np.median(extents, axis=0).argmax() == longest


@pytest.mark.parametrize("family", ["aeroplane", "bed", "car", "chair", "mug"])
def test_families_are_mirror_symmetric(family, rng):
    vertices = make_mesh(family, rng)[0]
    np.testing.assert_allclose(vertices[:, 1].min(), -vertices[:, 1].max(), atol=1e-12)
    np.testing.assert_allclose(np.sort(vertices[:, 1]), -np.sort(vertices[:, 1])[::-1], atol=1e-9)


@pytest.mark.parametrize("family", ["bottle", "mug"])
def test_vessels_are_hollow(family):
    trimesh = pytest.importorskip("trimesh")
    rng = np.random.default_rng(1)
    depths = []
    for _ in range(SAMPLES):
        vertices, faces, _ = make_mesh(family, rng)
        parts = trimesh.Trimesh(vertices, faces, process=False).split(only_watertight=False)
        body = max(parts, key=lambda part: part.extents[2])
        depths.append(body.volume / body.convex_hull.volume)
    assert max(depths) < 0.5


def test_tables_are_mostly_empty(rng):
    for _ in range(SAMPLES):
        vertices, faces, _ = make_mesh("table", rng)
        a, b, c = np.moveaxis(vertices[faces], 1, 0)
        volume = np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6
        assert volume < 0.4 * np.prod(np.ptp(vertices, axis=0))


def test_proportions_vary_within_a_family(meshes):
    ratios = [np.ptp(v, axis=0) / np.ptp(v, axis=0).max() for v, _, _ in meshes]
    assert np.ptp(ratios, axis=0).max() > 0.05


def test_names_cycle_through_the_families():
    for index in range(20):
        family = list(FAMILIES)[index % 10]
        assert name_shape(index) == (f"{family}_{index:05d}", family)


def test_draws_do_not_depend_on_their_order():
    first = [draw_mesh("test", index, seed=3) for index in range(10)]
    again = [draw_mesh("test", index, seed=3) for index in reversed(range(10))][::-1]
    for one, other in zip(first, again, strict=True):
        assert one.vertices.tobytes() == other.vertices.tobytes()
        assert one.faces.tobytes() == other.faces.tobytes()


@pytest.mark.parametrize("label", range(10))
def test_draws_differ_by_seed_split_and_index(label):
    keys = [
        (split, index, seed) for split in SPLITS for index in (label, label + 10) for seed in (0, 1)
    ]
    assert len({draw_mesh(*key).vertices.sum(axis=0).tobytes() for key in keys}) == len(keys)


def test_unknown_family_is_refused(rng):
    with pytest.raises(ValueError, match="aeroplane, bed, .*table. Received: 'spoon'"):
        make_mesh("spoon", rng)


def test_unknown_split_is_refused():
    with pytest.raises(ValueError, match="train, val, test. Received: 'dev'"):
        draw_mesh("dev", 0, seed=0)


@pytest.mark.parametrize(("index", "seed"), [(-1, 0), (0, -1)])
def test_negative_index_or_seed_is_refused(index, seed):
    with pytest.raises(ValueError):
        draw_mesh("train", index, seed)
