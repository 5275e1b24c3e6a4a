"""Collapses the rounds of a case into one row: medians, the worst status, and the ratios to BPTT."""

import re
from dataclasses import asdict, fields
from typing import Any, cast

import pandas as pd

from drtrl_bench.case import Case
from drtrl_bench.records import frames
from drtrl_bench.records.record import Record
from drtrl_bench.view import caption
from drtrl_bench.view.caption import Frame

SEVERITY = {"ok": 0, "skip": 1, "timeout": 2, "oom": 3, "error": 4, "wrong": 5}

TIMES = ("time_s", "low_s", "high_s", "spread", "cpu_s", "forward_s", "compile_s")
BYTES = ("working_bytes", "analytic_bytes", "rss_peak_bytes")
RATIOS = ("x_time", "x_memory")
NUMBERS = (*TIMES, *BYTES, *RATIOS, *frames.AGREEMENT, "firing_rate", "silent")
"""The measured columns: empty unless every round of the case was measured. Those of layers and weights come to it."""
PART = re.compile(rf".+\.({'|'.join(frames.AGREEMENT)})")
"""A column of the agreement of a layer or a weight."""

RULE = ("algorithm", "chunk", "auto", "limit_mib", "decay", "bias_correction", "segments", "trace_dtype")
"""The fields of a case in which it may differ from the BPTT that its cost is compared with: those of the rule alone."""
NOISY = 0.5
"""Above this spread a time is no result."""


def collapse(frame: Frame) -> Frame:
    """One row per case, environment and data: medians over its rounds, its worst status, in reading order.

    Adds rounds, setup (a letter per environment), spread, relative to time_s: half the 95 % interval of one round's
    median, or the whole range of the medians of several rounds (low_s and high_s are its ends); doubtful (unstable,
    busy or noisy in some round); x_time and x_memory (see `against_bptt`; x_time is of the processor's times where the
    clock's are in doubt and one thread works); x_doubtful: whether x_time is of a time in doubt, the case's or BPTT's.
    A round that was run again counts once, with its last record. All measured columns are empty unless the status is
    ok.
    """
    added = ("rounds", "setup", "commits", "plans", "doubtful", "x_doubtful", *NUMBERS)
    if frame.empty:
        parts = {name: {} for name in ("time", "memory", "fidelity", "activity", "data")}
        known = frames.row(cast(Record, {"case": asdict(Case()), "status": "", "env_hash": "", **parts}))
        return pd.DataFrame(columns=list(dict.fromkeys((*known, *added))))
    columns = [*frame.columns, *(name for name in added if name not in frame)]
    attributes = dict(frame.attrs)
    frame = frame.reset_index(drop=True)
    frame.attrs = {}  # of which every step would make a deep copy
    frame = frame.assign(data=labels(frame))
    case = ["case_key", "env_hash", "data"]
    newest = frame.groupby(case)["implementation_sha"].transform("last")
    frame = frame[
        frame["implementation_sha"].isna() | (frame["implementation_sha"] == newest)
    ]  # rounds of different sources are different measurements
    last = against_bptt(frame.drop_duplicates([*case, "plan", "round"], keep="last"))
    out = merged(last, last.groupby(case, sort=False).ngroup())
    letters = caption.setups(attributes.get("environments", {}), last["env_hash"].unique())
    out = out.assign(setup=out["env_hash"].map(letters))[columns]
    out = out.sort_values([*caption.FIELDS, "framework", "steps", "algorithm", "chunk"], ignore_index=True).copy()
    out.attrs = attributes
    return out


def labels(frame: Frame) -> Frame:
    """The data label of each row; a row that never loaded its data has the one that others of its data set have."""
    known = frame.dropna(subset=["data"]).groupby("dataset")["data"].unique()
    default = {name: found[0] for name, found in known.items() if len(found) == 1}
    named = frame["dataset"].map(lambda name: default.get(name, name))
    return frame["data"].astype(object).where(frame["data"].notna(), named)


