"""How long the command takes to say anything."""

import subprocess
import sys
from time import perf_counter


class Startup:
    """Fastest of five fresh processes."""

    params = (["import bench", "import bench.cli"],)
    param_names = ("statement",)
    timeout = 120
    unit = "s"
    version = "1"

    def track_seconds(self, statement: str) -> float:
        def once() -> float:
            start = perf_counter()
            subprocess.run([sys.executable, "-c", statement], check=True)
            return perf_counter() - start

        return min(once() for _ in range(5))
