#!/usr/bin/env python
"""Draws signals, filters, feature maps, animations and mistakes: `scnn visualize`."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from spherical_cnn.cli import run_command

if __name__ == "__main__":
    run_command(["visualize"], sys.argv[1:])