def against_bptt(rows: Frame) -> Frame:
    """Adds x_time, x_cpu and x_memory: each round over BPTT's in the same framework, of the same work, round and run.

    Only what one run measured, interleaved, is compared; without BPTT among it the ratio is empty. base is the label of
    that BPTT's row, and base_doubtful whether its clock is in doubt.
    """
    work = [f.name for f in fields(Case) if f.name not in RULE]
    run = rows["run"].where(rows["run"].notna(), rows["commit"])  # earlier records do not name it
    same = rows.assign(run=run)[[*work, "env_hash", "data", "source", "plan", "run", "round"]]
    key = same.groupby(list(same.columns), sort=False, dropna=False).ngroup()
    true = (rows["algorithm"] == "bptt") & (rows["chunk"] == rows["steps"]) & (rows["status"] == "ok")
    at: Any = pd.Series(rows.index[true], index=key[true], dtype=float)
    at = at[~at.index.duplicated()].reindex(key).set_axis(rows.index)
    base = rows[["time_s", "low_s", "high_s", "cpu_s", "working_bytes", "unstable", "busy"]]
    base = base.reindex(at).set_axis(rows.index)
    ratios = {"x_time": "time_s", "x_cpu": "cpu_s", "x_memory": "working_bytes"}
    over = {name: numeric(rows[of]) / numeric(base[of]).where(numeric(base[of]) > 0) for name, of in ratios.items()}
    return rows.assign(**over, base=at, base_doubtful=doubted(base))


def numeric(column: Frame) -> Frame:
    """A column of numbers, nan where there is none."""
    numbers: Any = pd.to_numeric(column)
    return numbers.astype(float)


def doubted(rounds: Frame) -> Frame:
    """Whether each round was unstable, or noisy, or measured on a busy machine."""
    half = (numeric(rounds["high_s"]) - numeric(rounds["low_s"])) / 2
    return rounds["unstable"].eq(True) | rounds["busy"].eq(True) | (half > NOISY * numeric(rounds["time_s"]))


def merged(rounds: Frame, of: Frame) -> Frame:
    """The one row of each case, of its rounds; of: the number of the case that each round is of."""
    by = rounds.groupby(of)
    rows = rounds.loc[rounds["status"].map(SEVERITY).groupby(of).idxmax()].reset_index(drop=True)
    several, ok = by.size() > 1, rows["status"] == "ok"
    commits, plans = [set() for _ in rows.index], [set() for _ in rows.index]
    for number, commit, dirty, plan in zip(of, rounds["commit"], rounds["dirty"], rounds["plan"], strict=True):
        plans[number].add(plan)
        if not pd.isna(commit):
            commits[number].add(commit[:9] + (" (modified)" if dirty is True else ""))
    rows = rows.assign(rounds=by.size(), samples=by["samples"].sum(), commits=commits, plans=plans)
    rows = rows.assign(**{flag: rounds[flag].eq(True).groupby(of).any() for flag in ("unstable", "busy")})
    measured = [name for name in rounds if name in (*NUMBERS, "x_cpu") or PART.fullmatch(str(name))]
    numbers: Any = pd.DataFrame({name: numeric(rounds[name]) for name in measured}).groupby(of)
    rows = rows.assign(**numbers.median().where(ok))
    low, high = numbers["time_s"].min().where(ok), numbers["time_s"].max().where(ok)
    rows = rows.assign(low_s=low.where(several, rows["low_s"]), high_s=high.where(several, rows["high_s"]))
    rows = rows.assign(spread=(rows["high_s"] - rows["low_s"]) / (2 - several) / rows["time_s"])
    doubtful = ok & (doubted(rounds).groupby(of).any() | (rows["spread"] > NOISY))
    unlike = rounds["base"] != rounds.index.to_series()
    base_noisy = rounds["base"].map(of).map(doubtful).eq(True)
    base_doubtful = (unlike & (rounds["base_doubtful"] | base_noisy)).groupby(of).any()
    by_clock = ~(alone(rows) & (doubtful | base_doubtful) & rows["x_cpu"].notna())
    x_doubtful = by_clock & rows["x_time"].notna() & unlike.groupby(of).any() & (doubtful | base_doubtful)
    x_time = rows["x_time"].where(by_clock, rows["x_cpu"])
    return rows.assign(x_time=x_time, doubtful=doubtful, x_doubtful=x_doubtful)


def alone(row: Any) -> Any:
    """Whether the processor's time can stand in for the clock's, of a row or of each row of a frame.

    Of several threads, those that wait for another may spin, and the processor counts that as work.
    """
    return (row["threads"] == 1) & (row["device"] == "cpu")
