"""What tests and doctests share: a quiet TensorFlow, and `np` in every example."""

import os

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is first imported


@pytest.fixture(autouse=True)
def numpy_in_examples(doctest_namespace):
    """Examples use `np` without importing it."""
    doctest_namespace["np"] = np
