"""Records as a table: one row per case, in a terminal of 80 columns.

`collapse` makes one row of the rounds of a case, `render` prints such rows. What all rows share stands once above
the table; a case that was not measured shows how it ended and why, never a number.
"""

import math
import re
import textwrap
from dataclasses import asdict, fields
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from drtrl_bench import caption, record
from drtrl_bench.caption import Frame
from drtrl_bench.case import Case, words

SEVERITY = {"ok": 0, "skip": 1, "timeout": 2, "oom": 3, "error": 4, "wrong": 5}
STYLES = {"skip": "dim", "timeout": "yellow", "oom": "yellow", "error": "red", "wrong": "bold red"}
COLOURS = {"bptt": "blue", "rtrl": "red", "drtrl": "green"}

TIMES = ("time_s", "low_s", "high_s", "spread", "cpu_s", "forward_s", "compile_s")
BYTES = ("working_bytes", "analytic_bytes", "rss_peak_bytes")
RATIOS = ("x_time", "x_memory")
NUMBERS = (*TIMES, *BYTES, *RATIOS, *record.AGREEMENT, "firing_rate", "silent")
"""The measured columns: empty unless every round of the case was measured. Those of layers and weights come to it."""
PART = re.compile(rf".+\.({'|'.join(record.AGREEMENT)})")
"""A column of the agreement of a layer or a weight."""

RULE = ("algorithm", "chunk", "auto", "limit_mib", "decay", "bias_correction", "segments", "trace_dtype")
"""The fields of a case in which it may differ from the BPTT that its cost is compared with: those of the rule alone."""
NOISY = 0.5
"""Above this spread a time is no result."""
INEXACT = 0.01
"""Above this relative error of the readout's gradient in some row, the readout has a column."""
EACH_LAYER = 4
"""Up to so many hidden layers each has a column; of more, the one with the lowest cosine is shown."""

TIME = "gradient of the whole sequence by the clock: median, ± half its 95 % interval"
ROUNDS = "gradient of the whole sequence by the clock: median, ± range, of {} rounds"
SOME_ROUNDS = f"{TIME}; of cases with {{}} rounds, ± their range"
VECTOR = "its weights and biases as one vector: cosine, and its norm over the true one's"
AGAIN = "measure this time again, on an idle machine, with run --again"
ONE_THREAD = f"believe cpu ms, of which x BPTT is here, or {AGAIN}"
THREADS = f"{AGAIN}, or with threads = 1, where the processor's time can stand in"

COST = {"time": "time\nms", "cpu": "cpu\nms", "x_time": "x\nBPTT", "memory": "\nMiB", "x_memory": "x\nBPTT"}
FIDELITY = {"all": "all\ncos", "error": "all\nerr", "spikes": "spk\n%"}
"""Measured columns and their headers; those of the layers stand between."""


def collapse(frame: Frame) -> Frame:
    """One row per case, environment and data: medians over its rounds, its worst status, in reading order.

    Adds rounds, setup (a letter per environment), spread, relative to time_s: half the 95 % interval of one round's
    median, or the whole range of the medians of several rounds (low_s and high_s are its ends); doubtful (unstable,
    busy or noisy in some round); x_time and x_memory (see `against_bptt`; x_time is of the processor's times where the
    clock's are in doubt and one thread works). A round that was run again counts once, with its last record. All
    measured columns are empty unless the status is ok.
    """
    added = ("rounds", "setup", "commits", "plans", "doubtful", *NUMBERS)
    if frame.empty:
        parts = {name: {} for name in ("time", "memory", "fidelity", "activity", "data")}
        known = record.row({"case": asdict(Case()), "status": "", "env_hash": "", **parts})
        return pd.DataFrame(columns=list(dict.fromkeys((*known, *added))))
    columns = [*frame.columns, *(name for name in added if name not in frame)]
    frame = frame.reset_index(drop=True)
    frame = frame.assign(data=labels(frame))
    case = ["case_key", "env_hash", "data"]
    newest = frame.groupby(case)["implementation_sha"].transform("last")
    frame = frame[
        frame["implementation_sha"].isna() | (frame["implementation_sha"] == newest)
    ]  # rounds of different sources are different measurements
    last = against_bptt(frame.drop_duplicates([*case, "plan", "round"], keep="last"))
    letters = caption.setups(frame.attrs.get("environments", {}), last["env_hash"].unique())
    rows = [merged(group) for _, group in last.groupby(case, sort=False)]
    out = pd.DataFrame([row | {"setup": letters[row["env_hash"]]} for row in rows], columns=columns)
    out = out.sort_values([*caption.FIELDS, "framework", "steps", "algorithm", "chunk"], ignore_index=True)
    out.attrs = dict(frame.attrs)
    return out


