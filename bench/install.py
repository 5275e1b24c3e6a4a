"""How the package came here: a checkout of the project, or a wheel without one; what either needs to be told."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
"""The checkout; of an installed wheel, a folder of packages that knows nothing of the project."""


def in_checkout() -> bool:
    """Whether the package lies in the project's own folder."""
    return (ROOT / "pyproject.toml").is_file()


def command(extra: str) -> str:
    """What to type to install an extra, as "jax" or "events": in a checkout with the versions that are tested."""
    return f"pip install -c constraints.txt -e '.[{extra}]'" if in_checkout() else f"pip install 'drtrl-bench[{extra}]'"
