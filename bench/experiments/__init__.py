"""Whole studies on a data set: training a network, how fast data comes, sequences of any length."""
