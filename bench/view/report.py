"""Writes the report: one HTML file with every row, the figures and the source of each number; it loads nothing else."""

import base64
import importlib
import io
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import jinja2
import pandas as pd

from drtrl_bench import __version__, figures
from drtrl_bench.peers import page as peers
from drtrl_bench.records import frames, reading, record
from drtrl_bench.records.record import Environment, Fidelity, Record
from drtrl_bench.view import caption, cell_text, collapse, display, legend, table, wording
from drtrl_bench.view.caption import Frame

TITLES = {
    "time_vs_t": "Time of one gradient of the whole sequence",
    "memory_vs_t": "Working memory beyond the arguments",
    "fidelity": "Cosine and norm of each layer's gradient against float64 BPTT",
}
COST = {
    "time_s": ("time ms", lambda row: f"{cell_text.digits(row['time_s'] * 1e3)} {cell_text.interval(row['spread'])}"),
    "cpu_s": ("cpu ms", lambda row: cell_text.digits(row["cpu_s"] * 1e3)),
    "x_time": ("time x BPTT", lambda row: cell_text.share(row["x_time"])),
    "working_bytes": ("MiB", lambda row: cell_text.digits(row["working_bytes"] / 2**20)),
    "x_memory": ("MiB x BPTT", lambda row: cell_text.share(row["x_memory"])),
}
OTHER = {
    "cosine": ("all cos", lambda row: cell_text.number(row["cosine"], ".4f")),
    "error": ("all err", lambda row: cell_text.share(row["error"])),
    "firing_rate": ("spk %", lambda row: cell_text.number(row["firing_rate"] * 100, ".1f")),
    "forward_s": ("forward ms", lambda row: cell_text.digits(row["forward_s"] * 1e3)),
    "analytic_bytes": ("formula MiB", lambda row: cell_text.digits(row["analytic_bytes"] / 2**20)),
}
"""Measured columns: header, and text of a row whose status is ok. Those of the layers stand before `OTHER`."""
DOUBTS = {"time_s": "doubtful", "x_time": "x_doubtful"}
"""Columns whose numbers may be in doubt, and the field of a row that says so."""
LEGEND = {
    "cpu ms": "the processor's time for the same gradient, summed over all threads",
    "forward ms": "the forward pass alone, by the clock",
    "formula MiB": "the memory that the algorithm must hold, by formula",
}

DOTS = 300
"""Samples drawn per strip at most, evenly chosen; more would be a blot."""


def write(records_path: str | Path, out_html: str | Path) -> Path:
    """Write the report on a record file or folder; the same records give the same bytes."""
    records = reading.read(records_path)
    frame = frames.frame(records)
    pictures = {name: drawn for name in figures.FIGURES if (drawn := picture(name, frame))}
    return write_page(Path(records_path).name, records, frame, pictures, out_html)


def write_page(
    source: str, records: list[Record], frame: Frame, pictures: dict[str, tuple[str, bool]], out_html: str | Path
) -> Path:
    """Write the page on records, from their frame and the figures that `picture` drew."""
    rows = collapse.rounds(frame)
    every = rows.to_dict("records")
    environments = {r["env_hash"]: r.get("environment") for r in records}
    lines: dict[tuple[str, str | None], list[Record]] = {}
    for line in records:
        lines.setdefault((line["case_key"], line["env_hash"]), []).append(line)
    template = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        finalize=display.shown_in_page,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("report.html")
    texts = measured(every)
    columns = headers(rows, every, texts)
    page = template.render(
        version=__version__,
        source=source,
        started=sorted(str(r.get("started") or "")[:10] for r in records)[:: max(len(records) - 1, 1)],
        shared=caption.shared(rows).split(" · ") if every else [],
        machines=caption.machines(rows) if every else [],
        counts={status: n for status in record.STATUSES if (n := Counter(rows["status"])[status])},
        choices={name: sorted(rows[name].unique()) for name in ("status", "framework", "algorithm")},
        columns=columns,
        measured=len([name for name in columns if name in texts]),
        legend={k: v for k, v in (legend.legend(rows) | LEGEND).items() if k not in LEGEND or k in columns.values()},
        rows=[row_view(row, columns, texts, lines[row["case_key"], row["env_hash"]]) for row in every],
        figures=[(TITLES[name], *pictures[name]) for name in figures.FIGURES if name in pictures],
        environments={name: flat(environment) if environment else {} for name, environment in environments.items()},
        peers={"what each calls what": peers.definitions(), "which rules exist where": peers.rules()},
    )
    out_html = Path(out_html)
    out_html.parent.mkdir(parents=True, exist_ok=True)
    out_html.write_text(page, encoding="utf-8")
    return out_html


