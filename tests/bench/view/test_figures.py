"""The figures: files that agree, every mark named, no word on another, nothing drawn of records that do not suit."""

import importlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from support.lines import DIGITS, environment, grid, line, write
from support.pictures import raw_mathtext, text_of, touching, unnamed
from typer.testing import CliRunner

from drtrl_bench import figures, load, registry
from drtrl_bench.case import Case
from drtrl_bench.cli import app
from drtrl_bench.figures import annotations, layout, scales, selection, style
from drtrl_bench.records import frames

RESULTS = Path(__file__).parents[3] / "results"
NAMES = sorted(figures.FIGURES)
EVERY = [*NAMES, "cost_vs_n", "crossover", "gate_power", "pareto"]
COMMITTED = {
    **{f"quick/{name}": "records/quick.jsonl" for name in NAMES},
    **{f"speed/{name}": "records/speed.jsonl" for name in ("pareto", "cost_vs_n", "crossover")},
    "fidelity/fidelity": "records/fidelity.jsonl",
    **{f"gpu/{name}": "records/gpu_h200.jsonl" for name in ("time_vs_t", "memory_vs_t")},
    "gate/gate_power": "gate/gate.jsonl",
    "gate/calm/gate_power": "gate/calm.jsonl",
}
"""The figures of results/figures, and the records each is of."""


def module(name: str) -> Any:
    return importlib.import_module(f"drtrl_bench.figures.{name}")


def drawn(name: str, path: Path) -> Figure:
    return module(name).draw(load(path))


def curve(figure: Figure, title: str, label: str) -> list[tuple[float, float]]:
    """The points of the line with this label in the panel with this title."""
    axes = next(one for one in figure.axes if one.get_title(loc="left") == title)
    found = next(one for one in axes.lines if one.get_label() == label)
    return [(float(x), float(y)) for x, y in np.asarray(found.get_xydata())]


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
    assert len(points) == {"fidelity": 60}.get(name, 20)  # fidelity: of the layer, the readout and all weights


def test_picture_and_csv_show_the_measured_times(tmp_path: Path) -> None:
    times = {64: 0.004, 256: 0.009, 1024: 0.05}
    path = write(tmp_path, [line(Case(steps=T, chunk=16, framework="torch"), time_s=t) for T, t in times.items()])
    points = module("time_vs_t").data(load(path))
    assert points["steps"].tolist() == [64, 256, 1024]
    assert points["time_s"].tolist() == [0.004, 0.009, 0.05]
    assert points["high_s"].tolist() == pytest.approx([0.00408, 0.00918, 0.051])
    figure = drawn("time_vs_t", path)
    np.testing.assert_allclose(curve(figure, "PyTorch, eager", "D-RTRL, K = 16"), [(64, 4), (256, 9), (1024, 50)])
    np.testing.assert_allclose(curve(figure, "PyTorch, eager", "forward pass alone")[2], (1024, 50 / 3))
    bars: Any = figure.axes[0].containers[0]
    ends = [segment[:, 1] for segment in bars.lines[2][0].get_segments()]
    np.testing.assert_allclose(ends, [(3.92, 4.08), (8.82, 9.18), (49, 51)])


def test_picture_and_csv_show_the_measured_bytes_and_how_far_the_formula_is(tmp_path: Path) -> None:
    def weighed(working: int) -> dict[str, Any]:
        return {"meter": "m", "working_bytes": working << 20, "analytic_bytes": 2 << 20}

    path = write(tmp_path, [line(Case(steps=T, chunk=16), memory=weighed(w)) for T, w in ((64, 1), (256, 3), (512, 5))])
    assert module("memory_vs_t").data(load(path))["working_bytes"].tolist() == [1048576, 3145728, 5242880]
    figure = drawn("memory_vs_t", path)
    assert curve(figure, "JAX, compiled", "D-RTRL, K = 16") == [(64, 1), (256, 3), (512, 5)]
    assert curve(figure, "JAX, compiled", "by formula") == [(64, 2), (256, 2), (512, 2)]
    assert "measured / formula here: 0.500 to 2.50" in text_of(figure)
    assert "a framework adds temporaries" in text_of(figure)


