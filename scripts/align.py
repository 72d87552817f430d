#!/usr/bin/env python
"""Finds the rotation between two shapes: `scnn align`."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from spherical_cnn.cli import run_command

if __name__ == "__main__":
    run_command(["align"], sys.argv[1:])
