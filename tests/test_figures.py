"""The figures: three files each, the same bytes each time, and nothing hidden when something is missing."""

import importlib
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from lines import DIGITS, environment, grid, line, write
from matplotlib.figure import Figure

from drtrl_bench import figures, load
from drtrl_bench.case import Case
from drtrl_bench.figures import style

NAMES = sorted(figures.FIGURES)


def drawn(name: str, path: Path) -> Figure:
    return importlib.import_module(figures.FIGURES[name]).draw(load(path))


def text_of(figure: Figure) -> str:
    figure.draw_without_rendering()
    axes = [text.get_text() for one in figure.axes for text in (one.title, *one.texts)]
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    legend = [text.get_text() for one in figure.legends for text in one.get_texts()]
    return "\n".join([figure.get_suptitle(), figure.get_supxlabel(), *axes, *titles, *legend])


@pytest.mark.parametrize("name", NAMES)
def test_writes_png_pdf_and_csv_the_same_each_time(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, grid())
    first = figures.make(name, path, tmp_path / "one")
    second = figures.make(name, path, tmp_path / "two")
    assert [p.name for p in first] == [f"{name}.png", f"{name}.pdf", f"{name}.csv"]
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    assert b"CreationDate" not in first[1].read_bytes()
    assert first[0].read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", NAMES)
def test_csv_holds_every_plotted_point(tmp_path: Path, name: str) -> None:
    points = pd.read_csv(figures.make(name, write(tmp_path, grid()), tmp_path)[2])
    assert set(points["framework"]) == {"jax", "torch"}
    assert set(points["line"]) == {"BPTT", "D-RTRL, K = 16", "D-RTRL, K = T", "RTRL, K = 16", "RTRL, K = T"}
    assert len(points) == 20


@pytest.mark.parametrize("name", NAMES)
def test_caption_states_data_problem_and_machine(tmp_path: Path, name: str) -> None:
    text = text_of(drawn(name, write(tmp_path, grid())))
    for said in (DIGITS, "N = 64", "B = 8", "AMD EPYC", "D-RTRL, K = 16", "JAX", "PyTorch"):
        assert said in text


@pytest.mark.parametrize("name", NAMES)
def test_synthetic_data_is_called_so(tmp_path: Path, name: str) -> None:
    fake = {"label": "shd (synthetic)", "synthetic": True, "sha": "0"}
    assert "shd (synthetic)" in text_of(drawn(name, write(tmp_path, [line(Case(), data=fake)])))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("status", ["timeout", "wrong", "skip"])
def test_only_failures_still_draw_and_say_so(tmp_path: Path, name: str, status: str) -> None:
    lines = [line(Case(algorithm="rtrl", steps=T, chunk=T), status=status, reason="r") for T in (64, 256)]
    text = text_of(drawn(name, write(tmp_path, lines)))
    assert "nothing was measured" in text
    assert f"RTRL, K = T, JAX, T = 64, 256: {style.ENDINGS[status]}" in text


@pytest.mark.parametrize("name", NAMES)
def test_no_records_at_all(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, [])
    assert "no records" in text_of(drawn(name, path))
    assert len(figures.make(name, path, tmp_path)) == 3


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_point_is_named_beside_the_others(tmp_path: Path, name: str) -> None:
    late = line(Case(algorithm="rtrl", framework="torch", steps=1024, chunk=16), status="oom", reason="r")
    figure = drawn(name, write(tmp_path, [*grid(), late]))
    assert "not measured: RTRL, K = 16, PyTorch, T = 1024: out of memory" in text_of(figure)


@pytest.mark.parametrize("name", NAMES)
def test_wrong_rows_are_not_plotted(tmp_path: Path, name: str) -> None:
    bad = line(Case(algorithm="rtrl", chunk=128)) | {"status": "wrong", "reason": "gate red"}
    points = pd.read_csv(figures.make(name, write(tmp_path, [*grid(), bad]), tmp_path)[2])
    assert 128 not in set(points["steps"])


@pytest.mark.parametrize("name", NAMES)
def test_each_cell_has_its_own_panel(tmp_path: Path, name: str) -> None:
    text = text_of(drawn(name, write(tmp_path, grid(cells=("lif_delta", "gru", "leaky_rnn", "alif_expcu")))))
    for cell in ("lif_delta", "gru", "leaky_rnn", "alif_expcu"):
        assert cell in text


def test_an_error_of_zero_is_drawn_and_explained(tmp_path: Path) -> None:
    assert "an error of 0" in text_of(drawn("fidelity", write(tmp_path, [line(Case(dtype="float64"), error=0.0)])))


def test_a_case_measured_on_two_machines_is_two_panels(tmp_path: Path) -> None:
    both = [line(Case()), line(Case(), env_hash="e2")]
    path = write(tmp_path, both, [environment(), environment("e2", cpu="Intel Xeon")])
    text = text_of(drawn("time_vs_t", path))
    assert "setup A" in text
    assert "B: Intel Xeon" in text


def test_a_point_on_two_lines_joins_both(tmp_path: Path) -> None:
    lines = [line(Case(steps=T, chunk=K)) for T, K in ((16, 16), (64, 16), (64, 64))]
    rows = style.points(load(write(tmp_path, lines)))
    assert rows.groupby("line")["steps"].apply(list).to_dict() == {
        "D-RTRL, K = 16": [16, 64],
        "D-RTRL, K = T": [16, 64],
    }


def test_command_line(tmp_path: Path) -> None:
    path = write(tmp_path, grid())
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "drtrl_bench.figures.memory_vs_t",
        str(path),
        "--out",
        str(tmp_path / "f"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [Path(printed).suffix for printed in done.stdout.split()] == [".png", ".pdf", ".csv"]
