"""Keeps the rows of finished jobs, one JSON line per job, and reads them as a pandas frame.

A file holds two kinds of lines: an `environment` describes a machine, as in `drtrl_bench.records.record`; a `result`
holds a job and its rows, and names its machine by `env_hash`. A line is written once its job is finished.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drtrl_bench.case import digest
from drtrl_bench.paper import listing, lost
from drtrl_bench.records import reading

if TYPE_CHECKING:
    import pandas as pd

Line = dict[str, Any]
VERSION = 1
FIELDS = {
    "experiment": str,
    "size": str,
    "job": dict,
    "job_key": str,
    "implementation_sha": str,
    "env_hash": str,
    "data": dict,
    "rows": list,
}
"""Fields without which a line is no result, and their types."""


class Shared(dict[str, Any]):
    """A dictionary that nobody changes, so that a deep copy is itself: pandas copies `attrs` at every step."""

    def __deepcopy__(self, memo: Any) -> "Shared":
        return self


def file_of(records: Path, name: str) -> Path:
    """Return the file of an experiment: NAME.jsonl in a folder, or the file itself if one is named."""
    return records if records.suffix == ".jsonl" else records / f"{name}.jsonl"


def key_of(name: str, job: dict[str, Any]) -> str:
    """Return the hash by which two jobs are the same."""
    return digest([name, job])


def read(path: Path) -> tuple[list[Line], dict[str, Line]]:
    """Read the results of a file, and its environments by hash; nothing if there is no file.

    Lines that are neither are left out: a crash may have cut one short.
    """
    results: list[Line] = []
    environments: dict[str, Line] = {}
    if not path.exists():
        return results, environments
    for line in reading.objects(path):
        if line.get("schema_version") != VERSION:
            continue
        if line.get("kind") == "environment" and isinstance(line.get("env_hash"), str):
            environments[line["env_hash"]] = line
        elif line.get("kind") == "result" and all(isinstance(line.get(k), v) for k, v in FIELDS.items()):
            results.append(line)
    return results, environments


def newest(lines: Iterable[Line], name: str, jobs: Iterable[dict[str, Any]]) -> list[Line]:
    """Return the last result of each job, whatever its sources and data, in the order of the jobs."""
    last = {line["job_key"]: line for line in lines}
    return [last[key] for job in jobs if (key := key_of(name, job)) in last]


def left_out(line: Mapping[str, Any]) -> bool:
    """Tell whether a result has nothing to draw; where time and memory are measured, what ran out is drawn, too."""
    return lost.ran_out(line) and not hasattr(listing.module(line["experiment"]), "case")


def instead(name: str) -> str:
    """Return what takes the place of something published in an experiment; "" if nothing does."""
    return listing.module(name).ABOUT.instead if name in listing.EXPERIMENTS else ""


def frame(lines: list[Line], environments: dict[str, Line], size: str) -> "pd.DataFrame":
    """Return a frame with a row for each row of the results, with the numbers of its job beside its own.

    size: the one whose jobs these are; two sizes may share some. `attrs` has it, the environments, and "results" (the
    hash of what is drawn), "experiment", "instead" (what takes the place
    of something published), "jobs", "seeds" and "cpu_s", what the jobs took; and "lost", by study the
    words on jobs that ran out of memory, which have no rows. If no job has rows, the columns are those of a job.
    """
    import pandas as pd

    from drtrl_bench.view import caption

    letters = caption.setups(environments, dict.fromkeys(line["env_hash"] for line in lines))
    rows: list[dict[str, Any]] = []
    gone: list[dict[str, Any]] = []
    common: dict[str, Any] = {}
    for line in lines:
        commit = line.get("commit") and line["commit"][:9] + (" with changes" if line.get("dirty") else "")
        common = {
            "data": line["data"].get("label"),
            "synthetic": line["data"].get("synthetic"),
            "env_hash": line["env_hash"],
            "setup": letters[line["env_hash"]],
            "commits": frozenset([commit] if commit else []),
        }
        if left_out(line):
            gone.append(line["job"])
        else:
            rows += [{**line["job"], **row, **common} for row in line["rows"]]
    made = pd.DataFrame(rows, columns=None if rows or not lines else [*lines[0]["job"], *common])
    made.attrs = {
        "environments": Shared(environments),
        "results": digest([[line["job_key"], line["implementation_sha"], line["rows"]] for line in lines]),
        "experiment": lines[0]["experiment"] if lines else "",
        "instead": instead(lines[0]["experiment"]) if lines else "",
        "size": size,
        "jobs": len(lines) - len(gone),
        "lost": Shared(lost.told(gone, [line["job"] for line in lines])),
        "cpu_s": sum(line.get("cpu_s") or 0 for line in lines),
        "seeds": max(1, made["seed"].nunique()) if "seed" in made else 1,
    }
    return made
