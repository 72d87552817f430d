"""Measurements behind the figures of README and docs; `python -m benchmarks` runs most of them."""