def per_layer(*values: tuple[float, float]) -> dict[str, Any]:
    """Agreement of two layers of which each has a cosine and a ratio of norms."""
    agreements = [{"cosine": c, "error": 0.9, "norm_ratio": n, "sign_agreement": 1.0} for c, n in values]
    return dict(zip(("layer0", "layer1", "readout"), agreements, strict=False))


def test_fidelity_is_drawn_by_layer(tmp_path: Path) -> None:
    lines = []
    for T, first, second in ((64, (0.95, 0.1), (0.99, 0.2)), (256, (0.94, 0.09), (0.98, 0.19))):
        one = line(Case(layers=2, steps=T, chunk=16), error=0.6)
        one["fidelity"]["per_layer"] = per_layer(first, second, (1.0, 1.0))
        lines.append(one)
    path = write(tmp_path, lines)
    points = module("fidelity").data(load(path)).set_index(["part", "steps"])
    assert points.loc[("hidden layer 1", 64), ["cosine", "norm_ratio"]].tolist() == [0.95, 0.1]
    assert points.loc[("hidden layer 2", 256), ["cosine", "norm_ratio"]].tolist() == [0.98, 0.19]
    assert points.loc[("readout", 256), ["cosine", "norm_ratio"]].tolist() == [1, 1]
    assert points.loc[("all weights as one vector", 64), "cosine"] == pytest.approx(1 - 0.6**2)
    figure = drawn("fidelity", path)
    axes = {one.get_ylabel(): one for one in figure.axes}
    for label, value in (("hidden layer 1", 0.94), ("hidden layer 2", 0.98), ("readout", 1.0)):
        (found,) = [one for one in axes["cosine"].lines if one.get_label() == f"D-RTRL, K = 16 / {label}"]
        assert np.asarray(found.get_ydata())[1] == value
    (found,) = [one for one in axes["norm / BPTT's norm"].lines if "hidden layer 1" in str(one.get_label())]
    assert np.asarray(found.get_ydata()).tolist() == [0.1, 0.09]
    assert "lack layers as one vector" not in text_of(figure)


def test_fidelity_of_old_records_is_the_middle_and_the_range_of_a_layers_weights(tmp_path: Path) -> None:
    old = line(Case(steps=64, chunk=16), error=0.6)
    weights = {"layer0.x": (0.5, 0.1), "layer0.r": (0.9, 0.4), "layer0.b": (0.7, 0.3), "readout.x": (1.0, 1.0)}
    del old["fidelity"]["per_layer"]
    old["fidelity"]["per_parameter"] = {
        name: {"cosine": c, "error": 0.5, "norm_ratio": n, "sign_agreement": None} for name, (c, n) in weights.items()
    }
    path = write(tmp_path, [old])
    points = module("fidelity").data(load(path)).set_index("part")
    found = points.loc["hidden layer", ["low_cosine", "cosine", "high_cosine", "low_norm_ratio", "norm_ratio"]]
    assert found.tolist() == [0.5, 0.7, 0.9, 0.1, 0.3]
    assert "median over a layer's weights and biases, because the records lack layers as one vector" in text_of(
        drawn("fidelity", path)
    )


@pytest.mark.parametrize("name", NAMES)
def test_caption_states_data_problem_and_machine(tmp_path: Path, name: str) -> None:
    text = text_of(drawn(name, write(tmp_path, grid())))
    for said in (DIGITS, "N = 64", "B = 8", "AMD EPYC", "D-RTRL, K = 16", "JAX", "PyTorch"):
        assert said in text


def costly(data: dict[str, Any]) -> list[dict]:
    """Records for every figure of `EVERY` but the gate's."""
    lines = [
        line(Case(algorithm=a, framework=f, steps=T, chunk=K), time_s=1e-4 * T / K, data=data)
        for a in ("drtrl", "es_drtrl")
        for f in ("jax", "torch")
        for T in (64, 128, 256)
        for K in (1, 16, T)
    ]
    lines += [line(Case(algorithm="bptt", steps=T, chunk=T), data=data, unstable=True) for T in (64, 128, 256)]
    lines += [line(Case(algorithm="rtrl", neurons=n, steps=64), time_s=1e-9 * n**3, data=data) for n in (8, 16, 32)]
    return lines


