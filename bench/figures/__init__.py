"""Draw figures: one script = one figure. Each reads records and writes PNG, PDF and a CSV of what it plots.

A figure's module has `data(frame)`, the plotted points, and `draw(frame)`, a matplotlib Figure; both take a frame
from `drtrl_bench.load`, and raise `NothingToDraw` if its records do not suit.
`python -m drtrl_bench.figures.NAME RECORDS --out FOLDER` writes the files.
"""

import argparse
import contextlib
import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drtrl_bench.figures.nothing import DPI, NothingToDraw
from drtrl_bench.view import display

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FIGURES = {
    "time_vs_t": "drtrl_bench.figures.time_vs_t",
    "memory_vs_t": "drtrl_bench.figures.memory_vs_t",
    "fidelity": "drtrl_bench.figures.fidelity",
}
"""The figures of every report."""


def import_matplotlib() -> None:
    """Import matplotlib, with its own defaults if the user's settings prevent it.

    They may name a backend that is not installed, or a damaged matplotlibrc. Figures look the same with any settings.
    """
    try:
        import matplotlib
    except Exception:  # whatever reading the settings raises
        spec = importlib.util.find_spec("matplotlib")
        if spec is None or not spec.submodule_search_locations:
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
            del sys.modules[name]  # it is partly imported
        backend = os.environ.pop("MPLBACKEND", None)
        try:
            with contextlib.chdir(Path(spec.submodule_search_locations[0]) / "mpl-data"):  # where a matplotlibrc is
                import matplotlib  # noqa: F401
        finally:
            if backend is not None:
                os.environ["MPLBACKEND"] = backend


import_matplotlib()


def save(figure: "Figure", data: "pd.DataFrame", folder: str | Path, name: str) -> list[Path]:
    """Write name.png, name.pdf and name.csv; the same figure gives the same bytes."""
    from drtrl_bench.figures import style

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.{ending}" for ending in ("png", "pdf", "csv")]
    save_png(figure, paths[0])
    with style.look():
        figure.savefig(paths[1], metadata={"CreationDate": None})
    data.map(display.shown_in_csv).to_csv(paths[2], index=False, lineterminator="\n")
    return paths


def save_png(figure: "Figure", file: Any) -> None:
    """Write a figure as PNG into a file."""
    from drtrl_bench.figures import style

    with style.look():
        figure.savefig(file, dpi=DPI, metadata={"Software": None})


def make(name: str, records: str | Path, folder: str | Path) -> list[Path]:
    """Draw the figure `name` from a record file or folder and write its three files."""
    from drtrl_bench.records import frames

    module = importlib.import_module(f"drtrl_bench.figures.{name}")
    frame = frames.load(records)
    return save(module.draw(frame), module.data(frame), folder, name)


def main(name: str, about: str | None) -> None:
    """Run the command line of one figure's script. Bad input is one line on standard error and exit code 2."""
    parser = argparse.ArgumentParser(prog=f"python -m drtrl_bench.figures.{name}", description=about)
    parser.add_argument("records", help="a record file, or a folder of *.jsonl")
    parser.add_argument("--out", default="results/figures", metavar="FOLDER", help="default: %(default)s")
    options = parser.parse_args()
    display.prepare()
    try:
        for path in make(name, options.records, options.out):
            print(display.shown(path))
    except NothingToDraw as error:
        print(display.shown(f"{options.records}: {name} was not drawn: {error}"), file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        print(display.shown(f"{parser.prog}: {error}"), file=sys.stderr)
        raise SystemExit(2) from None
