"""The command `drtrl-bench` in a process of its own."""

import os
import subprocess
import sys


def command(*words: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
    return subprocess.run([sys.executable, "-m", "drtrl_bench", *words], capture_output=True, text=True, env=env)
