"""Compute the gradients of the learning algorithms: one algorithm in one framework is one file."""
