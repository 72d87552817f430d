"""Shapes to spherical signals: ray length, and angle between ray and surface normal."""
