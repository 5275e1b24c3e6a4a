"""The command `drtrl-bench` in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path


def command(*words: str, cwd: Path | None = None, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
    line = [sys.executable, "-m", "drtrl_bench", *words]
    return subprocess.run(line, capture_output=True, text=True, cwd=cwd, env=env, timeout=timeout)
