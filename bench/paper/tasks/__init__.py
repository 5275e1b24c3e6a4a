"""The experiments that train a network on a task: one module = one experiment."""
