"""Training on top of `advance`, and sequences that are never in memory as a whole."""
