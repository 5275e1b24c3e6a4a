"""Train networks with `advance`, and compute gradients of sequences that are never in memory all at once."""