@pytest.mark.parametrize("name", [name for name in EVERY if name != "gate_power"])
def test_synthetic_data_is_called_so(tmp_path: Path, name: str) -> None:
    fake = {"label": "shd", "synthetic": True, "sha": "0"}
    assert "synthetic data: shd" in text_of(drawn(name, write(tmp_path, costly(fake))))


def test_synthetic_data_is_not_called_so_twice(tmp_path: Path) -> None:
    fake = line(Case(), data={"label": "shd (synthetic)", "synthetic": True, "sha": "0"})
    assert text_of(drawn("memory_vs_t", write(tmp_path, [fake]))).count("synthetic") == 1


@pytest.mark.parametrize("name", [name for name in EVERY if name != "gate_power"])
def test_every_mark_is_named_and_no_word_lies_on_another(tmp_path: Path, name: str) -> None:
    figure = drawn(name, write(tmp_path, costly({"label": DIGITS, "synthetic": False, "sha": "0"})))
    assert unnamed(figure) == []
    assert touching(figure) == []
    assert raw_mathtext(figure) == []


@pytest.mark.parametrize("name", sorted(COMMITTED))
def test_committed_figures_are_complete_and_legible_and_of_their_records(name: str) -> None:
    own, frame = module(name.rpartition("/")[2]), load(RESULTS / COMMITTED[name])
    figure = own.draw(frame)
    assert unnamed(figure) == []
    assert touching(figure) == []
    assert raw_mathtext(figure) == []
    written = (RESULTS / "figures" / f"{name}.csv").read_text(encoding="utf-8")
    assert own.data(frame).to_csv(index=False, lineterminator="\n") == written


def test_labels_of_neighbouring_lengths_do_not_touch(tmp_path: Path) -> None:
    lengths = (1000, 1100, 1200, 1500, 2000, 16384)
    figure = drawn("time_vs_t", write(tmp_path, [line(Case(steps=T, chunk=16)) for T in lengths]))
    shown = [tick.get_text() for tick in figure.axes[0].get_xticklabels() if tick.get_visible()]
    assert shown[0] == "1000"
    assert shown[-1] == "16384"
    assert touching(figure) == []
    assert figure.axes[0].get_xticks().tolist() == list(lengths)


@pytest.mark.parametrize("name", ["time_vs_t", "memory_vs_t"])
def test_frameworks_and_ways_to_run_them_have_panels_of_their_own(tmp_path: Path, name: str) -> None:
    lines = grid()
    lines += [line(Case(framework="torch", mode="compile", steps=T, chunk=16)) for T in (64, 256)]
    figure = drawn(name, write(tmp_path, lines))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["JAX, compiled", "PyTorch, eager", "PyTorch, torch.compile"]
    assert "would not compare the frameworks" in text_of(figure)


def test_segments_are_lines_of_one_panel(tmp_path: Path) -> None:
    """A number of segments is the algorithm's and not the problem's, and has a style of its own."""
    native = Case(algorithm="bptt_native", steps=64, chunk=64)
    cases = [Case(algorithm="bptt", steps=64, chunk=64), *(replace(native, segments=n) for n in (0, 8, 64))]
    points = selection.points(load(write(tmp_path, [line(case) for case in cases])))
    assert points["panel"].nunique() == 1
    names = ["BPTT", "BPTT, native", "BPTT, native, 64 segments", "BPTT, native, 8 segments"]
    assert sorted(points["line"]) == names
    assert len(set(style.lines(points).values())) == len(names)


