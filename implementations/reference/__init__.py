"""Compute every gradient and every cell in float64 NumPy, written for reading: what all code is compared with."""
