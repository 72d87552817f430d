"""Children, turns, medians, growth, tables."""

import os
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest

from benchmarks.harness import Child, Table, column, exponent, in_turn, repeated


class Counter:
    def __init__(self, start=0):
        if start < 0:
            raise ValueError("below zero")
        self.value = start

    def add(self, step):
        self.value += step
        return self.value

    def backend(self):
        return os.environ["KERAS_BACKEND"]

    def die(self):
        os._exit(7)


def test_a_child_keeps_its_object_and_raises_its_errors(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with Child(Counter, start=3) as child:
        assert [child.call("add", 2), child.call("add", 5)] == [5, 10]
        with pytest.raises(AttributeError, match="subtract"):
            child.call("subtract")
        assert child.call("add", 1) == 11 and child.call("backend") == "tensorflow"
        with pytest.raises(BrokenProcessPool):
            child.call("die")


def test_a_child_that_cannot_be_made():
    with pytest.raises(ValueError, match="below zero"):
        Child(Counter, -1)


def test_all_are_measured_in_turn_and_the_first_round_does_not_count():
    calls = []

    def measure(name):
        calls.append(name)
        return {"n": len(calls), "s": [0, len(calls), 90]}

    measures = {name: lambda name=name: measure(name) for name in "ab"}
    found = in_turn(measures, 3)
    assert "".join(calls) == "abababab"
    assert found["a"] == {"n": 5, "s": 5, "rounds": {"n": [3, 5, 7], "s": [3, 5, 7]}}
    assert found["b"]["rounds"]["n"] == [4, 6, 8]
    calls.clear()
    assert in_turn(measures, 1, warm_up=False)["a"]["rounds"]["n"] == [1]


def test_repeated_as_often_and_as_long_as_asked_for():
    assert len(repeated(lambda: None, seconds=0, least=4)) == 4
    assert sum(repeated(lambda: None, seconds=0.01)) >= 0.01


def test_exponents():
    sizes = np.array([4, 8, 16, 32])
    np.testing.assert_allclose(exponent(sizes, 5.0 * sizes**2.5), 2.5)
    assert exponent([4], [1]) is None


def test_a_table_shows_dashes_for_what_is_not_there():
    columns = {"name": column("name"), "ms": column("seconds", ".1f", 1e3), "n": column("n")}
    rows = [{"name": "a", "seconds": 0.25}, {"name": "b", "n": 2}]
    lines = ["### Title", "", "| name | ms | n |", "|---|---|---|"]
    lines += ["| a | 250.0 | – |", "| b | – | 2 |"]
    assert Table("Title", columns, rows).markdown().splitlines() == lines
    assert Table("Title", columns, rows, ["x"]).markdown().splitlines() == [*lines, "", "- x"]
