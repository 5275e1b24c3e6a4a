"""The committed records give the committed figures and verdicts, and the same bytes in another process."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from drtrl_bench import start
from drtrl_bench.cli import reproduce
from drtrl_bench.paper import listing, reproduction
from drtrl_bench.paper.drawing import every, names
from drtrl_bench.view import display

RESULTS = Path(__file__).parents[2] / "results"
FIGURES = RESULTS / "figures" / "paper"
QUICK = ("artificial", "rank1_theory", "dms", "shd", "gesture", "connectome", "evidence", "copying")
"""Experiments whose figures are drawn in a second or two; the slow test has all."""
OLDER = r"; \d+ of \d+ results are of older code than is here"
"""What changes with the code, without a new record or drawing."""


def committed(name: str) -> Any:
    """The rows of an experiment's committed records; None if it was not run."""
    return reproduce.rows_of(name, "cpu", RESULTS / "paper", complain=False)


def as_table(points: Any) -> str:
    """The points of a figure as its CSV has them."""
    return points.map(display.shown_in_csv).to_csv(index=False, lineterminator="\n")


@pytest.mark.parametrize("name", QUICK)
def test_committed_figures_are_those_of_the_committed_records(name: str) -> None:
    rows = committed(name)
    if not (RESULTS / "paper" / f"{name}.jsonl").exists():
        assert not [*FIGURES.glob(f"{name}*")], "a figure of an experiment that was not run"
        pytest.skip("not run yet, as the table says")
    assert rows is not None, f"the committed records of {name} are not those of its jobs"
    drawn = listing.module(name).figures(rows)
    assert list(drawn) == names.names(name, rows)
    for title, (_, points) in drawn.items():
        assert (FIGURES / f"{title}.csv").read_text(encoding="utf-8") == as_table(points), title
        for ending in ("png", "pdf"):
            assert (FIGURES / f"{title}.{ending}").is_file()


def test_the_committed_verdicts_are_those_of_the_committed_records() -> None:
    judged = []
    for name in listing.EXPERIMENTS:
        rows = committed(name)
        judged.append((name, rows, [] if rows is None else reproduction.judge(name, rows)))
    text = (RESULTS / reproduction.FILE).read_text(encoding="utf-8")
    assert re.sub(OLDER, "", reproduction.table(judged)) == re.sub(OLDER, "", text)


def drawn(folder: Path, **variables: str) -> dict[str, bytes]:
    """Draw and judge what is committed, in a process of its own with these variables."""
    words = ["reproduce", "--draw-only", "--records", str(RESULTS / "paper"), "--out", str(folder)]
    subprocess.run(start.command("drtrl_bench", *words), env=os.environ | variables, check=True, capture_output=True)
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="another allocator is chosen by a variable of Linux's Python")
def test_committed_figures_are_the_same_in_two_processes(tmp_path: Path) -> None:
    """With other hashes, and with other addresses in memory, by which the solver of a layout orders its equations.

    And they are the committed ones, as far as other versions of matplotlib draw them: the same files, and their text.
    """
    one = drawn(tmp_path / "one", PYTHONHASHSEED="1")
    two = drawn(tmp_path / "two", PYTHONHASHSEED="2", PYTHONMALLOC="malloc")
    assert reproduction.FILE in one
    assert len([name for name in one if name.endswith(".png")]) >= 6
    assert list(one) == list(two)
    assert [name for name in one if one[name] != two[name]] == []
    assert {Path(name).name for name in one} - {reproduction.FILE} == {path.name for path in FIGURES.iterdir()}
    tables = [name for name in one if name.endswith(".csv")]
    assert [name for name in tables if one[name] != (RESULTS / name).read_bytes()] == []


def test_several_at_a_time_are_the_figures_of_one_process(tmp_path: Path) -> None:
    """In the order of the experiments, with the same bytes."""
    names = ("artificial", "rank1_theory", "shd")
    rows = {name: committed(name) for name in names}
    paths = {
        processes: [*every.of_all([(n, rows[n], tmp_path / str(processes)) for n in names], processes)]
        for processes in (1, 2)
    }
    assert [path.name for path in paths[1]] == [path.name for path in paths[2]]
    assert paths[1][0].name == "jacobian_artificial.png"
    for one, two in zip(*paths.values(), strict=True):
        for ending in (".png", ".pdf", ".csv"):
            assert one.with_suffix(ending).read_bytes() == two.with_suffix(ending).read_bytes()
