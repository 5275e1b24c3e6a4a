"""Measure one case: its problem, its gradient check, time, memory and fidelity, in a process of its own."""
