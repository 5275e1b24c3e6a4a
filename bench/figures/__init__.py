"""Figures: one script = one figure. Each reads records and writes PNG, PDF and a CSV of what it plots.

A figure's module has `data(frame)`, the plotted points, and `draw(frame)`, a matplotlib Figure; both take a frame
from `drtrl_bench.load`, and raise `NothingToDraw` if its records do not suit.
`python -m drtrl_bench.figures.NAME RECORDS --out FOLDER` writes the files.
"""

import argparse
import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FIGURES = {
    "time_vs_t": "drtrl_bench.figures.time_vs_t",
    "memory_vs_t": "drtrl_bench.figures.memory_vs_t",
    "fidelity": "drtrl_bench.figures.fidelity",
}
"""The figures of every report."""
DPI = 150
"""Of the PNGs. Figures are laid out at it, so that what was apart when it was laid out is apart in the file."""


class NothingToDraw(ValueError):  # noqa: N818
    """Records of which a figure shows nothing; the message says in one line what it needs and what there is."""


def save(figure: "Figure", data: "pd.DataFrame", folder: str | Path, name: str) -> list[Path]:
    """Writes name.png, name.pdf and name.csv; the same figure gives the same bytes."""
    import matplotlib

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.{ending}" for ending in ("png", "pdf", "csv")]
    with matplotlib.rc_context({"pdf.fonttype": 42}):
        figure.savefig(paths[0], dpi=DPI, metadata={"Software": None})
        figure.savefig(paths[1], metadata={"CreationDate": None})
    data.to_csv(paths[2], index=False, lineterminator="\n")
    return paths


def make(name: str, records: str | Path, folder: str | Path) -> list[Path]:
    """Draws the figure `name` from a record file or folder and writes its three files."""
    from drtrl_bench import record

    module = importlib.import_module(f"drtrl_bench.figures.{name}")
    frame = record.load(records)
    return save(module.draw(frame), module.data(frame), folder, name)


def main(name: str, about: str | None) -> None:
    """The command line of one figure's script. Bad input is one line on standard error and exit code 2."""
    parser = argparse.ArgumentParser(prog=f"python -m drtrl_bench.figures.{name}", description=about)
    parser.add_argument("records", help="a record file, or a folder of *.jsonl")
    parser.add_argument("--out", default="results/figures", metavar="FOLDER", help="default: %(default)s")
    options = parser.parse_args()
    try:
        for path in make(name, options.records, options.out):
            print(path)
    except NothingToDraw as error:
        print(f"{options.records}: {name} was not drawn: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        raise SystemExit(2) from None
