"""Measure the cases of a plan on the workers of a cluster: each case on one machine, all records in one file."""
