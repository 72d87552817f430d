"""Values at other places: harmonics of directions, functions and images on grids."""
