"""The child process that looks whether plugins are whole in one framework, before anything is measured.

Started by `runner.py`. The job on standard input has the plugins, the framework, and the names of algorithms and cells;
the result has the first complaint, or null.
"""

import json
import sys
from pathlib import Path

from drtrl_bench import plugins


def main() -> None:
    job = json.load(sys.stdin)
    try:
        plugins.restore(job["plugins"], job["framework"])
        found = (plugins.complaint(kind, name, job["framework"]) for kind, name in job["names"])
        complaint = next(filter(None, found), None)
    except plugins.PluginError as error:
        complaint = str(error)
    Path(job["result"]).write_text(json.dumps({"complaint": complaint}), encoding="utf-8")


if __name__ == "__main__":
    main()
