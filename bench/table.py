"""Records as a table: one row per case, in a terminal of 80 columns.

`collapse` makes one row of the rounds of a case, `render` prints such rows. What all rows share stands once above
the table; a case that was not measured shows how it ended and why, never a number.
"""

import math
from dataclasses import asdict
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from drtrl_bench import caption, record
from drtrl_bench.caption import Frame
from drtrl_bench.case import Case

SEVERITY = {"ok": 0, "skip": 1, "timeout": 2, "oom": 3, "error": 4, "wrong": 5}
STYLES = {"skip": "dim", "timeout": "yellow", "oom": "yellow", "error": "red", "wrong": "bold red"}
COLOURS = {"bptt": "blue", "rtrl": "red", "drtrl": "green"}

TIMES = ("time_s", "low_s", "high_s", "spread", "forward_s", "compile_s")
BYTES = ("working_bytes", "analytic_bytes", "rss_peak_bytes")
NUMBERS = (*TIMES, *BYTES, "cosine", "error", "norm_ratio", "sign_agreement", "firing_rate", "silent")
"""The measured columns: empty unless every round of the case was measured."""

LEGEND = {
    "K, T": "the sequence has T steps, taken in chunks of K",
    "time ms": "gradient of the whole sequence: median, ± half its 95 % interval",
    "MiB": "working memory beyond the arguments",
    "cosine, error": "against the float64 BPTT gradient: cosine and relative error",
    "spk%": "neurons that fire in a step",
    "~": "unstable samples or a busy machine: measure this time again",
}
ROUNDS = "gradient of the whole sequence: median, ± range, of {} rounds"


def collapse(frame: Frame) -> Frame:
    """One row per case, environment and data: medians over its rounds, its worst status, in reading order.

    Adds rounds, setup (a letter per environment) and spread, relative to time_s: half the 95 % interval of one
    round's median, or the whole range of the medians of several rounds (low_s and high_s are its ends). A round
    that was run again counts once, with its last record. All of `NUMBERS` are empty unless the status is ok.
    """
    if frame.empty:
        parts = {name: {} for name in ("time", "memory", "fidelity", "activity", "data")}
        known = record.row({"case": asdict(Case()), "status": "", "env_hash": "", **parts})
        return pd.DataFrame(columns=list(dict.fromkeys((*known, "rounds", "setup", *NUMBERS))))
    columns = [*frame.columns, *(name for name in ("rounds", "setup", "commits", *NUMBERS) if name not in frame)]
    frame = frame.reset_index(drop=True)
    frame = frame.assign(data=labels(frame))
    case = ["case_key", "env_hash", "data"]
    newest = frame.groupby(case)["implementation_sha"].transform("last")
    frame = frame[
        frame["implementation_sha"].isna() | (frame["implementation_sha"] == newest)
    ]  # rounds of different sources are different measurements
    last = frame.drop_duplicates([*case, "plan", "round"], keep="last")
    letters = caption.setups(frame.attrs.get("environments", {}), last["env_hash"].unique())
    rows = [merged(group) for _, group in last.groupby(case, sort=False)]
    out = pd.DataFrame([row | {"setup": letters[row["env_hash"]]} for row in rows], columns=columns)
    out = out.sort_values([*caption.FIELDS, "steps", "algorithm", "chunk", "framework"], ignore_index=True)
    out.attrs = dict(frame.attrs)
    return out


def labels(frame: Frame) -> Frame:
    """The data label of each row; a row that never loaded its data has the one that others of its data set have."""
    known = frame.dropna(subset=["data"]).groupby("dataset")["data"].unique()
    default = {name: found[0] for name, found in known.items() if len(found) == 1}
    named = frame["dataset"].map(lambda name: default.get(name, name))
    return frame["data"].astype(object).where(frame["data"].notna(), named)


def merged(rounds: Frame) -> dict[str, Any]:
    """The one row of a case's rounds."""
    row: dict[str, Any] = rounds.loc[rounds["status"].map(SEVERITY).idxmax()].to_dict()
    commits = rounds.loc[rounds["commit"].notna(), ["commit", "dirty"]].itertuples(index=False)
    row["commits"] = {commit[:9] + (" (modified)" if dirty is True else "") for commit, dirty in commits}
    row |= {"rounds": len(rounds), "samples": int(rounds["samples"].sum())}
    row |= {flag: bool(rounds[flag].eq(True).any()) for flag in ("unstable", "busy")}
    if row["status"] != "ok":
        return row | dict.fromkeys(NUMBERS, math.nan)
    numbers = rounds[[name for name in NUMBERS if name in rounds]].apply(pd.to_numeric)
    row |= numbers.median().to_dict()
    if len(rounds) > 1:
        row["low_s"], row["high_s"] = numbers["time_s"].min(), numbers["time_s"].max()
    return row | {"spread": (row["high_s"] - row["low_s"]) / row["time_s"] / (1 if len(rounds) > 1 else 2)}


