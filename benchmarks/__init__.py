"""Measures the figures of README and docs; `python -m benchmarks` runs most of it."""
