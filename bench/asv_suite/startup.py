"""Track how long Python takes to import the package and its command line."""

import subprocess
import sys
from time import perf_counter

from . import harness


class Startup:
    """Track the seconds of the fastest of five fresh processes."""

    params = (["import bench", "import bench.cli"],)
    """Named by the package's first name, with which the curves began; each commit imports it by its current name."""
    param_names = ("statement",)
    timeout = 120
    unit = "s"
    version = "1"

    def track_seconds(self, statement: str) -> float:
        """Return the shortest time that a Python process with the statement takes, in seconds."""
        command = [sys.executable, "-P", "-c", statement.replace("bench", harness.PACKAGE)]

        def once() -> float:
            start = perf_counter()
            subprocess.run(command, check=True)
            return perf_counter() - start

        return min(once() for _ in range(5))
