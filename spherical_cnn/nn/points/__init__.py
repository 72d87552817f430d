"""Layers on point clouds, and the network `point_sphere`: points in, features or signals out.

A cloud is `(batch, points, 3)`. A point with a coordinate that is not finite is *missing*: it has
no effect on anything but its own row, which is 0. Clouds of different sizes are padded with NaN.
Geometry is computed in at least float32, whatever the dtype policy is.
"""
