"""Records as a table: one row per case, in a terminal of 80 columns.

`collapse` makes one row of the rounds of a case, `render` prints such rows. What all rows share stands once above
the table; a case that was not measured shows how it ended and why, never a number.
"""

import math
import re
import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from functools import cache
from itertools import compress
from typing import Any, NamedTuple

import pandas as pd
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.segment import Segment
from rich.text import Text

from drtrl_bench.case import Case, words
from drtrl_bench.records import frames
from drtrl_bench.view import caption, display
from drtrl_bench.view.caption import Frame

SEVERITY = {"ok": 0, "skip": 1, "timeout": 2, "oom": 3, "error": 4, "wrong": 5}
STYLES = {"skip": "dim", "timeout": "yellow", "oom": "yellow", "error": "red", "wrong": "bold red"}
COLOURS = {"bptt": "blue", "rtrl": "red", "drtrl": "green"}

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
    clock's are in doubt and one thread works); x_doubtful: whether x_time is of a time in doubt, the case's or BPTT's.
    A round that was run again counts once, with its last record. All measured columns are empty unless the status is
    ok.
    """
    added = ("rounds", "setup", "commits", "plans", "doubtful", "x_doubtful", *NUMBERS)
    if frame.empty:
        parts = {name: {} for name in ("time", "memory", "fidelity", "activity", "data")}
        known = frames.row({"case": asdict(Case()), "status": "", "env_hash": "", **parts})
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
    every = rows.to_dict("records")
    reasons: dict[str, int] = {}
    for row in every:
        if row["status"] != "ok":
            reasons.setdefault(short(row["reason"]), len(reasons) + 1)
    differ = caption.varying(rows)
    words = {"algorithm", *(caption.FIELDS[name][0] for name in differ if rows[name].dtype.kind not in "if")}
    cells = [line(row, differ, reasons) for row in every]
    align(cells, "x_time")
    headers = filled(every, cells)
    laid = [narrowest(every, cells, differ, headers, words, console.width)]
    if laid[0][1] > console.width:
        cost, rest = ({n: h for n, h in headers.items() if (n in COST) == costs} for costs in (True, False))
        laid = [narrowest(every, cells, differ, part, words, console.width) for part in (cost, rest) if part]
    for grids, _ in laid:
        for title, grid in grids:
            console.print()
            console.print(Text(caption.wrap(title, console.width), style="bold"))
            console.print(grid, crop=False, no_wrap=True, overflow="ignore", end="")
    console.print()
    for reason, number in reasons.items():
        console.print(Text(f"[{number}] {reason}", style="yellow"))
    for key, meaning in explained(every, headers).items():
        text = textwrap.wrap(f"{key:13}  {meaning}", max(min(console.width, 80), 40), subsequent_indent=" " * 15)
        console.print(Text("\n".join(text), style="dim"))


class Cell(NamedTuple):
    """A cell of a table, and how it looks."""

    text: str
    style: str = ""
    mark: str = ""
    """What doubt of a number follows it, or a blank where others of its column have a mark."""

    @property
    def width(self) -> int:
        return cell_len(self.text) + len(self.mark)


DOUBTFUL, NO_MARK = "~", "\N{NO-BREAK SPACE}"
EMPTY = Cell("")


def align(cells: list[dict[str, Cell]], column: str) -> None:
    """Leaves room for a mark behind the numbers of a column in which one has a mark."""
    if any(own[column].mark for own in cells):
        for own in cells:
            if own[column].text and not own[column].mark:
                own[column] = own[column]._replace(mark=NO_MARK)


@dataclass(frozen=True)
class Grid:
    """Some rows of cells below their headers. (A table of rich's takes milliseconds a row.)"""

    titles: dict[str, str]
    """Headers of two lines each, by column."""
    widths: dict[str, int]
    words: set[str]
    """Columns that hold no numbers."""
    rows: list[tuple[dict[str, Cell], bool]]
    """Cells by column, and whether a blank line follows."""
    gap: str

    def blanks(self, name: str, width: int) -> tuple[str, str]:
        """What stands before and after a text of some width in its column."""
        lacking = " " * (self.widths[name] - width)
        return ("", lacking) if name in self.words else (lacking, "")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        look = cache(console.get_style)
        for heads in zip(*(title.split("\n") for title in self.titles.values()), strict=True):
            each = zip(self.titles, heads, strict=True)
            text = self.gap.join(head.join(self.blanks(name, len(head))) for name, head in each)
            yield Segment(f"{text.rstrip()}\n", look("bold"))
        yield Segment("─" * sum(self.widths.values(), len(self.gap) * (len(self.widths) - 1)) + "\n")
        for cells, ends in self.rows:
            plain = ""
            for name in self.titles:
                cell = cells[name]
                before, after = self.blanks(name, cell.width)
                for text, style in ((cell.text, cell.style), (cell.mark, "yellow" if cell.mark != NO_MARK else "")):
                    if style and text:
                        yield Segment(plain + before)
                        yield Segment(text, look(style))
                        plain, before = "", ""
                    else:
                        plain, before = plain + before + text, ""
                plain += after + self.gap
            yield Segment(plain.rstrip(" ") + ("\n\n" if ends else "\n"))


def narrowest(
    every: list[dict[str, Any]],
    cells: list[dict[str, Cell]],
    differ: list[str],
    headers: dict[str, str],
    words: set[str],
    width: int,
) -> tuple[list[tuple[str, Grid]], int]:
    """The layout with the fewest headings that fits into `width`, or the narrowest that there is; and its width.

    differ: the problem fields that are told; words: the columns that hold no numbers.
    """
    if "time" not in headers:
        ok = [row["status"] == "ok" for row in every]
        every, cells = list(compress(every, ok)), list(compress(cells, ok))
    titles = {caption.FIELDS[name][0]: name for name in differ} | {name: name for name in ("algorithm", "K", "T")}
    titles = dict.fromkeys(titles) | headers
    widths = {name: max(own[name].width for own in cells) for name in titles}
    choices = [(apart, gap) for apart in range(len(differ) + 1) for gap in (1, 0)]
    for apart, gap in choices[:-1]:
        found = lay_out(every, cells, headers, differ[apart:], differ[:apart], words, widths, gap)
        if found[1] <= width:
            return found
    return lay_out(every, cells, headers, [], differ, words, widths, 0)


def measured_columns(every: list[dict[str, Any]]) -> dict[str, str]:
    """The measured columns that these rows fill, with their headers, in order: cost, fidelity, firing."""
    return filled(every, [measures(row) if row["status"] == "ok" else {} for row in every])


def filled(every: list[dict[str, Any]], cells: list[dict[str, Cell]]) -> dict[str, str]:
    """The same, of rows with these cells."""
    cells = [own for row, own in zip(every, cells, strict=True) if row["status"] == "ok"]
    headers = COST | {of(layer): f"{title}\ncos norm" for layer, title in layers(every).items()}
    headers |= FIDELITY
    headers = {name: header for name, header in headers.items() if any(own[name].text.strip() for own in cells)}
    if not any(row["doubtful"] and alone(row) for row in every):
        headers.pop("cpu", None)
    if all(error <= INEXACT for error in readout_errors(every)):
        headers.pop(of("readout"), None)
    return headers or {"time": COST["time"]}


def of(layer: str) -> str:
    """The column of a layer's gradient; the readout itself is a field of the case."""
    return f"gradient of {layer}"


def layers(every: list[dict[str, Any]]) -> dict[str, str]:
    """The layers that have a column, by name or as "worst", with their titles; the readout last."""
    number = max((int(row["layers"]) for row in every), default=1)
    if number > EACH_LAYER:
        return {"worst": "worst layer", "readout": "readout"}
    each = {f"layer{i}": f"layer {i + 1}" for i in range(number)} if number > 1 else {"layer0": "hidden"}
    return each | {"readout": "readout"}


def readout_errors(every: list[dict[str, Any]]) -> list[float]:
    """The relative errors of the readout's gradient, where they are known."""
    errors = (part(row, "readout", "error")[0] for row in every)
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


def measures(row: dict[str, Any]) -> dict[str, Cell]:
    """The measured cells of a row whose status is ok."""
    noisy = row["spread"] > NOISY
    every = [f"layer{i}" for i in range(row["layers"])]
    return {
        "time": Cell(
            f"{digits(row['time_s'] * 1e3)} {interval(row['spread'])}",
            mark="" if noisy else DOUBTFUL if row["doubtful"] else NO_MARK,
        ),
        "cpu": Cell(digits(row["cpu_s"] * 1e3)),
        "x_time": Cell(share(row["x_time"]), mark=DOUBTFUL if row["x_doubtful"] else ""),
        "memory": Cell(digits(row["working_bytes"] / 2**20)),
        "x_memory": Cell(share(row["x_memory"])),
        **dict.fromkeys((of(f"layer{i}") for i in range(EACH_LAYER)), EMPTY),
        **{of(layer): Cell(agreement(row, layer)) for layer in (*every, "worst", "readout")},
        "all": Cell(number(row["cosine"], ".3f")),
        "error": Cell(share(row["error"])),
        "spikes": Cell(number(row["firing_rate"] * 100, ".1f")),
    }


def legend(rows: Frame) -> dict[str, str]:
    """What the columns and marks of collapsed rows mean."""
    every = rows.to_dict("records")
    return explained(every, measured_columns(every))


def explained(every: list[dict[str, Any]], names: dict[str, str]) -> dict[str, str]:
    """The same, of rows with these measured columns."""
    measured = [row for row in every if row["status"] == "ok"]
    doubtful = [row for row in measured if row["doubtful"]]
    ratios = [row for row in measured if row["x_doubtful"]]
    shown = {layer: title for layer, title in layers(every).items() if of(layer) in names}
    first = next(iter(shown.values()), "")
    hidden = {"hidden": "the hidden layer", "layer 1": "each layer", "worst layer": "the layer with the lowest cosine"}
    old = any("*" in agreement(row, name) for row in measured for name in shown)
    over = "; of x BPTT, the case's time or BPTT's is in doubt" if ratios else ""
    entries = {
        "L, N, B, I": ("hidden layers, neurons in each, samples of a batch, input lines", True),
        "auto": ("whether the cost model chose K", any(row["auto"] for row in every)),
        "K, T": ("the sequence has T steps, taken in chunks of K", True),
        "time ms": (timed([row["rounds"] for row in measured]), len(measured) > 0),
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
        "spk %": ("neurons that spike in a step", any(not pd.isna(row["firing_rate"]) for row in measured)),
        DOUBTFUL: (
            f"unstable samples or a busy machine{over}: {advice(doubtful or ratios)}",
            len(doubtful) + len(ratios) > 0,
        ),
        "noisy": (
            f"an interval or range above ± {NOISY:.0%}: no result",
            any(row["spread"] > NOISY for row in measured),
        ),
    }
    return {key: meaning for key, (meaning, known) in entries.items() if known}


def timed(rounds: list[int]) -> str:
    """What the times of rows with so many rounds are."""
    several = sorted({number for number in rounds if number > 1})
    if not several:
        return TIME
    known = str(several[0]) if len(several) == 1 else f"{several[0]} to {several[-1]}"
    return (SOME_ROUNDS if 1 in rounds else ROUNDS).format(known)


def advice(doubtful: list[dict[str, Any]]) -> str:
    """What to do about rows whose clock is in doubt."""
    threads = [row["threads"] for row in doubtful if not pd.isna(row["cpu_s"]) and row["device"] == "cpu"]
    return AGAIN if not threads else ONE_THREAD if max(threads) == 1 else THREADS


def lay_out(
    every: list[dict[str, Any]],
    cells: list[dict[str, Cell]],
    headers: dict[str, str],
    columns: list[str],
    headings: list[str],
    words: set[str],
    widths: dict[str, int],
    gap: int,
) -> tuple[list[tuple[str, Grid]], int]:
    """A titled table for each framework and each value of the heading fields, all of one width, and that width."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for place, row in enumerate(every):
        groups.setdefault(tuple(row[name] for name in (*headings, "framework")), []).append(place)
    rates = [{t for i in group if (t := cells[i]["spikes"].text)} for group in groups.values()]
    once = max(map(len, rates)) == 1 and "spikes" in headers
    problem = [caption.FIELDS[name][0] for name in columns]
    titles = {name: name for name in (*problem, "algorithm", "K", "T")} | {
        n: h for n, h in headers.items() if not (once and n == "spikes")
    }
    titles = {name: title if "\n" in title else f"\n{title}" for name, title in titles.items()}
    widths = {n: max(*map(len, t.split("\n")), widths[n]) for n, t in titles.items()}
    lengths, between = [row["steps"] for row in every], " " * (gap + 1)
    grids = []
    for (key, group), rate in zip(groups.items(), rates, strict=True):
        last = [i + 1 == len(group) or lengths[place] != lengths[group[i + 1]] for i, place in enumerate(group)]
        apart = max(8, 2 * sum(last) - 1) < len(group)
        own = [(cells[place], ends and apart) for place, ends in zip(group, last, strict=True)]
        own[-1] = (own[-1][0], False)
        said = [*map(caption.phrase, headings, key), caption.plain(key[-1]), *(f"spk {r} %" for r in rate if once)]
        grids.append((" · ".join(said), Grid(titles, widths, words, own, between)))
    return grids, sum(widths.values(), len(between) * (len(widths) - 1))


def line(row: dict[str, Any], columns: list[str], reasons: dict[str, int]) -> dict[str, Cell]:
    """The cells of one row by column; measured values only where the status is ok. reasons: numbered."""
    cells = {caption.FIELDS[name][0]: Cell(caption.plain(row[name])) for name in columns}
    cells["algorithm"] = Cell(caption.plain(row["algorithm"]), COLOURS.get(row["algorithm"], ""))
    cells |= {"K": Cell(caption.plain(row["chunk"])), "T": Cell(caption.plain(row["steps"]))}
    if row["status"] == "ok":
        return cells | measures(row)
    ending = Cell(f"{row['status']} [{reasons[short(row['reason'])]}]", STYLES[row["status"]])
    every = (*(f"layer{i}" for i in range(EACH_LAYER)), "worst", "readout")
    return cells | dict.fromkeys((*COST, *map(of, every), *FIDELITY), EMPTY) | {"time": ending}


def sentence(rows: Frame) -> str:
    """The measured values of one collapsed row in words, as the table shows them."""
    (row,) = rows.to_dict("records")
    cells = {name: cell.text.strip() for name, cell in measures(row).items()}
    median, bounds = cells["time"].split(maxsplit=1)
    said = [f"{median} ms {bounds}{measures(row)['time'].mark.strip()}"]
    said += [f"cpu {cells['cpu']} ms"] if row["doubtful"] and alone(row) and cells["cpu"] else []
    said += [f"{cells['memory']} MiB"] if cells["memory"] else []
    said += [f"{title} cos norm {cells[of(layer)]}" for layer, title in layers([row]).items() if cells[of(layer)]]
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
    text = display.shown(" ".join(str(reason or "no reason given").split()))
    return text if len(text) <= length else text[: length - 1] + "…"
