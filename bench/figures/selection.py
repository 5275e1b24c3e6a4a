"""Select the points of a figure from collapsed rows, and name the line, the panel and the way to run of each."""

from collections import Counter

import pandas as pd

from drtrl_bench import registry
from drtrl_bench.figures.nothing import NothingToDraw
from drtrl_bench.view import caption, collapse, display
from drtrl_bench.view.caption import Frame

ALGORITHMS = {
    "bptt": ("BPTT", "#0072B2", "o"),
    "bptt_checkpointed": ("BPTT, checkpointed", "#56B4E9", "s"),
    "bptt_native": ("BPTT, native", "#003F6B", "P"),
    "rtrl": ("RTRL", "#D55E00", "D"),
    "drtrl": ("D-RTRL", "#009E73", "^"),
    "es_drtrl": ("ES-D-RTRL", "#CC79A7", "v"),
    "snap1": ("SnAp-1", "#E69F00", ">"),
    "drtrl_window": ("D-RTRL, windows", "#6A5ACD", "<"),
    "snap2": ("SnAp-2", "#AA4499", "8"),
    "eprop": ("e-prop", "#117733", "d"),
    "ottt": ("OTTT", "#882255", "*"),
    "uoro": ("UORO", "#999933", "H"),
    "random_feedback": ("random feedback", "#7F7F7F", "X"),
    "no_trace": ("no trace", "#444444", "p"),
}
"""Name, colour and marker. The colours are Okabe and Ito's for colour-blind readers; the markers differ, too."""
OTHER = ("#B8860B", "h")
"""Colour and marker of an algorithm of a plugin."""
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
"""At most so many problems, ways to run and lines in a figure, with the words for the choice."""


def points(frame: Frame) -> Frame:
    """Return the collapsed rows, each with its `line` ("D-RTRL, K = 32"), `order`, `panel` and `way`.

    K = T over several T is a line, and so is each K that is smaller than some T; a row on two lines is listed twice. Of
    cases measured again on the same machine the last measurement counts. A panel is a problem; the way is the framework
    and how it runs.
    """
    frame = frame[[name for name in frame if "." not in name]]  # per_layer and per_parameter have the same
    rows = collapse.rounds(frame).drop_duplicates(["case_key", "setup", "data"], keep="last")
    if rows.empty:
        return rows.assign(line=[], order=[], panel=[], way=[])
    rows = rows.assign(
        panel=headings(rows), way=[way(*pair) for pair in zip(rows["framework"], rows["mode"], strict=True)]
    )
    shorter = rows[rows["chunk"] < rows["steps"]]
    chunks = {name: sorted(lengths.unique()) for name, lengths in shorter.groupby("algorithm")["chunk"]}
    orders = {name: {K: order for order, K in enumerate(lengths)} for name, lengths in chunks.items()}
    pairs = list(zip(rows["algorithm"], rows["chunk"], strict=True))
    swept = rows[[K in orders.get(name, ()) for name, K in pairs]]
    swept = swept.assign(
        line=[line_name(*pair) for pair in zip(swept["algorithm"], swept["chunk"], strict=True)],
        order=[orders[name][K] for name, K in zip(swept["algorithm"], swept["chunk"], strict=True)],
    )
    one_chunk = rows[rows["chunk"] == rows["steps"]]
    alone = {
        name
        for name, T in zip(one_chunk["algorithm"], one_chunk["steps"], strict=True)
        if T not in orders.get(name, ())
    }
    one_chunk = one_chunk[one_chunk["algorithm"].isin(alone)]
    one_chunk = one_chunk.assign(
        line=[line_name(name, None) for name in one_chunk["algorithm"]],
        order=[len(orders.get(name, ())) for name in one_chunk["algorithm"]],
    )
    joined = pd.concat([some for some in (swept, one_chunk) if len(some)] or [swept], ignore_index=True)
    parts = [f", {number} segments" if number else "" for number in joined["segments"]]
    below = joined["segments"] / (joined["segments"] + 1)  # the more segments, the lighter the line
    joined = joined.assign(line=joined["line"] + parts, order=joined["order"] - below)
    by = [*caption.FIELDS, "algorithm", "order", "framework", "steps"]
    joined = joined.sort_values(by, kind="stable", ignore_index=True)
    joined.attrs = rows.attrs
    return joined


