"""The cells: their specification, and their equations in each framework."""