def headers(rows: Frame, every: list[dict[str, Any]], texts: dict[str, Any]) -> dict[str, str]:
    """Return the table's columns with their headers: varying fields, algorithm, framework, K, T, status, measured."""
    problem = {name: caption.FIELDS[name][0] for name in (wording.varying(rows) if every else ())}
    who = {"algorithm": "algorithm", "chunk": "K", "framework": "framework", "steps": "T", "status": "status"}
    ok = [row for row in every if row["status"] == "ok"]
    headers = {name: header for name, (header, text) in texts.items() if any(map(text, ok))}
    return problem | who | (headers or {"time_s": "time ms"})


def measured(every: list[dict[str, Any]]) -> dict[str, tuple[str, Callable[[dict[str, Any]], str]]]:
    """Return header and text of the measured columns: cost, the agreement of each layer, that of all weights."""
    if not every:
        return COST | OTHER
    shown = cell_text.measured_columns(every)
    layers = {
        layer: title for layer, title in cell_text.layers(every).items() if cell_text.layer_column(layer) in shown
    }
    texts = {
        cell_text.layer_column(n): (f"{title} cos norm", partial(cell_text.agreement, layer=n))
        for n, title in layers.items()
    }
    over = {"x_time": ("time x BPTT", partial(cell_text.over_bptt, names=cell_text.bases(every)))}
    return COST | over | texts | OTHER


def sort_key(row: dict[str, Any], name: str) -> Any:
    """Return the value by which a row is sorted in a column."""
    value = (
        row[name]
        if name in row
        else cell_text.layer_metric(row, name.removeprefix(cell_text.layer_column("")), "cosine")[0]
    )
    return "" if pd.isna(value) else value


def row_view(
    row: dict[str, Any], columns: dict[str, str], texts: dict[str, Any], records: list[Record]
) -> dict[str, Any]:
    """Return what the template shows of a collapsed row: cells, sort keys, and its records."""
    ok = row["status"] == "ok"
    same_data = [record for record in records if record["data"].get("label") in (None, row["data"])]
    return {
        **{name: row[name] for name in ("status", "framework", "algorithm", "case_key")},
        "reason": None if ok else row["reason"] or "no reason given",
        "doubtful": [name for name, flag in DOUBTS.items() if row[flag]],
        "sort": [sort_key(row, name) for name in columns],
        "problem": [(name, problem_text(row, name)) for name in columns if name not in texts],
        "measured": [(name, texts[name][1](row)) for name in columns if name in texts] if ok else [],
        "words": " ".join(sorted(table.words_of(row))).lower(),
        "records": [record_view(record, ok) for record in same_data],
    }


def problem_text(row: dict[str, Any], name: str) -> str:
    """Write a field of a collapsed row that was not measured, the algorithm with its number of segments."""
    whole = name == "algorithm"
    return wording.algorithm(row[name], row["segments"]) if whole else wording.cell(name, row[name])