def labels(frame: Frame) -> Frame:
    """The data label of each row; a row that never loaded its data has the one that others of its data set have."""
    known = frame.dropna(subset=["data"]).groupby("dataset")["data"].unique()
    default = {name: found[0] for name, found in known.items() if len(found) == 1}
    named = frame["dataset"].map(lambda name: default.get(name, name))
    return frame["data"].astype(object).where(frame["data"].notna(), named)


def against_bptt(rows: Frame) -> Frame:
    """Adds x_time, x_cpu and x_memory: each round over BPTT's in the same framework, of the same work, round and run.

    Only what one run measured, interleaved, is compared; without BPTT among it the ratio is empty. base_doubtful says
    whether the clock of that BPTT is in doubt.
    """
    work = [f.name for f in fields(Case) if f.name not in RULE]
    run = rows["run"].where(rows["run"].notna(), rows["commit"])  # earlier records do not name it
    same = rows.assign(run=run)[[*work, "env_hash", "data", "source", "plan", "run", "round"]]
    key = pd.Series([str(values) for values in same.itertuples(index=False, name=None)], index=rows.index)
    true = (rows["algorithm"] == "bptt") & (rows["chunk"] == rows["steps"]) & (rows["status"] == "ok")
    base = rows[true].set_axis(key[true])
    base = base[~base.index.duplicated()].reindex(key).set_axis(rows.index)
    ratios = {"x_time": "time_s", "x_cpu": "cpu_s", "x_memory": "working_bytes"}
    over = {name: numeric(rows[of]) / numeric(base[of]).where(numeric(base[of]) > 0) for name, of in ratios.items()}
    return rows.assign(**over, base_doubtful=doubted(base))


def numeric(column: Frame) -> Frame:
    """A column of numbers, nan where there is none."""
    numbers: Any = pd.to_numeric(column)
    return numbers.astype(float)


def doubted(rounds: Frame) -> Frame:
    """Whether each round was unstable, or noisy, or measured on a busy machine."""
    half = (numeric(rounds["high_s"]) - numeric(rounds["low_s"])) / 2
    return rounds["unstable"].eq(True) | rounds["busy"].eq(True) | (half > NOISY * numeric(rounds["time_s"]))


def merged(rounds: Frame) -> dict[str, Any]:
    """The one row of a case's rounds."""
    row: dict[str, Any] = rounds.loc[rounds["status"].map(SEVERITY).idxmax()].to_dict()
    commits = rounds.loc[rounds["commit"].notna(), ["commit", "dirty"]].itertuples(index=False)
    row["commits"] = {commit[:9] + (" (modified)" if dirty is True else "") for commit, dirty in commits}
    row |= {"rounds": len(rounds), "samples": int(rounds["samples"].sum()), "plans": set(rounds["plan"])}
    row |= {flag: bool(rounds[flag].eq(True).any()) for flag in ("unstable", "busy")} | {"doubtful": False}
    measured = [name for name in rounds if name in (*NUMBERS, "x_cpu") or PART.fullmatch(str(name))]
    if row["status"] != "ok":
        return row | dict.fromkeys((*NUMBERS, *measured), math.nan)
    numbers = rounds[measured].apply(pd.to_numeric)
    row |= numbers.median().to_dict()
    if len(rounds) > 1:
        row["low_s"], row["high_s"] = numbers["time_s"].min(), numbers["time_s"].max()
    half = 2 if len(rounds) == 1 else 1
    row["spread"] = (row["high_s"] - row["low_s"]) / half / row["time_s"]
    row["doubtful"] = bool(doubted(rounds).any() or row["spread"] > NOISY)
    if alone(row) and (row["doubtful"] or rounds["base_doubtful"].any()) and not pd.isna(row["x_cpu"]):
        row["x_time"] = row["x_cpu"]
    return row


def alone(row: dict[str, Any]) -> bool:
    """Whether the processor's time can stand in for the clock's.

    Of several threads, those that wait for another may spin, and the processor counts that as work.
    """
    return row["threads"] == 1 and row["device"] == "cpu"


