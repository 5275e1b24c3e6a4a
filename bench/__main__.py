"""`drtrl-bench`, which is `python -m drtrl_bench`: takes care of signals from the start, then runs the command."""

import sys
from contextlib import suppress

from drtrl_bench.process import signals


def main() -> None:
    """The command; a signal that ends it is one line on standard error, and exit code 128 + its number."""
    signals.install()
    try:
        from drtrl_bench.cli import commands as cli  # a second, in which a signal may come

        cli.main()
    except signals.Stopped as stopped:
        with suppress(OSError):  # a terminal that is gone
            print(stopped, file=sys.stderr, flush=True)
        raise SystemExit(stopped.exit_code) from None


if __name__ == "__main__":
    main()
