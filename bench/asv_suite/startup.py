"""How long the command takes to say anything."""

import subprocess
import sys
from time import perf_counter

from . import harness


class Startup:
    """Fastest of five fresh processes."""

    params = (["import bench", "import bench.cli"],)
    """Under the package's first name, as the curves began; each commit imports it by its own."""
    param_names = ("statement",)
    timeout = 120
    unit = "s"
    version = "1"

    def track_seconds(self, statement: str) -> float:
        command = [sys.executable, "-P", "-c", statement.replace("bench", harness.PACKAGE)]

        def once() -> float:
            start = perf_counter()
            subprocess.run(command, check=True)
            return perf_counter() - start

        return min(once() for _ in range(5))