def words_of(row: dict[str, Any]) -> set[str]:
    """The words by which `-k` and the report's search find a collapsed row: its case's, and what became of it."""
    case = Case(**{f.name: row[f.name] for f in fields(Case)})
    flags = [name for name in ("unstable", "busy", "synthetic") if row[name] is True]
    noisy = ["noisy"] if row["spread"] > NOISY else []
    return words(case, row["status"], row["case_key"], *map(str, row["plans"]), *flags, *noisy)


def render(rows: Frame, console: Console) -> None:
    """Prints collapsed rows; no number is ever cut off or wrapped. What does not fit is two tables: cost, fidelity."""
    if rows.empty:
        console.print("no records")
        return
    for said in (caption.shared(rows), *caption.machines(rows)):
        console.print(Text(caption.wrap(said, console.width), style="dim"))
    reasons = rows.loc[rows["status"] != "ok", "reason"].map(short).unique().tolist()
    headers = measured_columns(rows)
    laid = [narrowest(rows, headers, reasons, console.width)]
    if laid[0][1] > console.width:
        cost, rest = ({n: h for n, h in headers.items() if (n in COST) == costs} for costs in (True, False))
        laid = [narrowest(rows, part, reasons, console.width) for part in (cost, rest) if part]
    for tables, width in laid:
        for title, table in tables:
            console.print()
            console.print(Text(caption.wrap(title, console.width), style="bold"))
            console.print(table, width=width, crop=False, no_wrap=True, overflow="ignore")
    console.print()
    for number, reason in enumerate(reasons, start=1):
        console.print(Text(f"[{number}] {reason}", style="yellow"))
    for key, meaning in legend(rows).items():
        text = textwrap.wrap(f"{key:13}  {meaning}", max(min(console.width, 80), 40), subsequent_indent=" " * 15)
        console.print(Text("\n".join(text), style="dim"))


def narrowest(
    rows: Frame, headers: dict[str, str], reasons: list[str], width: int
) -> tuple[list[tuple[str, Table]], int]:
    """The layout with the fewest headings that fits into `width`, or the narrowest that there is; and its width."""
    differ = caption.varying(rows)
    choices = [(apart, gap) for apart in range(len(differ) + 1) for gap in (1, 0)]
    for apart, gap in choices[:-1]:
        found = lay_out(rows, headers, differ[apart:], differ[:apart], reasons, gap)
        if found[1] <= width:
            return found
    return lay_out(rows, headers, [], differ, reasons, 0)


def measured_columns(rows: Frame) -> dict[str, str]:
    """The measured columns that these rows fill, with their headers, in order: cost, fidelity, firing."""
    cells = [measures(row) for row in rows[rows["status"] == "ok"].to_dict("records")]
    headers = COST | {of(layer): f"{title}\ncos norm" for layer, title in layers(rows).items()}
    headers |= FIDELITY
    headers = {name: header for name, header in headers.items() if any(cell[name].plain.strip() for cell in cells)}
    if not any(row["doubtful"] and alone(row) for row in rows.to_dict("records")):
        headers.pop("cpu", None)
    if all(error <= INEXACT for error in readout_errors(rows)):
        headers.pop(of("readout"), None)
    return headers or {"time": COST["time"]}


def of(layer: str) -> str:
    """The column of a layer's gradient; the readout itself is a field of the case."""
    return f"gradient of {layer}"


def layers(rows: Frame) -> dict[str, str]:
    """The layers that have a column, by name or as "worst", with their titles; the readout last."""
    number = int(rows["layers"].max()) if len(rows) else 1
    if number > EACH_LAYER:
        return {"worst": "worst layer", "readout": "readout"}
    each = {f"layer{i}": f"layer {i + 1}" for i in range(number)} if number > 1 else {"layer0": "hidden"}
    return each | {"readout": "readout"}


def readout_errors(rows: Frame) -> list[float]:
    """The relative errors of the readout's gradient, where they are known."""
    errors = (part(row, "readout", "error")[0] for row in rows.to_dict("records"))
    return [error for error in errors if not pd.isna(error)]


def part(row: dict[str, Any], layer: str, measure: str) -> tuple[float, str]:
    """A measure of a layer's gradient and "", or that of its input weights alone and "*"; nan if neither is known.

    Of "worst", that of the layer with the lowest cosine.
    """
    if layer == "worst":
        cosines = {name: part(row, name, "cosine")[0] for name in (f"layer{i}" for i in range(row["layers"]))}
        layer = min(cosines, key=lambda name: math.inf if pd.isna(cosines[name]) else cosines[name])
    own, of_input = (float(row.get(f"{name}.error", math.nan)) for name in (layer, f"{layer}.x"))
    if math.isnan(own) and not math.isnan(of_input):
        return row[f"{layer}.x.{measure}"], "*"
    return row.get(f"{layer}.{measure}", math.nan), ""


