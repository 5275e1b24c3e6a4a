"""The command `drtrl-bench`: what a user types, and what the command answers."""
