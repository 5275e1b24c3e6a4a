"""Run other libraries beside this project: each in an environment of its own, on the same weights, inputs and loss."""