@pytest.mark.parametrize("name", ["time_vs_t", "memory_vs_t"])
def test_one_length_is_dots_and_no_line(tmp_path: Path, name: str) -> None:
    cases = [Case(steps=256, chunk=K) for K in (1, 16, 256)] + [Case(algorithm="bptt", steps=256, chunk=256)]
    (axes,) = [one for one in drawn(name, write(tmp_path, [line(case) for case in cases])).axes if one.axison]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == [
        "BPTT",
        "D-RTRL, K = 1",
        "D-RTRL, K = 16",
        "D-RTRL, K = T",
    ]
    dots = [one for one in axes.lines if str(one.get_label()).startswith("_")]
    assert len(dots) >= 4
    assert {one.get_linestyle() for one in dots if str(one.get_label())[1:5] in ("BPTT", "D-RT")} == {"None"}
    assert axes.get_xlabel() in ("time (ms)", "working memory (MiB)")


def test_a_rule_at_one_length_stands_beside_those_of_that_length(tmp_path: Path) -> None:
    lines = [line(Case(steps=T, chunk=16)) for T in (64, 256)] + [line(Case(steps=256, chunk=4))]
    points = module("time_vs_t").data(load(write(tmp_path, lines)))
    found = {(facet, own) for facet, own in points[["facet", "line"]].itertuples(index=False)}
    assert found == {("over T", "D-RTRL, K = 16"), ("T = 256", "D-RTRL, K = 16"), ("T = 256", "D-RTRL, K = 4")}


UNSUITED = {
    "skips only": [line(Case(steps=T, chunk=16), status="skip", reason="r") for T in (64, 256)],
    "time-outs only": [line(Case(steps=T, chunk=16), status="timeout", reason="r") for T in (64, 256)],
    "nothing": [],
}


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("records", UNSUITED)
def test_nothing_is_written_of_records_that_do_not_suit(tmp_path: Path, name: str, records: str) -> None:
    path = write(tmp_path, UNSUITED[records])
    with pytest.raises(figures.NothingToDraw, match=r"^it needs .+; there are no such cases among \S.+$") as raised:
        figures.make(name, path, tmp_path / "out")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["crossover", "pareto", "cost_vs_n", "gate_power"])
