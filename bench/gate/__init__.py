"""Compare revisions: what changed, whether it is a regression, and whether the gate catches regressions."""
