"""Compute the ground truth in float64 NumPy: the algorithms and the cells, written for reading."""
