"""The table: one honest row per case, and all of it inside 80 columns."""

import io
import re
from pathlib import Path

import pytest
from lines import DIGITS, environment, grid, line, write
from rich.console import Console

from drtrl_bench import load, table
from drtrl_bench.case import Case

CASE = Case(steps=64, chunk=64)


def shown(path: Path, width: int = 80) -> str:
    output = io.StringIO()
    table.render(load(path), Console(width=width, file=output))
    return output.getvalue()


def test_rounds_become_one_row_with_the_range_of_their_medians(tmp_path: Path) -> None:
    times = (0.010, 0.012, 0.011)
    path = write(tmp_path, [line(CASE, time_s=t, round=n) for n, t in enumerate(times)])
    (row,) = table.collapse(load(path)).to_dict("records")
    assert (row["rounds"], row["samples"], row["time_s"]) == (3, 12, 0.011)
    assert row["spread"] == pytest.approx(0.002 / 0.011)
    assert (row["low_s"], row["high_s"]) == (0.010, 0.012)


def test_one_round_spreads_by_half_its_interval(tmp_path: Path) -> None:
    (row,) = table.collapse(load(write(tmp_path, [line(CASE)]))).to_dict("records")
    assert row["spread"] == pytest.approx(0.02)


@pytest.mark.parametrize("status", ["skip", "timeout", "oom", "error", "wrong"])
def test_one_bad_round_takes_the_numbers_of_all(tmp_path: Path, status: str) -> None:
    rounds = [line(CASE), line(CASE, round=1, status=status, reason="because")]
    (row,) = table.collapse(load(write(tmp_path, rounds))).to_dict("records")
    assert (row["status"], row["reason"]) == (status, "because")
    assert all(row[name] != row[name] for name in table.NUMBERS)


def test_worst_status_wins(tmp_path: Path) -> None:
    statuses = ("ok", "wrong", "skip", "error")
    rounds = [line(CASE, round=n, status=s, reason=s) for n, s in enumerate(statuses)]
    assert table.collapse(load(write(tmp_path, rounds)))["status"].tolist() == ["wrong"]


def test_a_round_run_again_replaces_its_failure(tmp_path: Path) -> None:
    lines = [line(CASE, status="timeout", reason="slow"), line(CASE)]
    (row,) = table.collapse(load(write(tmp_path, lines))).to_dict("records")
    assert (row["status"], row["rounds"]) == ("ok", 1)


def test_wrong_rows_show_no_number(tmp_path: Path) -> None:
    bad = line(CASE) | {"status": "wrong", "reason": "gate red"}
    row = next(text for text in shown(write(tmp_path, [bad])).splitlines() if text.startswith("drtrl"))
    assert row.split() == ["drtrl", "64", "jax", "64", "wrong", "[1]"]


def awkward() -> list[dict]:
    cases = [Case(algorithm=a, framework="torch", steps=100_000, chunk=10_000) for a in ("bptt", "rtrl", "drtrl")]
    huge = {"working_bytes": 123_456 << 20, "analytic_bytes": None}
    long = line(Case(cell="lif_delta_hard"), status="oom", reason="needs " + "much " * 100 + "memory")
    return [*(line(c, time_s=3599.0, error=1.4, unstable=True) | {"memory": huge} for c in cases), long]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(grid(), id="grid"),
        pytest.param(grid(cells=("lif_delta_hard", "gru")), id="cells"),
        pytest.param(grid() + [line(Case(neurons=n, batch=b)) for n in (64, 512) for b in (1, 128)], id="sizes"),
        pytest.param([line(Case(dtype=d)) for d in ("float32", "float64")], id="dtypes"),
        pytest.param([line(CASE, status="error", reason=None)], id="only failed"),
        pytest.param(awkward(), id="awkward"),
    ],
)
def test_fits_80_columns_with_every_number_whole(tmp_path: Path, lines: list[dict]) -> None:
    path = write(tmp_path, lines)
    text, wide = shown(path), shown(path, width=200)
    assert max(map(len, text.splitlines())) <= 80

    def rows(printed: str) -> list[list[str]]:
        return sorted(
            re.findall(r"±.*", row)[0].split() for row in printed.splitlines() if "±" in row and "median" not in row
        )

    assert rows(text) == rows(wide)
    assert all("…" not in row for row in text.splitlines() if not row.startswith(("[", "needs", "much")))


def test_a_narrow_terminal_does_not_cut_numbers(tmp_path: Path) -> None:
    assert "3.0e-07" in shown(write(tmp_path, [line(CASE)]), width=30)


def test_caption_says_once_what_all_rows_share(tmp_path: Path) -> None:
    text = shown(write(tmp_path, grid()))
    for once in (DIGITS, "lif_delta", "N = 64", "B = 8", "float32", "AMD EPYC", "jax 0.10.2", "torch 2.13.0"):
        assert text.count(once) == 1, once


def test_what_varies_is_in_the_rows_not_in_the_caption(tmp_path: Path) -> None:
    text = shown(write(tmp_path, [line(Case(neurons=n)) for n in (32, 64)]))
    assert "N = " not in text
    assert re.search(r"^ *N +algorithm", text, re.MULTILINE)


def test_unstable_rows_are_marked_and_the_mark_explained(tmp_path: Path) -> None:
    text = shown(write(tmp_path, [line(CASE, unstable=True)]))
    assert "±" in text
    assert "%~" in text
    assert "unstable" in text
    assert "unstable" not in shown(write(tmp_path, [line(CASE)]))


def test_other_machines_are_told_apart(tmp_path: Path) -> None:
    both = [line(CASE), line(CASE, env_hash="e2")]
    text = shown(write(tmp_path, both, [environment(), environment("e2", cpu="Intel Xeon")]))
    assert "A: AMD EPYC" in text
    assert "B: Intel Xeon" in text
    assert "setup" in text


def test_synthetic_data_never_merges_with_real(tmp_path: Path) -> None:
    fake = {"label": "digits (synthetic)", "synthetic": True, "sha": "0"}
    text = shown(write(tmp_path, [line(CASE), line(CASE, round=1, data=fake)]))
    assert "digits (synthetic)" in text
    assert DIGITS in text


def test_markup_in_a_reason_is_text(tmp_path: Path) -> None:
    assert "[bold]x[/bold] [/]" in shown(write(tmp_path, [line(CASE, status="error", reason="[bold]x[/bold] [/]")]))


def test_order_is_cell_then_steps_then_algorithm(tmp_path: Path) -> None:
    rows = table.collapse(load(write(tmp_path, grid(cells=("lif_delta", "gru"))[::-1])))
    keys = rows[["cell", "steps", "algorithm", "chunk", "framework"]].apply(tuple, axis=1).tolist()
    assert keys == sorted(keys)


def test_no_records(tmp_path: Path) -> None:
    assert "no records" in shown(write(tmp_path, []))
