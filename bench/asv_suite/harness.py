"""The harness of the commit under test, by the one interface that all commits share: `python -m PACKAGE run PLAN`."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
"""The checkout with this suite, which asv imports from the working tree whatever commit it has installed."""
PACKAGE = "drtrl_bench" if find_spec("drtrl_bench") else "bench"
"""What the commit under test calls its package; the older ones installed one called bench."""
Record = dict[str, Any]


def own(name: str) -> Any:
    """A module of the working tree that needs no other; the commit under test may have none of this name."""
    spec = spec_from_file_location(f"asv_suite_{Path(name).name}", ROOT / "bench" / f"{name}.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def environment() -> dict[str, str]:
    """Environment variables of the harness under test: the same for all commits, and nothing of the current folder."""
    return (
        own("process/variables").to_revisions(os.environ)
        | own("process/repository").handed_on(ROOT)
        | {"PYTHONSAFEPATH": "1"}
    )


def measured(cases: list[dict[str, Any]], budget_s: float = 0.3) -> list[Record]:
    """The record of each case; what that commit's harness does not know has the status "unknown".

    Cases of one algorithm are one plan, because a harness refuses a plan with anything in it that it does not know.
    """
    found: list[Record] = []
    for algorithm in dict.fromkeys(case["algorithm"] for case in cases):
        own = [case for case in cases if case["algorithm"] == algorithm]
        with TemporaryDirectory(prefix="drtrl-bench-asv-") as folder:
            plan, out = Path(folder) / "asv.toml", Path(folder) / "asv.jsonl"
            grids = ["\n".join(["[[grid]]", *(f"{k} = {json.dumps(v)}" for k, v in case.items())]) for case in own]
            plan.write_text("\n".join([f"limit_s = 120\nbudget_s = {budget_s}", *grids]) + "\n", encoding="utf-8")
            command = [sys.executable, "-P", "-m", PACKAGE, "run", str(plan), "--records", str(out)]
            done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
            records = lines(out) if out.exists() else []
            said = (done.stderr.strip().splitlines() or ["no output"])[-1]
            status = "unknown" if done.returncode == 2 else "error"
            for case in own:
                same = [r for r in records if all(r["case"].get(key) == value for key, value in case.items())]
                found.append(same[-1] if same else {"status": status, "reason": said, "case": case})
    return found


def lines(path: Path) -> list[Record]:
    """The records of a file; a line that is none is passed over."""
    found = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        if isinstance(line, dict) and line.get("kind") == "record":
            found.append(line)
    return found


def usable(record: Record) -> Record:
    """The record, if it has numbers. Raises NotImplementedError, asv's word for skipped, where there can be none."""
    if record["status"] in ("skip", "unknown"):
        raise NotImplementedError(record["reason"])
    if record["status"] != "ok":
        raise RuntimeError(f"{record['status']}: {record['reason']}")
    return record


def commit() -> str:
    """The commit under test: asv's, or that of the checkout where asv uses an existing environment."""
    if found := os.environ.get("ASV_COMMIT"):
        return found
    done = own("process/repository").ask(ROOT, "rev-parse", "HEAD")
    done.check_returncode()
    return done.stdout.strip()
