"""Rankings of shapes by similarity, and the metrics of SHREC'17."""
