"""Errors planted in the modules of the harness."""
