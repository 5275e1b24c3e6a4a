"""`python -m drtrl_bench` is the command `drtrl-bench`."""

from drtrl_bench.cli import main

main()
