"""Copies of the project's code, for tests that edit it."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def copied(to: Path, *folders: str) -> Path:
    """Copies the package's folders, and others by name, to `to`, with the links that make one package of them."""
    for folder in ("bench", "implementations", "datasets", *folders):
        unwanted = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, to / folder, symlinks=True, ignore=unwanted, dirs_exist_ok=True)
    (to / "drtrl_bench").symlink_to("bench")
    return to