def agreement(row: dict[str, Any], layer: str) -> str:
    """Cosine and norm ratio of a layer's gradient, as in "0.951 0.10"."""
    (cosine, mark), (norm, _) = part(row, layer, "cosine"), part(row, layer, "norm_ratio")
    if pd.isna(norm):
        return ""
    return f"{'none' if pd.isna(cosine) else f'{cosine:.3f}'}{mark or ' '}{share(norm):>4}"


def measures(row: dict[str, Any]) -> dict[str, Text]:
    """The measured cells of a row whose status is ok."""
    timed = Text(f"{digits(row['time_s'] * 1e3)} {interval(row['spread'])}")
    if not row["spread"] > NOISY:
        timed.append("~" if row["doubtful"] else "\N{NO-BREAK SPACE}", style="yellow")
    every = [f"layer{i}" for i in range(row["layers"])]
    return {
        "time": timed,
        "cpu": Text(digits(row["cpu_s"] * 1e3)),
        "x_time": Text(share(row["x_time"])),
        "memory": Text(digits(row["working_bytes"] / 2**20)),
        "x_memory": Text(share(row["x_memory"])),
        **dict.fromkeys((of(f"layer{i}") for i in range(EACH_LAYER)), Text()),
        **{of(layer): Text(agreement(row, layer)) for layer in (*every, "worst", "readout")},
        "all": Text(number(row["cosine"], ".3f")),
        "error": Text(share(row["error"])),
        "spikes": Text(number(row["firing_rate"] * 100, ".1f")),
    }


def legend(rows: Frame) -> dict[str, str]:
    """What the columns and marks of collapsed rows mean."""
    measured = rows[rows["status"] == "ok"]
    names, doubtful = measured_columns(rows), measured[measured["doubtful"].eq(True)]
    shown = {layer: title for layer, title in layers(rows).items() if of(layer) in names}
    first = next(iter(shown.values()), "")
    hidden = {"hidden": "the hidden layer", "layer 1": "each layer", "worst layer": "the layer with the lowest cosine"}
    old = any("*" in agreement(row, name) for row in measured.to_dict("records") for name in shown)
    entries = {
        "L, N, B, I": ("hidden layers, neurons in each, samples of a batch, input lines", True),
        "auto": ("whether the cost model chose K", bool(rows["auto"].any())),
        "K, T": ("the sequence has T steps, taken in chunks of K", True),
        "time ms": (timed(measured["rounds"]), len(measured) > 0),
        "cpu ms": ("the processor's time for the same, summed over all threads", "cpu" in names),
        "x BPTT": (
            "time, memory over BPTT's: same framework, same work, same round of the same run; empty without one",
            "x_time" in names,
        ),
        "MiB": ("working memory beyond the arguments", "memory" in names),
        first: (f"gradient of {hidden.get(first)} against float64 BPTT, {VECTOR}", first in hidden),
        "readout": (
            "the same of the readout"
            if "readout" in shown
            else f"not shown: its gradient is within {INEXACT:.0%} of BPTT's in every row",
            "readout" in shown or len(readout_errors(measured)) > 0,
        ),
        "*": ("of the layer's input weights alone; older records do not have the layer as a whole", old),
        "all": ("cosine and relative error of all weights as one vector, the readout's too: a mixture", "all" in names),
        "spk %": ("neurons that spike in a step", measured["firing_rate"].notna().any()),
        "~": (f"unstable samples or a busy machine: {advice(doubtful)}", len(doubtful) > 0),
        "noisy": (f"an interval or range above ± {NOISY:.0%}: no result", measured["spread"].gt(NOISY).any()),
    }
    return {key: meaning for key, (meaning, known) in entries.items() if known}


def timed(rounds: Frame) -> str:
    """What the times of rows with so many rounds are."""
    several = sorted({int(number) for number in rounds if number > 1})
    if not several:
        return TIME
    known = str(several[0]) if len(several) == 1 else f"{several[0]} to {several[-1]}"
    return (SOME_ROUNDS if (rounds == 1).any() else ROUNDS).format(known)


def advice(doubtful: Frame) -> str:
    """What to do about rows whose clock is in doubt."""
    known = doubtful[doubtful["cpu_s"].notna() & (doubtful["device"] == "cpu")]
    return AGAIN if known.empty else ONE_THREAD if known["threads"].max() == 1 else THREADS


