"""Run the harness of the commit under test by the interface that all commits share: `python -m PACKAGE run PLAN`."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
"""The checkout with this suite: asv imports it from the working tree, whatever commit it has installed."""
PACKAGE = "drtrl_bench" if find_spec("drtrl_bench") else "bench"
"""Name of the package of the commit under test; older commits installed one called bench."""
Record = dict[str, Any]


def load_module(name: str) -> Any:
    """Import a module of the working tree that needs no other; the commit under test may have none of this name."""
    spec = spec_from_file_location(f"asv_suite_{Path(name).name}", ROOT / "bench" / f"{name}.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def environment() -> dict[str, str]:
    """Return the environment variables of the harness under test, the same for all commits and current folders."""
    return (
        load_module("process/variables").for_revisions(os.environ)
        | load_module("process/repository").git_variables(ROOT)
        | {"PYTHONSAFEPATH": "1"}
    )


def measure(cases: list[dict[str, Any]], budget_s: float = 0.3) -> list[Record]:
    """Measure cases and return the record of each; its status is "unknown" if the commit's harness does not know it.

    The cases of each algorithm are a plan of their own, because a harness refuses a plan with an unknown name.
    """
    records: list[Record] = []
    for algorithm in dict.fromkeys(case["algorithm"] for case in cases):
        of_algorithm = [case for case in cases if case["algorithm"] == algorithm]
        with TemporaryDirectory(prefix="drtrl-bench-asv-") as folder:
            plan, out = Path(folder) / "asv.toml", Path(folder) / "asv.jsonl"
            grids = [
                "\n".join(["[[grid]]", *(f"{k} = {json.dumps(v)}" for k, v in case.items())]) for case in of_algorithm
            ]
            plan.write_text("\n".join([f"limit_s = 120\nbudget_s = {budget_s}", *grids]) + "\n", encoding="utf-8")
            command = [sys.executable, "-P", "-m", PACKAGE, "run", str(plan), "--records", str(out)]
            done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
            written = lines(out) if out.exists() else []
            reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
            status = "unknown" if done.returncode == 2 else "error"
            for case in of_algorithm:
                same = [r for r in written if all(r["case"].get(key) == value for key, value in case.items())]
                records.append(same[-1] if same else {"status": status, "reason": reason, "case": case})
    return records


def lines(path: Path) -> list[Record]:
    """Read the records of a file; a line that is no record is skipped."""
    records = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        if isinstance(line, dict) and line.get("kind") == "record":
            records.append(line)
    return records


def usable(record: Record) -> Record:
    """Return the record if it has numbers.

    Raises NotImplementedError, by which asv skips a parameter set, for a case that was skipped or is unknown; and
    RuntimeError for one that failed.
    """
    if record["status"] in ("skip", "unknown"):
        raise NotImplementedError(record["reason"])
    if record["status"] != "ok":
        raise RuntimeError(f"{record['status']}: {record['reason']}")
    return record


def commit() -> str:
    """Return the commit under test: asv's, or that of the checkout if asv uses an existing environment."""
    if of_asv := os.environ.get("ASV_COMMIT"):
        return of_asv
    done = load_module("process/repository").ask(ROOT, "rev-parse", "HEAD")
    done.check_returncode()
    return done.stdout.strip()
