"""Compute gradients that leave out paths through the recurrent weights."""