def lay_out(
    rows: Frame, headers: dict[str, str], columns: list[str], headings: list[str], reasons: list[str], gap: int
) -> tuple[list[tuple[str, Table]], int]:
    """A titled table for each framework and each value of the heading fields, all of one width, and that width."""
    rows = rows if "time" in headers else rows[rows["status"] == "ok"].reset_index(drop=True)
    cells = [line(row, columns, reasons) for row in rows.to_dict("records")]
    by = [*headings, "framework"]
    groups = list(rows.groupby(by, sort=False))
    rates = [{t for i in group.index if (t := cells[i]["spikes"].plain)} for _, group in groups]
    once = max(map(len, rates)) == 1 and "spikes" in headers
    problem = [caption.FIELDS[name][0] for name in columns]
    titles = {name: name for name in (*problem, "algorithm", "K", "T")} | {
        n: h for n, h in headers.items() if not (once and n == "spikes")
    }
    titles = {name: title if "\n" in title else f"\n{title}" for name, title in titles.items()}
    widths = {n: max(*map(len, t.split("\n")), *(len(c[n].plain) for c in cells)) for n, t in titles.items()}
    left = {"algorithm", *(caption.FIELDS[c][0] for c in columns if rows[c].dtype.kind not in "if")}
    tables = []
    for (key, group), rate in zip(groups, rates, strict=True):
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, gap, 0, 0))
        for name, title in titles.items():
            table.add_column(title, justify="left" if name in left else "right", min_width=widths[name], no_wrap=True)
        last = group["steps"].ne(group["steps"].shift(-1))
        for position, ends in last.items():
            apart = bool(ends) and max(8, 2 * last.sum() - 1) < len(group)
            table.add_row(*(cells[position][name] for name in titles), end_section=apart)
        said = [*map(caption.phrase, headings, key), key[-1], *(f"spk {r} %" for r in rate if once)]
        tables.append((" · ".join(said), table))
    wide = Console(width=1000)
    return tables, max(Measurement.get(wide, wide.options, table).maximum for _, table in tables)


def line(row: dict[str, Any], columns: list[str], reasons: list[str]) -> dict[str, Text]:
    """The cells of one row by column; measured values only where the status is ok."""
    cells = {caption.FIELDS[name][0]: Text(caption.plain(row[name])) for name in columns}
    cells["algorithm"] = Text(row["algorithm"], style=COLOURS.get(row["algorithm"], ""))
    cells |= {"K": Text(caption.plain(row["chunk"])), "T": Text(caption.plain(row["steps"]))}
    if row["status"] == "ok":
        return cells | measures(row)
    ending = f"{row['status']} [{reasons.index(short(row['reason'])) + 1}]"
    every = (*(f"layer{i}" for i in range(EACH_LAYER)), "worst", "readout")
    empty = dict.fromkeys((*COST, *map(of, every), *FIDELITY), Text())
    return cells | empty | {"time": Text(ending, style=STYLES[row["status"]])}


def sentence(rows: Frame) -> str:
    """The measured values of one collapsed row in words, as the table shows them."""
    (row,) = rows.to_dict("records")
    cells = {name: text.plain.strip() for name, text in measures(row).items()}
    median, bounds = cells["time"].split(maxsplit=1)
    said = [f"{median} ms {bounds}"]
    said += [f"cpu {cells['cpu']} ms"] if row["doubtful"] and alone(row) and cells["cpu"] else []
    said += [f"{cells['memory']} MiB"] if cells["memory"] else []
    said += [f"{title} cos norm {cells[of(layer)]}" for layer, title in layers(rows).items() if cells[of(layer)]]
    said += [f"all cos {cells['all']}" if cells["all"] else "cosine undefined"]
    said += ["synthetic data"] if row["synthetic"] is True else []
    return ", ".join(said)


def interval(spread: float) -> str:
    """What table, page and progress say of a time's interval, as in "±2%"; "noisy" where it says nothing."""
    return "noisy" if spread > NOISY else f"±{percent(spread)}"


def share(value: float) -> str:
    """A ratio or an error in at most four characters, as long as it is between 1e-9 and 9999."""
    if pd.isna(value):
        return ""
    if 0 < value < 0.01:
        return f"{value:.0e}".replace("e-0", "e-")
    return digits(value) if value >= 10 else f"{value:.2f}"


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
