"""Reports are compared by times relative to a product on the machine of each."""

import json
import re

from benchmarks.network import ROOT as REPOSITORY
from benchmarks.reference import product_seconds, slower

ROOT = REPOSITORY / "benchmarks"


def report(product, step, transform):
    rows = [{"variant": "plain", "step": step, "rounds": {}}]
    at = {"transform": "ours", "32": {"seconds": transform, "error": 1e-7}}
    sections = {"step": {"rows": rows}, "transform": {"rows": [at]}}
    return {"product": product, "sections": sections}


def test_a_slower_machine_is_not_a_slower_program():
    assert slower(report(2.0, 0.2, 0.02), report(1.0, 0.1, 0.01)) == [
        "2 times compared, 0 more than 1.25 times as long"
    ]


def test_what_takes_longer_is_named_with_its_ratio():
    assert slower(report(1.0, 0.1, 0.015), report(1.0, 0.1, 0.01)) == [
        "slower: transform: ours: 32: 1.50 times",
        "2 times compared, 1 more than 1.25 times as long",
    ]


def test_rows_of_one_report_alone_are_not_compared():
    other = report(1.0, 0.1, 0.01)
    del other["sections"]["step"]
    assert slower(report(1.0, 9.0, 0.01), other)[-1].startswith("1 times compared, 0")


def test_the_committed_report_is_no_slower_than_itself():
    committed = json.loads((ROOT / "reference.json").read_text("utf-8"))
    (line,) = slower(committed, committed)
    assert re.fullmatch(r"[1-9]\d+ times compared, 0 more than 1.25 times as long", line)


def test_the_product_takes_time():
    assert product_seconds() > 0
