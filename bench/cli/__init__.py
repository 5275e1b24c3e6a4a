"""The command `drtrl-bench`: its subcommands, their options, and what they print."""
