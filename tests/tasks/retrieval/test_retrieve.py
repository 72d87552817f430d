"""Rankings and metrics, against their definitions written out query by query."""

import json
import math

import numpy as np
import pytest
import tensorflow as tf
from helpers import assert_fails

from spherical_cnn.cli import dispatch, exit_code
from spherical_cnn.data.records.codec import encode
from spherical_cnn.errors import RankingError
from spherical_cnn.tasks.retrieval import rankings as files
from spherical_cnn.tasks.retrieval import retrieval_metrics
from spherical_cnn.tasks.retrieval import retrieve as retrieval

CLASSES = ["bed", "chair", "desk"]


def labels(rng, shapes):
    """Classes, and subclasses of which some are the class itself."""
    classes = rng.choice(CLASSES, shapes, p=[0.5, 0.4, 0.1])
    return classes, [c if rng.random() < 0.3 else f"{c}/{rng.integers(3)}" for c in classes]


def relevance(query, other, classes, subclasses):
    if classes[query] != classes[other]:
        return 0
    if subclasses[query] == subclasses[other]:
        return 3
    return 2 if subclasses[other] == classes[query] else 1


def gain(grades):
    return sum(g / (math.log2(r) if r > 1 else 1) for r, g in enumerate(grades, 1))


def literal(query, found, classes, subclasses, cutoff=1000):
    """The five metrics of one query, one rank at a time."""
    grades = [relevance(query, i, classes, subclasses) for i in found[:cutoff]]
    every = [relevance(query, i, classes, subclasses) for i in range(len(classes))]
    ideal = sorted((g for g in every if g), reverse=True)[:cutoff]
    hits, precisions = 0, []
    for rank, grade in enumerate(grades, 1):
        if grade:
            hits += 1
            precisions.append(hits / rank)
    p = hits / len(grades) if grades else 0
    r = hits / len(ideal)
    f1 = 2 * p * r / (p + r) if p + r else 0
    return [p, r, f1, sum(precisions) / len(ideal), gain(grades) / gain(ideal)]


@pytest.mark.parametrize("graded", [False, True])
def test_metrics_equal_their_definitions(rng, graded):
    shapes = 60
    classes, subclasses = labels(rng, shapes)
    rankings = np.full((shapes, shapes), -1)
    for row in rankings:
        length = rng.integers(0, shapes + 1)
        row[:length] = rng.permutation(shapes)[:length]
    found = retrieval_metrics.score(rankings, classes, subclasses if graded else None)
    rows = np.array(
        [
            literal(
                q, [i for i in rankings[q] if i >= 0], classes, subclasses if graded else classes
            )
            for q in range(shapes)
        ]
    )
    means = np.array([rows[classes == name].mean(axis=0) for name in CLASSES])
    for part, expected in [("micro", rows.mean(axis=0)), ("macro", means.mean(axis=0))]:
        np.testing.assert_allclose(list(found[part].values()), expected, rtol=0, atol=1e-9)
    assert list(found["classes"]) == CLASSES
    for name, expected in zip(CLASSES, means, strict=True):
        np.testing.assert_allclose(list(found["classes"][name].values()), expected, atol=1e-9)


def test_lists_and_relevant_shapes_count_up_to_the_cutoff(rng, monkeypatch):
    monkeypatch.setattr(retrieval_metrics, "CUTOFF", 7)
    classes, subclasses = labels(rng, 40)
    rankings = np.stack([rng.permutation(40) for _ in range(40)])
    found = retrieval_metrics.score(rankings, classes, subclasses)["micro"]
    rows = [literal(q, list(rankings[q]), classes, subclasses, 7) for q in range(40)]
    np.testing.assert_allclose(list(found.values()), np.mean(rows, axis=0), atol=1e-9)


def test_a_perfect_ranking_is_worth_1_and_one_without_hits_0():
    classes = np.repeat([0, 1], 5)
    perfect = np.stack([np.flatnonzero(classes == c) for c in classes])
    wrong = np.stack([np.flatnonzero(classes != c) for c in classes])
    assert set(retrieval_metrics.score(perfect, classes)["macro"].values()) == {1.0}
    assert set(retrieval_metrics.score(wrong, classes)["micro"].values()) == {0.0}


