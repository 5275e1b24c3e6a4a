"""Collapses the rounds of a case into one row: medians, the worst status, and the ratios to BPTT."""

import re
from dataclasses import asdict, fields
from typing import Any, cast

import pandas as pd

from drtrl_bench import registry
from drtrl_bench.case import ALGORITHM, Case, fields_of_role
from drtrl_bench.records import frames
from drtrl_bench.records.record import Record
from drtrl_bench.view import caption, wording
from drtrl_bench.view.caption import Frame

SEVERITY = {"ok": 0, "skip": 1, "timeout": 2, "oom": 3, "error": 4, "wrong": 5}

TIMES = ("time_s", "low_s", "high_s", "spread", "cpu_s", "forward_s", "compile_s")
BYTES = ("working_bytes", "analytic_bytes", "rss_peak_bytes")
RATIOS = ("x_time", "x_memory")
NUMBERS = (*TIMES, *BYTES, *RATIOS, *frames.AGREEMENT, "firing_rate", "silent")
"""Measured columns, with those of layers and weights: empty unless every round of the case was measured."""
PART = re.compile(rf".+\.({'|'.join(frames.AGREEMENT)})")
"""A column of the agreement of a layer or a weight."""

RULE = fields_of_role(ALGORITHM)
"""The fields of a case, those of its algorithm, in which it may differ from the BPTT that its cost is compared with."""
ORDER = ("framework", "steps", "algorithm", "chunk", "segments")
"""The order of rows of one problem."""
NOISY = 0.5
"""Above this spread a time is not a result."""


def rounds(frame: Frame) -> Frame:
    """Return one row per case, environment and data, in reading order: medians over its rounds, and its worst status.

    Adds columns. rounds: their number. setup: a letter per environment. spread, relative to time_s: half the 95 %
    interval of the median of a single round, or the range of the medians of several rounds (low_s and high_s are its
    ends).
    doubtful: unstable, busy or noisy in some round. x_time, x_memory, x_of: see `against_bptt`; x_time is that of the
    processor's times if those by the clock are in doubt and one thread works. x_doubtful: whether x_time is taken from
    a time in doubt, of the case or of BPTT. A round that was run again counts once, with its last record. All measured
    columns are empty unless the status is ok.
    """
    added = ("rounds", "setup", "commits", "plans", "doubtful", "x_doubtful", "x_of", *NUMBERS)
    if frame.empty:
        parts = {name: {} for name in ("time", "memory", "fidelity", "activity", "data")}
        known = frames.row(cast(Record, {"case": asdict(Case()), "status": "", "env_hash": "", **parts}))
        return pd.DataFrame(columns=list(dict.fromkeys((*known, *added))))
    columns = [*frame.columns, *(name for name in added if name not in frame)]
    attributes = dict(frame.attrs)
    frame = frame.reset_index(drop=True)
    frame.attrs = {}  # every step would copy them deeply
    frame = frame.assign(data=labels(frame))
    case = ["case_key", "env_hash", "data"]
    newest = frame.groupby(case)["implementation_sha"].transform("last")
    # Rounds of different sources are different measurements.
    frame = frame[frame["implementation_sha"].isna() | (frame["implementation_sha"] == newest)]
    last = against_bptt(frame.drop_duplicates([*case, "plan", "round"], keep="last"))
    out = merge(last, last.groupby(case, sort=False).ngroup())
    letters = caption.setups(attributes.get("environments", {}), last["env_hash"].unique())
    out = out.assign(setup=out["env_hash"].map(letters))[columns]
    out = out.sort_values([*wording.PROBLEM, *ORDER], ignore_index=True).copy()
    out.attrs = attributes
    return out


def labels(frame: Frame) -> Frame:
    """Return the data label of each row; a row that never loaded its data has that of the others of its data set."""
    known = frame.dropna(subset=["data"]).groupby("dataset")["data"].unique()
    default = {name: of_set[0] for name, of_set in known.items() if len(of_set) == 1}
    named = frame["dataset"].map(lambda name: default.get(name, name))
    return frame["data"].astype(object).where(frame["data"].notna(), named)


def against_bptt(rows: Frame) -> Frame:
    """Add x_time, x_cpu and x_memory: the cost of each round over that of BPTT on the same work, in its round and run.

    Of several implementations of BPTT the one that is quickest in that run is taken, and x_of names it. The work
    includes the framework. Only rounds of one run, which are interleaved, are compared; the ratio is empty if that run
    has no BPTT. base is the label of that BPTT's row, and base_doubtful whether its time is in doubt.
    """
    work = [f.name for f in fields(Case) if f.name not in RULE]
    run = rows["run"].where(rows["run"].notna(), rows["commit"])  # earlier records do not name their run
    same = rows.assign(run=run)[[*work, "env_hash", "data", "source", "plan", "run", "round"]]
    key = same.groupby(list(same.columns), sort=False, dropna=False).ngroup()
    true = rows["algorithm"].isin(registry.BPTT) & (rows["chunk"] == rows["steps"]) & (rows["status"] == "ok")
    of_run = same.groupby([name for name in same if name != "round"], sort=False, dropna=False).ngroup()
    true &= quickest(rows[true], of_run[true]).reindex(rows.index, fill_value=False)
    at: Any = pd.Series(rows.index[true], index=key[true], dtype=float)
    at = at[~at.index.duplicated()].reindex(key).set_axis(rows.index)
    base = rows[["time_s", "low_s", "high_s", "cpu_s", "working_bytes", "unstable", "busy"]]
    base = base.reindex(at).set_axis(rows.index)
    titles = [wording.algorithm(*pair) for pair in zip(rows["algorithm"], rows["segments"], strict=True)]
    names = pd.Series(titles, index=rows.index, dtype=object).reindex(at).set_axis(rows.index)
    ratios = {"x_time": "time_s", "x_cpu": "cpu_s", "x_memory": "working_bytes"}
    over = {name: numeric(rows[cost]) / positive(base[cost]) for name, cost in ratios.items()}
    return rows.assign(**over, base=at, base_doubtful=in_doubt(base), x_of=names)


