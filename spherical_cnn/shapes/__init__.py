"""Shapes: meshes, voxels and point clouds; reading, normalizing and casting rays."""
