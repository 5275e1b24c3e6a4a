"""The committed records give the same figures, byte for byte, in another process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from drtrl_bench import start
from drtrl_bench.paper import report

ROOT = Path(__file__).parents[2]


def drawn(folder: Path, **variables: str) -> dict[str, bytes]:
    """Draw and judge what is committed, in a process of its own with these variables."""
    words = ["reproduce", "--draw-only", "--records", str(ROOT / "results" / "paper"), "--out", str(folder)]
    subprocess.run(start.command("drtrl_bench", *words), env=os.environ | variables, check=True, capture_output=True)
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="another allocator is chosen by a variable of Linux's Python")
def test_committed_figures_are_the_same_in_two_processes(tmp_path: Path) -> None:
    """With other hashes, and with other addresses in memory, by which the solver of a layout orders its equations."""
    one = drawn(tmp_path / "one", PYTHONHASHSEED="1")
    two = drawn(tmp_path / "two", PYTHONHASHSEED="2", PYTHONMALLOC="malloc")
    assert report.FILE in one
    assert len([name for name in one if name.endswith(".png")]) >= 6
    assert list(one) == list(two)
    assert [name for name in one if one[name] != two[name]] == []
