"""Compute gradients that other libraries offer beside those of the other folders."""
