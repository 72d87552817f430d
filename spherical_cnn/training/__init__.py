"""Training: options, loop, checkpoints, devices, run folder, report."""
