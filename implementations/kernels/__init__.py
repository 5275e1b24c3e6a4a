"""Kernels for a GPU, each with the same result as the plain code beside it."""
