"""Selects the points of a figure from collapsed rows, and names the line, the panel and the way of each."""

from collections import Counter

import pandas as pd

from drtrl_bench import registry
from drtrl_bench.figures.nothing import NothingToDraw
from drtrl_bench.view import caption, collapse, display
from drtrl_bench.view.caption import Frame

ALGORITHMS = {
    "bptt": ("BPTT", "#0072B2", "o"),
    "bptt_checkpointed": ("BPTT, checkpointed", "#56B4E9", "s"),
    "rtrl": ("RTRL", "#D55E00", "D"),
    "drtrl": ("D-RTRL", "#009E73", "^"),
    "es_drtrl": ("ES-D-RTRL", "#CC79A7", "v"),
    "snap1": ("SnAp-1", "#E69F00", ">"),
    "drtrl_window": ("D-RTRL, windows", "#6A5ACD", "<"),
    "random_feedback": ("random feedback", "#7F7F7F", "X"),
    "no_trace": ("no trace", "#444444", "p"),
}
"""Name, colour and marker. Okabe and Ito's colours, told apart by colour-blind readers; the markers tell all apart."""
OTHER = ("#B8860B", "h")
"""Colour and marker of an algorithm that is not the project's own."""
FRAMEWORKS = {"jax": "JAX", "torch": "PyTorch"}
WAYS = {
    ("jax", "plain"): "JAX, compiled",
    ("torch", "plain"): "PyTorch, eager",
    ("torch", "compile"): "PyTorch, torch.compile",
    ("torch", "cuda_graph"): "PyTorch, CUDA graph",
    ("torch", "triton"): "PyTorch, Triton",
}
"""How a framework runs a case, in words."""

OVER_T = "over T"

MOST = {
    "band": (12, "problems, those with most points"),
    "way": (6, "ways to run them"),
    "line": (12, "lines, evenly chosen"),
}
"""How much a figure shows of what each of its parts is of."""


def points(frame: Frame) -> Frame:
    """The collapsed rows, each with the `line` it lies on ("D-RTRL, K = 32"), its `order`, its `panel` and its `way`.

    K = T of several T is a line, and so is each K that is smaller than some T; a row that lies on both is there
    twice. Of cases measured again on the same machine the last measurement counts. A panel is a problem; the way is
    the framework and how it runs.
    """
    rows = collapse.collapse(frame).drop_duplicates(["case_key", "setup", "data"], keep="last")
    if rows.empty:
        return rows.assign(line=[], order=[], panel=[], way=[])
    rows = rows.assign(
        panel=headings(rows), way=[way(*pair) for pair in zip(rows["framework"], rows["mode"], strict=True)]
    )
    shorter = rows[rows["chunk"] < rows["steps"]]
    chunks = {name: sorted(own.unique()) for name, own in shorter.groupby("algorithm")["chunk"]}
    orders = {name: {K: order for order, K in enumerate(own)} for name, own in chunks.items()}
    pairs = list(zip(rows["algorithm"], rows["chunk"], strict=True))
    swept = rows[[K in orders.get(name, ()) for name, K in pairs]]
    swept = swept.assign(
        line=[on_line(*pair) for pair in zip(swept["algorithm"], swept["chunk"], strict=True)],
        order=[orders[name][K] for name, K in zip(swept["algorithm"], swept["chunk"], strict=True)],
    )
    whole = rows[rows["chunk"] == rows["steps"]]
    apart = {name for name, T in zip(whole["algorithm"], whole["steps"], strict=True) if T not in orders.get(name, ())}
    whole = whole[whole["algorithm"].isin(apart)]
    whole = whole.assign(
        line=[on_line(name, None) for name in whole["algorithm"]],
        order=[len(orders.get(name, ())) for name in whole["algorithm"]],
    )
    joined = pd.concat([part for part in (swept, whole) if len(part)] or [swept], ignore_index=True)
    by = [*caption.FIELDS, "algorithm", "order", "framework", "steps"]
    joined = joined.sort_values(by, kind="stable", ignore_index=True)
    joined.attrs = rows.attrs
    return joined


