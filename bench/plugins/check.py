"""The child process that looks whether plugins are whole in one framework, before anything is measured.

Started by `runner.py`. The job on standard input has the plugins, the framework, and the names of algorithms and cells;
the result has the first complaint, or null.
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
    """What is wrong with an implementation of a plugin, which is imported to see it, or None."""
    plugin = plugins.owner(kind, name)
    if plugin is None:
        return None
    entry = plugin.tables[kind][name]
    where = f"{plugin.origin}: {kind} {name!r}: {framework}"
    try:
        found = entry.module(name, framework) if kind == "algorithm" else entry.kind(framework)
    except (Exception, SystemExit) as error:
        return f"{where}: {cause(error, plugin.folder)}"
    own = getattr(entry, framework)
    said = f"{where}: {own if isinstance(own, str) else getattr(own, '__name__', type(own).__name__)}"
    if kind == "cell" and not (isinstance(found, type) and issubclass(found, entry.spec)):
        return f"{said} has no class {entry.spec.__name__}; it must be derived from the specification of this name"
    for attribute in ("init", "advance") if kind == "algorithm" else ("emit", "dynamics", "output"):
        if not callable(getattr(found, attribute, None)):
            return f"{said} has no {attribute}; it must be {SHAPES[attribute]}"
    if kind == "algorithm" and entry.blockwise and "execution" not in inspect.signature(found.advance).parameters:
        return f"{said}: blockwise, but advance takes no execution; leave blockwise out, or let advance take it"
    return None


def main() -> None:
    job = json.load(sys.stdin)
    try:
        plugins.restore(job["plugins"], job["framework"])
        found = (complaint(kind, name, job["framework"]) for kind, name in job["names"])
        said = next(filter(None, found), None)
    except PluginError as error:
        said = str(error)
    Path(job["result"]).write_text(json.dumps({"complaint": said}), encoding="utf-8")


if __name__ == "__main__":
    main()
