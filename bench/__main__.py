"""Run the command `drtrl-bench`, as `python -m drtrl_bench`, and handle signals from its start."""

from drtrl_bench.process import signals


def command() -> None:
    """Import and run the command; the import takes a second, during which a signal may come."""
    from drtrl_bench.cli import app

    app.main()


def main() -> None:
    """Run the command; a signal that ends it is one line on standard error, and exit code 128 + the signal's number."""
    signals.run(command)


if __name__ == "__main__":
    main()
