"""Compute the exact gradient of the loss."""
