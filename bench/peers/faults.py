"""Run the scripts of results/peers/, each of which shows a fault of a library: the fault is still there, or gone."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drtrl_bench import install
from drtrl_bench.peers import environments, exchange
from drtrl_bench.process import supervised

SCRIPTS = install.ROOT / "results" / "peers"
"""PEER_FAULT.py: needs that library alone, and exits with 1 while the fault is there."""
LIMIT_S = 300.0
"""The longest that a script may take, in seconds."""
TRACEBACK = "Traceback (most recent call last)"
"""By which a script that failed is told from one that shows its fault: Python exits with 1 after both."""


@dataclass(frozen=True)
class Fault:
    """A fault of a library, and whether it is there: outcome is there, gone, error or skip."""

    peer: str
    script: str
    outcome: str
    reason: str | None = None
    """Why the script said nothing."""

    @property
    def sound(self) -> bool:
        """Tell whether the fault is what the documents say it is, or the library is not installed."""
        return self.outcome in ("there", "skip")


def looked_for(names: list[str]) -> Iterator[Fault]:
    """Run the scripts of these peers; of a peer that cannot run, each is skipped. Raises PeerError where none lie."""
    if not (scripts := sorted(SCRIPTS.glob("*.py"))):
        raise environments.PeerError(f"no scripts of faults in {SCRIPTS}: they are part of a checkout, git clone one")
    for script in scripts:
        if (name := script.stem.partition("_")[0]) in names:
            yield look(name, script)


def look(name: str, script: Path) -> Fault:
    """Run the script of a fault in the peer's environment."""
    there = environments.state(name)
    if there.reason:
        return Fault(name, script.name, "skip", there.reason)
    env = {key: value for key, value in os.environ.items() if not key.startswith(exchange.OF_OUR_PYTHON)}
    end = supervised.run([str(there.executable), "-s", "-B", script.name], env, folder=script.parent, limit_s=LIMIT_S)
    if end.timed_out:
        return Fault(name, script.name, "error", f"stopped after {LIMIT_S:g} s")
    if end.code not in (0, 1) or TRACEBACK in end.log:
        return Fault(name, script.name, "error", end.reason)
    return Fault(name, script.name, "there" if end.code else "gone")
