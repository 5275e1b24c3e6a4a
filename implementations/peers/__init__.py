"""Adapters of other libraries: each runs in its library's own environment, and knows nothing of this project."""
