"""Meshes, voxels and point clouds: reading, normalizing and ray casting."""
