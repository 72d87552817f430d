#!/usr/bin/env python
"""Trains and tests networks as in Table 1 of the paper: `scnn table1`."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from spherical_cnn.cli import main

if __name__ == "__main__":
    main("table1")
