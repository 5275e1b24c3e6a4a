"""Implement the algorithms and cells under test: one algorithm in one framework is one file."""
