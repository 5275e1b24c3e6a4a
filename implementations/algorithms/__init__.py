"""The learning algorithms: one algorithm in one framework is one file."""
