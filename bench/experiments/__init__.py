"""Run studies on a data set: training a network, how fast it yields batches, sequences of any length."""