def record_view(line: Record, ok: bool) -> dict[str, Any]:
    """Return the source of one record and, only if its case is ok, all that was measured."""
    time, gate, data, memory, active = (line.get(k) or {} for k in ("time", "gate", "data", "memory", "activity"))
    facts = {
        "case_key": line.get("case_key"),
        "implementation_sha": line.get("implementation_sha"),
        "commit": f"{commit}{' (modified)' if line.get('dirty') else ''}" if (commit := line.get("commit")) else None,
        "data": " ".join(str(v) for v in (data.get("label"), data.get("fingerprint")) if v),
        "gradient check": f"error {gate['error']:.1e}, limit {gate['limit']:g}; against {gate['reference']}, "
        f"T = {gate['steps']}, B = {gate['batch']}"
        if all(gate.get(key) is not None for key in ("error", "limit", "reference", "steps", "batch"))
        else None,
        "plan, round": f"{line.get('plan')}, {line.get('round', 0)}",
        "measured": f"{line.get('started')}, took {line.get('duration_s')} s",
        "file": line.get("source"),
        "reason": line.get("reason"),
    }
    if ok:
        facts |= {name.replace("_s", ""): f"{v:.3g} s" for name, v in time.get("phases", {}).items() if v is not None}
        facts |= {"memory meter": memory.get("meter")}
        facts |= {k: f"{v:,} bytes" for k, v in memory.items() if isinstance(v, int) and not isinstance(v, bool)}
        facts |= {k.replace("_", " "): ", ".join(f"{100 * x:.2g} %" for x in v) for k, v in active.items() if v}
    return {
        "status": line["status"],
        "env_hash": line["env_hash"],
        "facts": {name: str(value) for name, value in facts.items() if value not in (None, "")},
        "strip": strip(time) if ok and all(time.get(k) for k in ("samples_s", "low_s", "median_s", "high_s")) else None,
        "fidelity": fidelity(line.get("fidelity") or {}) if ok else {},
    }


def fidelity(values: Fidelity) -> dict[str, list[str]]:
    """Write cosine, error, norm ratio and sign agreement as text: overall, per layer and per weight."""
    forms = {"cosine": ".6f", "error": ".2e", "norm_ratio": ".4f", "sign_agreement": ".3f"}
    parts = ({"all": values.get("overall") or {}}, values.get("per_layer") or {}, values.get("per_parameter") or {})
    every = {name: agreement for part in parts for name, agreement in part.items()}
    return {name: [cell_text.number(v.get(k), form) for k, form in forms.items()] for name, v in every.items() if v}


def strip(time: dict[str, Any]) -> dict[str, Any]:
    """Return the samples as positions from 0 to 100 between the fastest and the slowest."""
    samples = time["samples_s"]
    low, high = min(samples), max(samples)

    def position(seconds: float) -> float:
        return round(100 * (seconds - low) / (high - low or 1), 2)

    return {
        "dots": [position(s) for s in samples[:: -(-len(samples) // DOTS)]],
        "interval": [position(time["low_s"]), position(time["high_s"])],
        "median": position(time["median_s"]),
        "ends": [f"{cell_text.digits(s * 1e3)} ms" for s in (low, high)],
        "text": f"{len(samples)} samples, median {cell_text.digits(time['median_s'] * 1e3)} ms, 95 % interval "
        f"{cell_text.digits(time['low_s'] * 1e3)} to {cell_text.digits(time['high_s'] * 1e3)} ms"
        + (f"; processor {cell_text.digits(median(worked) * 1e3)} ms" if (worked := time.get("cpu_samples_s")) else "")
        + (", unstable" if time.get("unstable") else "")
        + (", machine busy" if time.get("busy") else ""),
    }


def picture(name: str, frame: Frame) -> tuple[str, bool] | None:
    """Draw a figure as base64 PNG, and say whether it needs the page's full width; None if it has nothing to draw."""
    try:
        figure = importlib.import_module(figures.FIGURES[name]).draw(frame)
    except figures.NothingToDraw:
        return None
    with io.BytesIO() as file:
        figures.save_png(figure, file)
        return embed(figure, file.getvalue())


def embed(figure: Any, png: bytes) -> tuple[str, bool]:
    """Return a figure and its PNG as `picture` does."""
    return base64.b64encode(png).decode(), figure.get_size_inches()[0] > 7


def flat(environment: Environment) -> dict[str, str]:
    """Return an environment as name -> text."""
    left_out = ("kind", "schema_version", "env_hash", *record.TABLES)
    facts = {k: v for k, v in environment.items() if k not in left_out}
    for table_of in record.TABLES:
        facts |= environment.get(table_of) or {}
    return {k: str(v) for k, v in facts.items() if v is not None}
