"""Children, turns, medians, growth, tables."""

import os

import numpy as np
import pytest

from benchmarks.growth import exponent, last_exponent
from benchmarks.harness import Child, ChildError, interleaved, medians, repeated
from benchmarks.table import Table, column


class Counter:
    def __init__(self, start=0):
        if start < 0:
            raise ValueError("below zero")
        self.value = start

    def add(self, step):
        print("heard by no one")
        self.value += step
        return self.value

    def die(self):
        os.write(2, b"first line\nlast words\n")
        os._exit(7)

    def sleep(self):
        import time

        time.sleep(60)


def test_a_child_keeps_its_object_and_its_noise(capfd):
    with Child(Counter, start=3) as child:
        assert [child.call("add", 2), child.call("add", 5)] == [5, 10]
        with pytest.raises(ChildError, match="AttributeError: .*subtract"):
            child.call("subtract")
        assert child.call("add", 1) == 11
        with pytest.raises(ChildError, match=r"died, code 7: last words$"):
            child.call("die")
        with pytest.raises(ChildError):
            child.call("add", 1)
    assert capfd.readouterr() == ("", "")


def test_children_that_cannot_be_made_or_are_late():
    with pytest.raises(ChildError, match="ValueError: below zero"):
        Child(Counter, -1)
    with Child(Counter) as child, pytest.raises(ChildError, match=r"not ready in 0\.1 s"):
        child.call("sleep", limit=0.1)


def test_all_are_measured_in_turn_and_the_first_round_is_not_counted():
    calls = []

    def measure(name):
        calls.append(name)
        if calls == list("abab"):
            raise ChildError("tired")
        return {"n": len(calls)}

    measures = {name: lambda name=name: measure(name) for name in "ab"}
    results, failures = interleaved(measures, 3)
    assert "".join(calls) == "ababaa"
    assert results == {"a": [{"n": 3}, {"n": 5}, {"n": 6}]}
    assert failures == {"b": "tired"}
    calls.clear()
    with pytest.raises(ChildError, match="tired"):
        interleaved(measures, 3, needed=["b"])


def test_medians_over_rounds_of_medians_within():
    rounds = [{"s": [1, 2, 9], "n": 4}, {"s": [5, 5, 5, 5], "n": 8}, {"s": [0, 3, 90], "n": 5}]
    assert medians(rounds) == {"s": 3, "n": 5, "rounds": {"s": [2, 5, 3], "n": [4, 8, 5]}}


def test_repeated_as_often_and_as_long_as_asked_for():
    assert len(repeated(lambda: None, seconds=0, least=4)) == 4
    assert sum(repeated(lambda: None, seconds=0.01)) >= 0.01


def test_exponents():
    sizes = np.array([4, 8, 16, 32])
    np.testing.assert_allclose(exponent(sizes, 5.0 * sizes**2.5), 2.5)
    bent = [1, 1, 1, 8]
    np.testing.assert_allclose(last_exponent(sizes[::-1], bent[::-1]), 3)
    assert exponent(sizes, bent) < 3
    assert exponent([4], [1]) is None


def test_a_table_shows_dashes_for_what_is_not_there():
    columns = {"name": column("name"), "ms": column("seconds", ".1f", 1e3), "n": column("n")}
    table = Table("Title", columns, [{"name": "a", "seconds": 0.25}, {"name": "b", "n": 2}], ["x"])
    assert table.markdown().splitlines() == [
        "### Title",
        "",
        "| name | ms | n |",
        "|---|---|---|",
        "| a | 250.0 | – |",
        "| b | – | 2 |",
        "",
        "- x",
    ]
