#!/usr/bin/env python
"""Trains a network on TFRecords, tests it and writes a report: `scnn train`."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from spherical_cnn.cli import main

if __name__ == "__main__":
    main("train")
