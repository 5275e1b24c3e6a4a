"""Tell a checkout of the project from an installed wheel, and give the install command that suits."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
"""The checkout; of an installed wheel, a folder of packages that knows nothing of the project."""


def in_checkout(root: Path | None = None) -> bool:
    """Tell whether the package lies in a checkout: a wheel may lie beside another project's pyproject.toml."""
    try:
        pyproject = ((root or ROOT) / "pyproject.toml").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return re.search(r'^name = "drtrl-bench"$', pyproject, re.MULTILINE) is not None


def command(extra: str) -> str:
    """Return the install command of an extra, as "jax" or "events": in a checkout with the tested versions."""
    return f"pip install -c constraints.txt -e '.[{extra}]'" if in_checkout() else f"pip install 'drtrl-bench[{extra}]'"
