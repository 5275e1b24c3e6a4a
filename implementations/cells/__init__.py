"""Specify the cells, and compute their equations in each framework."""
