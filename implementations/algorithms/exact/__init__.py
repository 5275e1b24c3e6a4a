"""Algorithms that give the exact gradient of the loss."""