def test_shapes_are_ranked_by_cosine_with_ties_by_position(rng):
    descriptors = rng.normal(size=(600, 3))  # more than a chunk
    descriptors[300:] = 2.5 * descriptors[:300]  # pairs at distance 0
    positions, distances = retrieval.rank(descriptors, cutoff=50)
    assert positions.shape == distances.shape == (600, 50)
    rows = descriptors / np.linalg.norm(descriptors, axis=1, keepdims=True)
    for query in (0, 299, 300, 577):
        cosine = rows @ rows[query]
        np.testing.assert_allclose(distances[query], 1 - np.sort(cosine)[::-1][:50], atol=1e-6)
        np.testing.assert_allclose(1 - cosine[positions[query]], distances[query], atol=1e-6)
    same, _ = retrieval.rank(np.ones((5, 2)))
    np.testing.assert_array_equal(same, np.tile(np.arange(5), (5, 1)))


def test_shapes_of_the_predicted_class_come_first(rng):
    descriptors, predicted = rng.normal(size=(30, 4)), rng.integers(0, 3, 30)
    positions, distances = retrieval.rank(descriptors, predicted)
    plain, _ = retrieval.rank(descriptors)
    for query in range(30):
        own = predicted[plain[query]] == predicted[query]
        expected = [*plain[query][own], *plain[query][~own]]
        np.testing.assert_array_equal(positions[query], expected)
        assert (np.diff(distances[query]) >= 0).all()


def test_lists_end_where_their_f1_is_best(rng):
    classes = rng.integers(0, 3, 40)
    descriptors = np.eye(3)[classes] + 0.4 * rng.normal(size=(40, 3))
    positions, distances = retrieval.rank(descriptors)

    def micro_f1(limit):
        ended = np.where(distances > limit, -1, positions)
        return retrieval_metrics.score(ended, classes)["micro"]["F1@N"]

    best = retrieval.best_distance(positions, distances, classes)
    others = np.quantile(distances, np.linspace(0, 1, 1001))
    assert micro_f1(best) == max(map(micro_f1, others)) > micro_f1(2) + 0.2


def test_files_come_back_as_they_were(rng, tmp_path):
    names = [f"{i:06d}" for i in range(9)]
    positions, distances = retrieval.rank(rng.normal(size=(9, 3)))
    positions[2, 4:] = -1
    files.write_rankings(tmp_path / "out", names, positions, distances)
    lines = (tmp_path / "out" / "000002").read_text().splitlines()
    assert len(lines) == 4 and lines[1] == f"{names[positions[2, 1]]} {distances[2, 1]:.6f}"
    queries, rankings = files.read_rankings(tmp_path / "out", names)
    np.testing.assert_array_equal(queries, np.arange(9))
    np.testing.assert_array_equal(rankings, positions)


def test_lists_of_others_may_lack_zeros_and_name_what_is_not_there(tmp_path):
    (tmp_path / "12").write_text("000013 0.1\n12\n99 0.3\n\n13 0.4\n")
    queries, rankings = files.read_rankings(tmp_path, ["000011", "000012", "000013"])
    assert queries.tolist() == [1] and rankings.tolist() == [[2, 1]]
    (tmp_path / "chair").write_text("")
    with pytest.raises(RankingError, match="chair: expected the name of a shape"):
        files.read_rankings(tmp_path, ["000012"])


@pytest.mark.parametrize(
    ("descriptors", "message"),
    [
        (np.ones(3), r"must be \(shapes, features\). Received: \(3,\)"),
        ([[1, 0], [0, 0]], "row 1 is not"),
        ([[1, np.nan]], "row 0 is not"),
    ],
)
def test_bad_descriptors_are_refused(descriptors, message):
    with pytest.raises(RankingError, match=message):
        retrieval.rank(descriptors)


def test_the_shape_of_a_bad_descriptor_is_named():
    with pytest.raises(RankingError, match="Received: chair is not"):
        retrieval.rank([[1, 0], [0, 0]], names=["bed", "chair"])


def test_bad_rankings_are_refused(tmp_path):
    for rankings in ([[0, 0]], [[0, 5]]):
        with pytest.raises(RankingError, match="ranking 0: expected different positions below 2"):
            retrieval_metrics.score(rankings, [0, 1], queries=[0])
    with pytest.raises(RankingError, match="1 rankings for 2 queries"):
        retrieval_metrics.score([[0, 1]], [0, 1])
    with pytest.raises(RankingError, match="expected a file per query, found none"):
        files.read_rankings(tmp_path, ["a"])