def render(frame: Frame, console: Console) -> None:
    """Prints the records of a frame from `drtrl_bench.load`, collapsed; no number is ever cut off or wrapped."""
    rows = collapse(frame)
    if rows.empty:
        console.print("no records")
        return
    for said in (caption.shared(rows), *caption.machines(rows)):
        console.print(Text(caption.wrap(said, console.width), style="dim"))
    reasons = rows.loc[rows["status"] != "ok", "reason"].map(short).unique().tolist()
    differ, tables, width = caption.varying(rows), [], 0
    for apart, gap in (*((n, 1) for n in range(len(differ) + 1)), (len(differ), 0)):
        if not tables or width > console.width:
            tables, width = lay_out(rows, differ[apart:], differ[:apart], reasons, gap)
    for title, table in tables:
        console.print()
        if title:
            console.print(Text(title, style="bold"))
        console.print(table, width=width, crop=False, no_wrap=True, overflow="ignore")
    console.print()
    for number, reason in enumerate(reasons, start=1):
        console.print(Text(f"[{number}] {reason}", style="yellow"))
    for key, meaning in legend(rows).items():
        console.print(Text(f"{key:13}  {meaning}", style="dim"))


def legend(rows: Frame) -> dict[str, str]:
    """What the columns of collapsed rows mean."""
    measured = rows[rows["status"] == "ok"]
    several = {"time ms": ROUNDS.format(rows["rounds"].max())} if rows["rounds"].max() > 1 else {}
    shown = {
        "time ms": len(measured) > 0,
        "MiB": measured["working_bytes"].notna().any(),
        "cosine, error": measured["error"].notna().any(),
        "spk%": measured["firing_rate"].notna().any(),
        "~": measured[["unstable", "busy"]].any(axis=None),
    }
    return {key: meaning for key, meaning in (LEGEND | several).items() if shown.get(key, True)}


def lay_out(
    rows: Frame, columns: list[str], headings: list[str], reasons: list[str], gap: int
) -> tuple[list[tuple[str, Table]], int]:
    """A titled table for each value of the heading fields, all of one width, and that width."""
    cells = [line(row, columns, reasons) for row in rows.to_dict("records")]
    names = [name for name in cells[0] if name not in ("cosine", "error", "spk%") or any(c[name].plain for c in cells)]
    widths = {name: max(len(name), *(len(c[name].plain) for c in cells)) for name in names}
    words = {"algorithm", "framework", *(caption.FIELDS[c][0] for c in columns if rows[c].dtype.kind not in "if")}
    tables = []
    for key, group in rows.groupby(headings, sort=False) if headings else [((), rows)]:
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, gap, 0, 0))
        for name in names:
            table.add_column(name, justify="left" if name in words else "right", min_width=widths[name], no_wrap=True)
        last = group["steps"].ne(group["steps"].shift(-1)) & (len(group) > 8)
        for position, ends in last.items():
            table.add_row(*(cells[position][name] for name in names), end_section=bool(ends))
        tables.append((" · ".join(map(caption.phrase, headings, key)), table))
    wide = Console(width=1000)
    return tables, max(Measurement.get(wide, wide.options, table).maximum for _, table in tables)


def line(row: dict[str, Any], columns: list[str], reasons: list[str]) -> dict[str, Text]:
    """The cells of one row by header; measured values only where the status is ok."""
    problem = {caption.FIELDS[name][0]: Text(plain(row[name])) for name in columns}
    problem["algorithm"] = Text(row["algorithm"], style=COLOURS.get(row["algorithm"], ""))
    sizes = {"K": Text(plain(row["chunk"])), "framework": Text(row["framework"]), "T": Text(plain(row["steps"]))}
    if row["status"] != "ok":
        ending = f"{row['status']} [{reasons.index(short(row['reason'])) + 1}]"
        ended = dict.fromkeys(("MiB", "cosine", "error", "spk%"), Text())
        return {**problem, **sizes, "time ms": Text(ending, style=STYLES[row["status"]]), **ended}
    mark = "~" if row["unstable"] or row["busy"] else "\N{NO-BREAK SPACE}"
    time = Text(f"{digits(row['time_s'] * 1e3)} ±{percent(row['spread']):>3}")
    return {
        **problem,
        **sizes,
        "time ms": time.append(mark, style="yellow"),
        "MiB": Text(digits(row["working_bytes"] / 2**20)),
        "cosine": Text(number(row["cosine"], ".4f")),
        "error": Text(number(row["error"], ".1e")),
        "spk%": Text(number(row["firing_rate"] * 100, ".1f")),
    }


def plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def number(value: float | None, form: str) -> str:
    """The value, or nothing where there is none."""
    return "" if value is None or math.isnan(value) else format(value, form)


def digits(value: float) -> str:
    """Three digits that mean something, or all of a whole number."""
    if pd.isna(value):
        return ""
    if 0 < value < 0.001:
        return f"{value:.1e}"
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3}f}"


def percent(share: float) -> str:
    return "?" if pd.isna(share) else "<1%" if share < 0.005 else f"{share:.0%}"


def short(reason: Any, length: int = 220) -> str:
    """A reason on one line."""
    text = " ".join(str(reason or "no reason given").split())
    return text if len(text) <= length else text[: length - 1] + "…"
