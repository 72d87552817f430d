"""Readers of mesh, volume and point-cloud files, and a writer of mesh files."""
