"""Compute gradients of rules that other libraries have, and of new ones."""