def test_nothing_is_written_of_one_case(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, [line(Case())])
    with pytest.raises(figures.NothingToDraw, match="no such cases among 1 ok"):
        figures.make(name, path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", NAMES)
def test_one_case_is_drawn(tmp_path: Path, name: str) -> None:
    figure = drawn(name, write(tmp_path, [line(Case())]))
    assert unnamed(figure) == []
    assert touching(figure) == []


def test_report_leaves_out_a_figure_that_has_nothing_to_draw(tmp_path: Path) -> None:
    lines = [line(Case(), fidelity={"overall": {}, "per_parameter": {}})]
    done = CliRunner().invoke(app.app, ["report", str(write(tmp_path, lines)), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    (said,) = [text for text in done.output.splitlines() if "fidelity" in text]
    assert said.startswith("fidelity was not drawn: it needs cases with a gradient to compare")
    assert sorted(p.name for p in (tmp_path / "out").glob("*.png")) == ["memory_vs_t.png", "time_vs_t.png"]
    assert (tmp_path / "out" / "report.html").read_text(encoding="utf-8").count("<img") == 2


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_point_is_named_beside_the_others(tmp_path: Path, name: str) -> None:
    late = line(Case(algorithm="rtrl", framework="torch", steps=1024, chunk=16), status="oom", reason="r")
    figure = drawn(name, write(tmp_path, [*grid(), late]))
    assert "not measured: RTRL, K = 16, PyTorch, eager, T = 1024: out of memory" in text_of(figure)


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
    text = text_of(drawn("fidelity", write(tmp_path, [line(Case(dtype="float64"), error=0.0)])))
    assert "an error or a norm of 0 is drawn at 1e-17" in text


def test_a_case_measured_on_two_machines_is_two_panels(tmp_path: Path) -> None:
    both = [line(Case()), line(Case(), env_hash="e2")]
    path = write(tmp_path, both, [environment(), environment("e2", cpu="Intel Xeon")])
    text = text_of(drawn("time_vs_t", path))
    assert "setup A" in text
    assert "setup B" in text
    assert "B: Intel Xeon" in text


def test_a_point_on_two_lines_joins_both(tmp_path: Path) -> None:
    lines = [line(Case(steps=T, chunk=K)) for T, K in ((16, 16), (64, 16), (64, 64))]
    rows = selection.points(load(write(tmp_path, lines)))
    assert rows.groupby("line")["steps"].apply(list).to_dict() == {
        "D-RTRL, K = 16": [16, 64],
        "D-RTRL, K = T": [16, 64],
    }


def test_every_algorithm_has_a_name_a_colour_and_a_marker() -> None:
    missing = registry.ALGORITHMS.keys() - selection.ALGORITHMS.keys()
    assert not missing, f"write {missing} into ALGORITHMS of bench/figures/selection.py"


def test_algorithms_are_told_apart_without_colour() -> None:
    markers = [marker for _, _, marker in selection.ALGORITHMS.values()]
    assert len({*markers, selection.OTHER[1]}) == len(markers) + 1


@pytest.mark.parametrize(
    ("limits", "ticks"),
    [
        ((0.3, 2000), [1, 10, 100, 1000]),
        ((45, 450), [50, 100, 200]),
        ((8, 120), [10, 30, 100]),
        ((60, 150), [70, 100, 150]),
        ((101, 109), [102, 104, 106, 108]),
    ],
)
def test_logarithmic_axes_have_three_to_six_ticks(limits: tuple[float, float], ticks: list[float]) -> None:
    assert scales.Ticks().tick_values(*limits) == pytest.approx(ticks)


def test_ticks_are_spelt() -> None:
    assert [scales.tick_text(v) for v in (0.5, 1000, 1e-7, 2e5)] == ["0.5", "1000", "$10^{-7}$", r"$2\times10^{5}$"]


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", f"drtrl_bench.figures.{name}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_command_line(tmp_path: Path) -> None:
    done = run("memory_vs_t", str(write(tmp_path, grid())), "--out", str(tmp_path / "f"))
    assert done.returncode == 0, done.stderr
    assert [Path(printed).suffix for printed in done.stdout.split()] == [".png", ".pdf", ".csv"]


def test_command_line_says_in_one_line_that_there_is_nothing_to_draw(tmp_path: Path) -> None:
    done = run("pareto", str(write(tmp_path, [line(Case())])), "--out", str(tmp_path / "f"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert (
        "pareto was not drawn: it needs an algorithm with a time and a memory at three lengths of chunk K"
        in done.stderr
    )
    assert not (tmp_path / "f").exists()


def test_frame_has_fidelity_by_layer_and_by_weight(tmp_path: Path) -> None:
    one = line(Case())
    one["fidelity"]["per_layer"] = per_layer((0.5, 0.25))
    frame: Any = frames.load(write(tmp_path, [one]))
    assert frame["per_layer"][0]["layer0"]["norm_ratio"] == 0.25
    assert sorted(frame["per_parameter"][0]) == ["layer0.r", "layer0.x", "readout.b"]


def test_a_long_title_stands_within_a_narrow_figure() -> None:
    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], label="a line")

    panel = layout.Panel("", draw)
    figure = layout.sheet("a title of many words " * 5, [layout.Band("", [panel], 1.5)], ["a caption"])
    assert touching(figure) == []


def test_the_last_digit_of_the_layout_moves_no_pixel() -> None:
    """It differs from process to process, because the solver orders its equations by their addresses."""

    def places(last_digit: bool) -> list[float]:
        figure = Figure(figsize=(4, 3))
        axes = figure.add_axes((0.1, 0.2, 0.3, 0.4))
        if last_digit:
            left, bottom, width, height = (float(np.nextafter(share, 1)) for share in (0.1, 0.2, 0.3, 0.4))
            axes.set_position((left, bottom, width, height))
        annotations.settle(figure)
        return [float(end) for end in axes.get_position().get_points().ravel()]

    assert places(False) == places(True) == pytest.approx([0.1, 0.2, 0.4, 0.6])
