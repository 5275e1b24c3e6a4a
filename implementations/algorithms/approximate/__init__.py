"""Algorithms that leave out paths through the recurrent weights, and their options."""
