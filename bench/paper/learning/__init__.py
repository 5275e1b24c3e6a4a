"""Training of a network by a rule, summaries of several seeds, and verdicts on them."""
