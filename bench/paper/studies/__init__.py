"""The experiments on Jacobians, traces, gradients and their cost: one module = one experiment, or its judge."""
