"""How the package came here: a checkout of the project, or a wheel without one; what either needs to be told."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
"""The checkout; of an installed wheel, a folder of packages that knows nothing of the project."""


def in_checkout(root: Path | None = None) -> bool:
    """Whether the package's folder is the project's own: a wheel may lie beside another project's pyproject.toml."""
    try:
        said = ((root or ROOT) / "pyproject.toml").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return re.search(r'^name = "drtrl-bench"$', said, re.MULTILINE) is not None


def command(extra: str) -> str:
    """What to type to install an extra, as "jax" or "events": in a checkout with the versions that are tested."""
    return f"pip install -c constraints.txt -e '.[{extra}]'" if in_checkout() else f"pip install 'drtrl-bench[{extra}]'"