def line_name(algorithm: str, chunk: int | None) -> str:
    """Name the line of an algorithm at a chunk length; None for K = T."""
    truncated = algorithm in registry.ALGORITHMS and registry.ALGORITHMS[algorithm].truncated
    if chunk is None:
        return named(algorithm) if truncated else f"{named(algorithm)}, K = T"
    return f"{named(algorithm)}, K = {chunk}{' (truncated)' if truncated else ''}"


def headings(rows: Frame) -> list[str]:
    """Write in words how each row's problem differs from the others; usual values only if it has no others."""
    differ = [name for name in caption.varying(rows) if name not in ("mode", "auto", "limit_mib", "segments")]
    titles = []
    for row in rows.to_dict("records"):
        names = [name for name in differ if caption.UNSAID.get(name) != row[name] or name == "setup"]
        titles.append(" · ".join(caption.phrase(name, row[name]) for name in names or differ))
    return titles


def way(framework: str, mode: str) -> str:
    """Write a framework and how it runs in words."""
    title = FRAMEWORKS.get(framework, framework)
    return WAYS.get((framework, mode), display.shown(title if mode == "plain" else f"{title}, {mode}"))


def named(algorithm: str) -> str:
    """Return an algorithm's name in a figure."""
    return ALGORITHMS[algorithm][0] if algorithm in ALGORITHMS else display.shown(algorithm)


def measured(rows: Frame, *columns: str) -> Frame:
    """Return the points that can be drawn: status ok and a number in each of the columns."""
    return rows[(rows["status"] == "ok") & rows[list(columns)].notna().all(axis=1)]


def some(rows: Frame, frame: Frame, needs: str) -> Frame:
    """Return the rows. Raises NothingToDraw, which says what the figure needs and what the records are, if none are."""
    if rows.empty:
        endings = ", ".join(
            f"{number} {status}" for status, number in Counter(collapse.rounds(frame)["status"]).items()
        )
        raise NothingToDraw(f"it needs {needs}; there are no such cases among {endings or 'no records'}")
    return rows


def facets(rows: Frame) -> Frame:
    """Return the points with the `facet` in which each is drawn: over T, or at one T.

    An algorithm that was measured at one T only has no line over T; it is drawn beside all others at that T.
    """
    lengths = rows.groupby(["panel", "line", "way"])["steps"].transform("nunique")
    swept = rows[lengths > 1].assign(facet=OVER_T)
    alone = rows.loc[lengths == 1, ["panel", "way", "steps"]].drop_duplicates()
    beside = rows.reset_index().merge(alone, on=["panel", "way", "steps"]).set_index("index").sort_index()
    beside = beside.drop_duplicates(["case_key", "setup", "data"])
    beside = beside.assign(facet=[f"T = {T}" for T in beside["steps"]])
    joined = pd.concat([swept, beside]) if len(beside) else swept
    order = {panel: number for number, panel in enumerate(rows["panel"].unique())}
    joined = joined.sort_values("panel", kind="stable", key=lambda panels: panels.map(order), ignore_index=True)
    joined.attrs = rows.attrs
    return joined


def readable(rows: Frame) -> tuple[Frame, str]:
    """Return the points of as many bands, ways and lines as a figure can show, and in words what it leaves out.

    Bands (problems, or problem and length T) and ways are those with most points; lines are evenly chosen, with the
    first and the last.
    """
    choices = []
    rows = rows.assign(band=rows["panel"].astype(str) + (" · " + rows["facet"] if "facet" in rows else ""))
    for column, (most, what) in MOST.items():
        names = rows[column].value_counts(sort=False)
        if len(names) > most:
            if column == "line":
                shown = names.index[[round(i * (len(names) - 1) / (most - 1)) for i in range(most)]]
            else:
                shown = names.sort_values(ascending=False, kind="stable").index[:most]
            rows = rows[rows[column].isin(shown)].reset_index(drop=True)
            choices.append(f"{most} of {len(names)} {what}")
    rows.attrs = {}  # every step would copy them deeply
    return rows, f"drawn: {', '.join(choices)}; the CSV has the points of all" if choices else ""


def ordered(rows: Frame) -> list[str]:
    """Return the ways that occur, in the order of `WAYS`."""
    known = list(WAYS.values())
    return sorted(rows["way"].unique(), key=lambda name: known.index(name) if name in known else len(known))
