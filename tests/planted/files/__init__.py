"""Errors planted in what is written to disk and read back."""
