"""Errors planted in data sets and their files."""
