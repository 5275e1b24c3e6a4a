"""Load: what thousands of cases may take of one core, in seconds of the machine that the goals are set on.

The records are synthetic.
"""

import os
import re
import resource
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.bulk import many
from support.lines import line, write
from support.pace import least
from support.pictures import text_of, touching, unnamed

from drtrl_bench import figures, load
from drtrl_bench.case import Case
from drtrl_bench.figures import memory_vs_t, selection, time_vs_t

TWICE = 2
"""How far above its goal a command may be where others use the machine."""


def reaches(goal: float, *words: str, cwd: Path) -> str:
    """What a command prints that takes at most `goal` seconds of user time on the machine of the goals.

    Raises AssertionError if it takes longer.
    """
    alone = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, "-W", "error", "-m", "drtrl_bench", *words]
    env = os.environ | alone | {"COLUMNS": "80"}
    printed: list[str] = []

    def user_time() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before

    assert least(user_time, goal) < goal
    return printed[-1]


def test_480_cases_of_4_rounds_are_compared_in_3_seconds(tmp_path: Path) -> None:
    old, new = (many(tmp_path / f"{name}.jsonl", 480, rounds=4) for name in ("old", "new"))
    said = reaches(3 * TWICE, "compare", str(old), str(new), cwd=tmp_path)
    assert "1440 comparisons, 1440 the same, 0 regressions" in said


def test_2000_cases_are_shown_in_2_seconds(tmp_path: Path) -> None:
    said = reaches(2 * TWICE, "show", str(many(tmp_path / "many.jsonl", 2000)), cwd=tmp_path)
    assert len(re.findall(r"\d (±|noisy)", said)) == 2000


@pytest.mark.slow
def test_2000_cases_are_reported_in_20_seconds(tmp_path: Path) -> None:
    path = many(tmp_path / "many.jsonl", 2000)
    reaches(20 * TWICE, "report", str(path), "--out", str(tmp_path), cwd=tmp_path)
    assert (tmp_path / "report.html").read_text(encoding="utf-8").count("<tbody data-status=") == 2000
    assert len(pd.read_csv(tmp_path / "time_vs_t.csv")) > 1900


@pytest.mark.slow
@pytest.mark.parametrize("name", figures.FIGURES)
def test_a_figure_of_2000_cases_can_be_read(name: str, tmp_path: Path) -> None:
    module = import_module(figures.FIGURES[name])
    figure = module.draw(load(many(tmp_path / "many.jsonl", 2000)))
    assert unnamed(figure) == []
    assert touching(figure) == []
    assert "drawn: 12 of " in text_of(figure)
    assert figure.get_size_inches()[1] < 60


PROBLEMS = [line(Case(seed=seed, steps=T, chunk=16)) for seed in range(14) for T in (64, 256)]
PROBLEMS += [line(Case(seed=13, steps=512, chunk=16))]


def test_a_figure_shows_twelve_problems_and_says_so(tmp_path: Path) -> None:
    frame: Any = load(write(tmp_path, PROBLEMS))
    rows, said = selection.readable(time_vs_t.points(frame))
    assert said == "drawn: 12 of 14 problems, those with most points; the CSV has the points of all"
    assert rows["seed"].unique().tolist() == [*range(11), 13], "with most points, then the first"
    assert len(time_vs_t.data(frame)) == 29
    figure = time_vs_t.draw(frame)
    assert said in text_of(figure).replace("\n", " ")
    assert len([axes for axes in figure.axes if axes.axison]) == 12


def test_a_figure_shows_twelve_lines_evenly_chosen(tmp_path: Path) -> None:
    frame: Any = load(write(tmp_path, [line(Case(steps=256, chunk=K)) for K in range(1, 100)]))
    rows, said = selection.readable(memory_vs_t.points(frame))
    assert said == "drawn: 12 of 99 lines, evenly chosen; the CSV has the points of all"
    assert rows["chunk"].tolist() == [1, 10, 19, 28, 37, 46, 54, 63, 72, 81, 90, 99]
    figure = memory_vs_t.draw(frame)
    assert unnamed(figure) == []
    assert touching(figure) == []


def test_few_cases_are_all_drawn(tmp_path: Path) -> None:
    rows, said = selection.readable(time_vs_t.points(load(write(tmp_path, PROBLEMS[:24]))))
    assert said == ""
    assert len(rows) == 24
