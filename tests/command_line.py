"""The command `drtrl-bench` in a process of its own."""

import os
import subprocess
import sys


def command(*words: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
    line = [sys.executable, "-m", "drtrl_bench", *words]
    return subprocess.run(line, capture_output=True, text=True, env=env, timeout=timeout)