def on_line(algorithm: str, chunk: int | None) -> str:
    """The line of an algorithm at a length of chunk; without one, at K = T."""
    truncated = algorithm in registry.ALGORITHMS and registry.ALGORITHMS[algorithm].truncated
    if chunk is None:
        return named(algorithm) if truncated else f"{named(algorithm)}, K = T"
    return f"{named(algorithm)}, K = {chunk}{' (truncated)' if truncated else ''}"


def headings(rows: Frame) -> list[str]:
    """What sets each row's problem apart, in words; what is as usual is not said, unless nothing else is."""
    differ = [name for name in caption.varying(rows) if name not in ("mode", "auto", "limit_mib")]
    found = []
    for row in rows.to_dict("records"):
        said = [name for name in differ if caption.UNSAID.get(name) != row[name] or name == "setup"]
        found.append(" · ".join(caption.phrase(name, row[name]) for name in said or differ))
    return found


def way(framework: str, mode: str) -> str:
    """A framework and how it runs, in words."""
    known = FRAMEWORKS.get(framework, framework)
    return WAYS.get((framework, mode), display.shown(known if mode == "plain" else f"{known}, {mode}"))


def named(algorithm: str) -> str:
    """An algorithm's name in a figure."""
    return ALGORITHMS[algorithm][0] if algorithm in ALGORITHMS else display.shown(algorithm)


def measured(rows: Frame, *columns: str) -> Frame:
    """The points that can be drawn: status ok and a number in each of the columns."""
    return rows[(rows["status"] == "ok") & rows[list(columns)].notna().all(axis=1)]


def some(found: Frame, frame: Frame, needs: str) -> Frame:
    """The rows found, or `NothingToDraw` if there are none: what the figure needs, and what the records are."""
    if found.empty:
        endings = ", ".join(
            f"{number} {status}" for status, number in Counter(collapse.collapse(frame)["status"]).items()
        )
        raise NothingToDraw(f"it needs {needs}; there are no such cases among {endings or 'no records'}")
    return found


def apart(rows: Frame) -> Frame:
    """The points with the `facet` each is drawn in: over T, or at one T.

    A line that was measured at one T only is no line. All that were measured at that T stand beside it.
    """
    lengths = rows.groupby(["panel", "line", "way"])["steps"].transform("nunique")
    swept = rows[lengths > 1].assign(facet=OVER_T)
    alone = rows.loc[lengths == 1, ["panel", "way", "steps"]].drop_duplicates()
    beside = rows.reset_index().merge(alone, on=["panel", "way", "steps"]).set_index("index").sort_index()
    beside = beside.drop_duplicates(["case_key", "setup", "data"])
    beside = beside.assign(facet=[f"T = {T}" for T in beside["steps"]])
    found = pd.concat([swept, beside]) if len(beside) else swept
    order = {panel: place for place, panel in enumerate(rows["panel"].unique())}
    found = found.sort_values("panel", kind="stable", key=lambda panels: panels.map(order), ignore_index=True)
    found.attrs = rows.attrs
    return found


def readable(rows: Frame) -> tuple[Frame, str]:
    """The points of as many bands, ways and lines as a figure can show, and in words what it does not show.

    Of bands (problems, or problem and length T) and ways, those with most points; of lines, as of K, evenly chosen ones
    with the first and the last.
    """
    said = []
    rows = rows.assign(band=rows["panel"].astype(str) + (" · " + rows["facet"] if "facet" in rows else ""))
    for column, (most, what) in MOST.items():
        names = rows[column].value_counts(sort=False)
        if len(names) > most:
            if column == "line":
                kept = names.index[[round(i * (len(names) - 1) / (most - 1)) for i in range(most)]]
            else:
                kept = names.sort_values(ascending=False, kind="stable").index[:most]
            rows = rows[rows[column].isin(kept)].reset_index(drop=True)
            said.append(f"{most} of {len(names)} {what}")
    rows.attrs = {}  # of which every step would make a deep copy
    return rows, f"drawn: {', '.join(said)}; the CSV has the points of all" if said else ""


def ordered(rows: Frame) -> list[str]:
    """The ways that occur, in the order of `WAYS`."""
    known = list(WAYS.values())
    return sorted(rows["way"].unique(), key=lambda name: known.index(name) if name in known else len(known))
