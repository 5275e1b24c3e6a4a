"""Read files that somebody else may have written, and keep files between runs."""
