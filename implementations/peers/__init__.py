"""Run other libraries by adapters: each in its library's own environment, and knowing nothing of this project."""
