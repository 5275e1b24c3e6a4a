"""Specify the cells, and compute their equations and derivatives in each framework."""