def quickest(rows: Frame, work: Frame) -> Frame:
    """Return whether each round is of the case that is quickest at its work, by the median over its rounds.

    The processor's times decide where they can stand in for the clock's, and one of the cases was timed in doubt.
    """
    doubtful = in_doubt(rows).groupby(work).transform("any")
    known = rows["cpu_s"].notna().groupby(work).transform("all")
    times = numeric(rows["cpu_s"]).where(doubtful & known & alone(rows), numeric(rows["time_s"]))
    median = times.groupby([work, rows["case_key"]]).transform("median")
    ahead: Any = pd.DataFrame({"median": median, "case": rows["case_key"]}).sort_values("median", kind="stable")
    first = ahead["case"].groupby(work).first()
    return rows["case_key"] == work.map(first)


def numeric(column: Frame) -> Frame:
    """Return a column as numbers, nan where there is none."""
    numbers: Any = pd.to_numeric(column)
    return numbers.astype(float)


def positive(column: Frame) -> Frame:
    """Return a column as numbers, nan where there is none above 0."""
    numbers = numeric(column)
    return numbers.where(numbers > 0)


def in_doubt(rounds: Frame) -> Frame:
    """Return whether each round was unstable, or noisy, or measured on a busy machine."""
    half = (numeric(rounds["high_s"]) - numeric(rounds["low_s"])) / 2
    return rounds["unstable"].eq(True) | rounds["busy"].eq(True) | (half > NOISY * numeric(rounds["time_s"]))


def merge(rounds: Frame, case: Frame) -> Frame:
    """Merge the rounds of each case into one row; case: the number of the case to which each round belongs."""
    by = rounds.groupby(case)
    rows = rounds.loc[rounds["status"].map(SEVERITY).groupby(case).idxmax()].reset_index(drop=True)
    several, ok = by.size() > 1, rows["status"] == "ok"
    commits, plans, bases = ([set() for _ in rows.index] for _ in range(3))
    columns = ("commit", "dirty", "plan", "x_of")
    for number, commit, dirty, plan, base in zip(case, *(rounds[name] for name in columns), strict=True):
        plans[number].add(plan)
        if not pd.isna(base):
            bases[number].add(base)
        if not pd.isna(commit):
            commits[number].add(commit[:9] + (" (modified)" if dirty is True else ""))
    rows = rows.assign(rounds=by.size(), samples=by["samples"].sum(), commits=commits, plans=plans)
    rows = rows.assign(x_of=[" or ".join(sorted(names)) for names in bases])
    rows = rows.assign(**{flag: rounds[flag].eq(True).groupby(case).any() for flag in ("unstable", "busy")})
    measured = [name for name in rounds if name in (*NUMBERS, "x_cpu") or PART.fullmatch(str(name))]
    numbers: Any = pd.DataFrame({name: numeric(rounds[name]) for name in measured}).groupby(case)
    rows = rows.assign(**numbers.median().where(ok))
    low, high = numbers["time_s"].min().where(ok), numbers["time_s"].max().where(ok)
    rows = rows.assign(low_s=low.where(several, rows["low_s"]), high_s=high.where(several, rows["high_s"]))
    rows = rows.assign(spread=(rows["high_s"] - rows["low_s"]) / (2 - several) / rows["time_s"])
    doubtful = ok & (in_doubt(rounds).groupby(case).any() | (rows["spread"] > NOISY))
    unlike = rounds["base"] != rounds.index.to_series()
    base_noisy = rounds["base"].map(case).map(doubtful).eq(True)
    base_doubtful = (unlike & (rounds["base_doubtful"] | base_noisy)).groupby(case).any()
    by_clock = ~(alone(rows) & (doubtful | base_doubtful) & rows["x_cpu"].notna())
    x_doubtful = by_clock & rows["x_time"].notna() & unlike.groupby(case).any() & (doubtful | base_doubtful)
    x_time = rows["x_time"].where(by_clock, rows["x_cpu"])
    return rows.assign(x_time=x_time, doubtful=doubtful, x_doubtful=x_doubtful)


def alone(row: Any) -> Any:
    """Return whether the processor's time can stand in for the clock's, for a row or for each row of a frame.

    With several threads it cannot: one that waits for another may spin, and the processor's time counts that as work.
    """
    return (row["threads"] == 1) & (row["device"] == "cpu")