def test_a_run_retrieves_the_shapes_of_its_shards(finished, shards, tmp_path, capsys):
    argv = [str(finished[0]), "--shards", str(shards / "test0.tfrecord"), "--output", str(tmp_path)]
    assert exit_code(["retrieve", *argv]) == 0
    with np.load(tmp_path / "descriptors.npz") as stored:
        arrays = dict(stored)
    assert arrays["descriptor"].shape == (9, 64) and arrays["name"][1] == arrays["id"][1]
    positions, distances = retrieval.rank(arrays["descriptor"])
    expected = retrieval_metrics.score(positions, arrays["label"])
    stored = json.loads((tmp_path / "metrics.json").read_text())
    assert stored == {**expected, "blank": []}
    printed = capsys.readouterr().out
    assert f"| micro | {expected['micro']['P@N']:.3f} |" in printed

    truth = [
        f"{name},{label},{label},,test"
        for name, label in zip(arrays["id"], arrays["label"], strict=True)
    ]
    csv = tmp_path / "truth.csv"
    csv.write_text("\n".join(["id,synsetId,subSynsetId,modelId,split", *truth, "x,1,1,,train"]))
    argv = ["--rankings", str(tmp_path / "rankings"), "--truth", str(csv), "--split", "test"]
    assert exit_code(["retrieve", *argv]) == 0
    assert capsys.readouterr().out == printed
    assert_fails(capsys, 1, ".*found no line of split val.*", "retrieve", [*argv[:-1], "val"])

    predicted, _ = retrieval.rank(arrays["descriptor"], arrays["predicted"])
    argv = [str(finished[0]), "--shards", str(shards / "test0.tfrecord"), "--by_class"]
    assert exit_code(["retrieve", *argv, "--output", str(tmp_path / "b")]) == 0
    _, found = files.read_rankings(tmp_path / "b" / "rankings", list(arrays["id"]))
    np.testing.assert_array_equal(found, predicted)

    validation = shards / "val0.tfrecord"
    argv = [str(finished[0]), "--shards", str(shards / "test0.tfrecord"), "--output"]
    argv += [str(tmp_path / "c"), "--length_from", str(validation)]
    assert exit_code(["retrieve", *argv]) == 0
    scores = json.loads((tmp_path / "c" / "metrics.json").read_text())
    ended = np.where(distances > scores["distance"], -1, positions)
    assert scores["micro"] == retrieval_metrics.score(ended, arrays["label"])["micro"]
    assert f"Lists end at distance {scores['distance']:.3f}." in capsys.readouterr().out


def test_retrieval_names_shapes_that_rays_miss(finished, tmp_path, capsys):
    samples = np.random.default_rng(0).random((3, 16, 16)).astype(np.complex64)
    samples[1] *= 1e-7  # a sheet through the center, by rounding
    path = tmp_path / "test0.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for number, signal in enumerate(samples):
            writer.write(encode(signal, number, f"shape{number}"))
    found = retrieval.retrieve(str(finished[0]), [str(path)], str(tmp_path / "out"))
    assert found["blank"] == ["shape1"]
    argv = [str(finished[0]), "--shards", str(path), "--output", str(tmp_path / "out")]
    dispatch(["retrieve", *argv])
    assert "nearly blank: shape1\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"id,synsetId,subSynsetId\na,1,1\na,2,2\n", "id a has several lines"),
        (b"id,synsetId,subSynsetId\na,1\n", "line 2: shorter than the header"),
        (b"id,synsetId,subSynsetId\n", "found no line, expected one per shape"),
        (b"id,synsetId,subSynsetId\n\xff,1,1\n", "expected text in UTF-8"),
        (b"id\na\n", "no column subSynsetId, synsetId"),
    ],
)
def test_bad_truth_is_refused(tmp_path, data, message):
    path = tmp_path / "truth.csv"
    path.write_bytes(data)
    with pytest.raises(RankingError, match=f"truth.csv: {message}"):
        files.read_truth(path)


def test_rankings_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"\xff\xfe\n")
    with pytest.raises(RankingError, match="a: expected text in UTF-8"):
        files.read_rankings(tmp_path, ["a"])


def test_names_that_are_no_file_names_become_numbers():
    assert files.file_names(["a", "b.off"]) == ["a", "b.off"]
    for names in (["a", "a"], ["a/b", "c"], ["", "c"], ["..", "c"]):
        assert files.file_names(names) == ["000000", "000001"]
