"""Processes started, watched and ended; locks, temporary folders and the environment that they get."""
