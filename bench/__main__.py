"""`python -m bench` is the command `drtrl-bench`."""

from bench.cli import main

main()
