"""Check in a child process that plugins are complete in one framework, before anything is measured.

`runner.py` starts this module. The job on standard input has the plugins, the framework, and the names of algorithms
and cells; the result has the first complaint, or null.
"""

import inspect
import json
import sys
from pathlib import Path

from drtrl_bench import plugins
from drtrl_bench.plugins.modules import PluginError, cause

SHAPES = {
    "init": "a function (net, params, batch) -> carry",
    "advance": "a function (net, params, carry, inputs, targets, *, last=False) -> carry, loss, gradient",
    "emit": "a function of the states",
    "dynamics": "a function of the states and input currents",
    "output": "a function of the states",
}


def complaint(kind: str, name: str, framework: str) -> str | None:
    """Import an implementation of a plugin, and return what is wrong with it, or None."""
    plugin = plugins.owner(kind, name)
    if plugin is None:
        return None
    entry = plugin.tables[kind][name]
    where = f"{plugin.origin}: {kind} {name!r}: {framework}"
    try:
        implementation = entry.module(name, framework) if kind == "algorithm" else entry.kind(framework)
    except (Exception, SystemExit) as error:
        return f"{where}: {cause(error, plugin.folder)}"
    source = getattr(entry, framework)
    subject = f"{where}: {source if isinstance(source, str) else getattr(source, '__name__', type(source).__name__)}"
    if kind == "cell" and not (isinstance(implementation, type) and issubclass(implementation, entry.spec)):
        return f"{subject} has no class {entry.spec.__name__}; it must be derived from the specification of this name"
    for attribute in ("init", "advance") if kind == "algorithm" else ("emit", "dynamics", "output"):
        if not callable(getattr(implementation, attribute, None)):
            return f"{subject} has no {attribute}; it must be {SHAPES[attribute]}"
    if (
        kind == "algorithm"
        and entry.blockwise
        and "execution" not in inspect.signature(implementation.advance).parameters
    ):
        return f"{subject}: blockwise, but advance takes no execution; leave blockwise out, or let advance take it"
    return None


def main() -> None:
    job = json.load(sys.stdin)
    try:
        plugins.restore(job["plugins"], job["framework"])
        complaints = (complaint(kind, name, job["framework"]) for kind, name in job["names"])
        problem = next(filter(None, complaints), None)
    except PluginError as error:
        problem = str(error)
    Path(job["result"]).write_text(json.dumps({"complaint": problem}), encoding="utf-8")


if __name__ == "__main__":
    main()
