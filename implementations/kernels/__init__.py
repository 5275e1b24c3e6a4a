"""Compute parts of the engine in kernels for a GPU, each with the result of a function of the engine."""
