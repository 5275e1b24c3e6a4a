"""The table: one honest row per case, and all of it inside 80 columns."""

import io
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from support.lines import DIGITS, environment, grid, line, write

from drtrl_bench import load
from drtrl_bench.case import Case
from drtrl_bench.records import frames
from drtrl_bench.view import cell_text, collapse, legend, table

CASE = Case(steps=64, chunk=64)


def shown(path: Path, width: int = 80) -> str:
    output = io.StringIO()
    table.render(collapse.rounds(load(path)), Console(width=width, file=output))
    return output.getvalue()


def test_rounds_become_one_row_with_the_range_of_their_medians(tmp_path: Path) -> None:
    times = (0.010, 0.012, 0.011)
    path = write(tmp_path, [line(CASE, time_s=t, round=n) for n, t in enumerate(times)])
    (row,) = collapse.rounds(load(path)).to_dict("records")
    assert (row["rounds"], row["samples"], row["time_s"]) == (3, 12, 0.011)
    assert row["spread"] == pytest.approx(0.002 / 0.011)
    assert (row["low_s"], row["high_s"]) == (0.010, 0.012)


def test_one_round_spreads_by_half_its_interval(tmp_path: Path) -> None:
    (row,) = collapse.rounds(load(write(tmp_path, [line(CASE)]))).to_dict("records")
    assert row["spread"] == pytest.approx(0.02)


def test_a_row_without_data_takes_a_label_only_if_there_is_one(tmp_path: Path) -> None:
    """The label of its data set where all others have the same; the data set's name where they differ."""
    real, fake = ({"label": label, "synthetic": label != "real"} for label in ("real", "fake"))
    failed = line(replace(CASE, seed=2), status="error", reason="because")
    failed["data"] = {}
    for lines, label in (([real], "real"), ([real, fake], "digits")):
        entries = [line(replace(CASE, seed=seed), data=data) for seed, data in enumerate(lines)]
        rows = collapse.rounds(load(write(tmp_path, [*entries, failed])))
        assert rows[rows["status"] == "error"]["data"].tolist() == [label]


@pytest.mark.parametrize("status", ["skip", "timeout", "oom", "error", "wrong"])
def test_one_bad_round_takes_the_numbers_of_all(tmp_path: Path, status: str) -> None:
    rounds = [line(CASE), line(CASE, round=1, status=status, reason="because")]
    (row,) = collapse.rounds(load(write(tmp_path, rounds))).to_dict("records")
    assert (row["status"], row["reason"]) == (status, "because")
    assert all(row[name] != row[name] for name in collapse.NUMBERS)


def test_worst_status_wins(tmp_path: Path) -> None:
    statuses = ("ok", "wrong", "skip", "error")
    rounds = [line(CASE, round=n, status=s, reason=s) for n, s in enumerate(statuses)]
    assert collapse.rounds(load(write(tmp_path, rounds)))["status"].tolist() == ["wrong"]


def test_a_round_run_again_replaces_its_failure(tmp_path: Path) -> None:
    lines = [line(CASE, status="timeout", reason="slow"), line(CASE)]
    (row,) = collapse.rounds(load(write(tmp_path, lines))).to_dict("records")
    assert (row["status"], row["rounds"]) == ("ok", 1)


def test_wrong_rows_show_no_number(tmp_path: Path) -> None:
    bad = line(CASE) | {"status": "wrong", "reason": "gate red"}
    row = next(text for text in shown(write(tmp_path, [bad])).splitlines() if text.startswith("drtrl"))
    assert row.split() == ["drtrl", "64", "64", "wrong", "[1]"]


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
    assert " 3e-7" in shown(write(tmp_path, [line(CASE)]), width=30)


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
    assert "12.3 ±2%~" in text
    assert "~              unstable samples or a busy machine: measure this time again" in text
    assert "unstable" not in shown(write(tmp_path, [line(CASE)]))


def test_other_machines_are_told_apart(tmp_path: Path) -> None:
    both = [line(CASE), line(CASE, env_hash="e2")]
    text = shown(write(tmp_path, both, [environment(), environment("e2", cpu="Intel Xeon")]))
    assert "A: AMD EPYC" in text
    assert "B: Intel Xeon" in text
    assert "setup" in text


def test_synthetic_data_never_merges_with_real(tmp_path: Path) -> None:
    fake = {"label": "digits (synthetic)", "synthetic": True, "fingerprint": "0"}
    text = shown(write(tmp_path, [line(CASE), line(CASE, round=1, data=fake)]))
    assert "digits (synthetic)" in text
    assert DIGITS in text


def test_markup_in_a_reason_is_text(tmp_path: Path) -> None:
    assert "[bold]x[/bold] [/]" in shown(write(tmp_path, [line(CASE, status="error", reason="[bold]x[/bold] [/]")]))


def test_order_is_cell_then_framework_then_steps_then_algorithm(tmp_path: Path) -> None:
    rows = collapse.rounds(load(write(tmp_path, grid(cells=("lif_delta", "gru"))[::-1])))
    keys = rows[["cell", "framework", "steps", "algorithm", "chunk"]].apply(tuple, axis=1).tolist()
    assert keys == sorted(keys)


def test_no_records(tmp_path: Path) -> None:
    assert "no records" in shown(write(tmp_path, []))


def collapsed(folder: Path, lines: list[dict]) -> list[dict]:
    return collapse.rounds(load(write(folder, lines))).to_dict("records")


BPTT = Case(algorithm="bptt", steps=64, chunk=64, threads=1)
DRTRL = Case(steps=64, chunk=16, threads=1)


def weighing(record: dict, working: int) -> dict:
    return record | {"memory": record["memory"] | {"working_bytes": working}}


def test_cost_is_told_over_bptt_in_the_same_framework(tmp_path: Path) -> None:
    lines = [
        weighing(line(BPTT, time_s=0.010), 4 << 20),
        weighing(line(DRTRL, time_s=0.012), 1 << 20),
        weighing(line(replace(BPTT, framework="torch"), time_s=0.100), 10 << 20),
        weighing(line(replace(DRTRL, framework="torch"), time_s=0.090), 12 << 20),
    ]
    found = {(row["algorithm"], row["framework"]): row for row in collapsed(tmp_path, lines)}
    ratios = {key: (row["x_time"], row["x_memory"]) for key, row in found.items()}
    assert ratios == {
        ("bptt", "jax"): (1.0, 1.0),
        ("drtrl", "jax"): (pytest.approx(1.2), 0.25),
        ("bptt", "torch"): (1.0, 1.0),
        ("drtrl", "torch"): (pytest.approx(0.9), pytest.approx(1.2)),
    }


NATIVE = replace(BPTT, algorithm="bptt_native")


def test_cost_is_told_over_the_quickest_bptt_and_names_it(tmp_path: Path) -> None:
    """Its memory, too, so that both ratios are to one baseline; each framework has its own."""
    costs = {
        BPTT: (0.010, 4),
        NATIVE: (0.008, 8),
        replace(BPTT, algorithm="bptt_checkpointed"): (0.020, 1),
        DRTRL: (0.012, 2),
    }
    lines = [weighing(line(case, time_s=s), mib << 20) for case, (s, mib) in costs.items()]
    in_torch = ((BPTT, 0.1), (NATIVE, 0.2), (DRTRL, 0.3))
    lines += [line(replace(case, framework="torch"), time_s=s) for case, s in in_torch]
    path = write(tmp_path, lines)
    found = {(row["algorithm"], row["framework"]): row for row in collapse.rounds(load(path)).to_dict("records")}
    assert [found["drtrl", "jax"][name] for name in ("x_time", "x_memory", "x_of")] == [1.5, 0.25, "bptt_native"]
    assert [found["bptt", "jax"][name] for name in ("x_time", "x_memory", "x_of")] == [1.25, 0.5, "bptt_native"]
    assert [found["bptt_native", "jax"][name] for name in ("x_time", "x_memory")] == [1, 1]
    assert [found["drtrl", "torch"][name] for name in ("x_time", "x_of")] == [pytest.approx(3), "bptt"]
    text = shown(path)
    assert re.findall(r"^drtrl .* (1.50b|3.00a) ", text, re.MULTILINE) == ["1.50b", "3.00a"]
    assert "those of the quickest BPTT (a: bptt, b: bptt_native) on the" in " ".join(text.split())


def test_one_bptt_is_named_without_letters(tmp_path: Path) -> None:
    text = shown(write(tmp_path, [line(BPTT, time_s=0.01), line(NATIVE, time_s=0.005), line(DRTRL, time_s=0.01)]))
    assert re.search(r"^drtrl .* 2.00 ", text, re.MULTILINE)
    assert "those of the quickest BPTT (bptt_native) on the" in " ".join(text.split())


def test_the_quickest_bptt_is_so_over_all_rounds(tmp_path: Path) -> None:
    """By the median of a case, so that no case is compared with the luckiest of each round."""
    times = {BPTT: (0.010, 0.010, 0.010), NATIVE: (0.005, 0.012, 0.012), DRTRL: (0.020, 0.020, 0.020)}
    lines = [line(case, time_s=s, round=n) for case, rounds in times.items() for n, s in enumerate(rounds)]
    found = {row["algorithm"]: row for row in collapsed(tmp_path, lines)}
    assert (found["drtrl"]["x_time"], found["drtrl"]["x_of"]) == (2.0, "bptt")
    assert found["bptt"]["x_time"] == 1.0
    assert found["bptt_native"]["x_time"] == pytest.approx(1.2)


def test_a_quick_bptt_of_which_a_busy_clock_says_otherwise(tmp_path: Path) -> None:
    lines = [working(line(BPTT, time_s=0.080, unstable=True), 0.019), working(line(NATIVE, time_s=0.030), 0.038)]
    found = {row["algorithm"]: row["x_of"] for row in collapsed(tmp_path, [*lines, working(line(DRTRL), 0.038)])}
    assert set(found.values()) == {"bptt"}


@pytest.mark.parametrize("changes", [{"chunk": 16}, {"status": "wrong"}, {"neurons": 65}])
def test_a_quick_bptt_of_another_gradient_is_no_measure(tmp_path: Path, changes: dict) -> None:
    """Truncated, wrong, or of other work."""
    case = replace(NATIVE, **{key: value for key, value in changes.items() if key != "status"})
    ended: dict[str, Any] = {"status": "wrong", "reason": "gate red"} if "status" in changes else {}
    rows = collapsed(tmp_path, [line(BPTT, time_s=0.01), line(case, time_s=0.001, **ended), line(DRTRL, time_s=0.02)])
    (row,) = (row for row in rows if row["algorithm"] == "drtrl")
    assert (row["x_time"], row["x_of"]) == (2.0, "bptt")


def test_rounds_are_compared_one_by_one(tmp_path: Path) -> None:
    times = ((0.010, 0.020), (0.030, 0.030), (0.040, 0.020))
    lines = [
        line(c, time_s=t, round=n) for n, each in enumerate(times) for c, t in zip((BPTT, DRTRL), each, strict=True)
    ]
    (row,) = (row for row in collapsed(tmp_path, lines) if row["algorithm"] == "drtrl")
    assert row["x_time"] == 1.0  # the median of 2, 1 and 1/2; that of the medians is 2/3


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"run": "2026-03-02T12:00:00+00:00"}, id="another run"),
        pytest.param({"plan": "headline"}, id="another plan"),
        pytest.param({"round": 1}, id="another round"),
        pytest.param({"env_hash": "e2"}, id="another machine"),
        pytest.param({"status": "wrong", "reason": "gate red"}, id="a wrong gradient"),
        pytest.param({"data": {"label": "others", "synthetic": False}}, id="other data"),
    ],
)
def test_cost_is_not_told_over_a_bptt_of_another_run(tmp_path: Path, other: dict) -> None:
    rows = collapsed(tmp_path, [line(BPTT, **other), line(DRTRL)])
    (row,) = (row for row in rows if row["algorithm"] == "drtrl")
    assert math.isnan(row["x_time"])
    assert math.isnan(row["x_memory"])


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "compile", "framework": "torch"},
        {"precision": "default"},
        {"unroll": 4},
        {"threads": 2},
        {"neurons": 65},
        {"batch": 9},
        {"steps": 65},
        {"seed": 1},
        {"readout": "linear"},
        {"dtype": "float64"},
    ],
)
def test_cost_is_not_told_over_the_bptt_of_other_work(tmp_path: Path, changes: dict) -> None:
    base = replace(BPTT, framework="torch") if "framework" in changes else BPTT
    rows = collapsed(tmp_path, [line(base), line(replace(DRTRL, **changes))])
    (row,) = (row for row in rows if row["algorithm"] == "drtrl")
    assert math.isnan(row["x_time"])


def test_what_belongs_to_the_rule_is_compared_with_the_same_bptt(tmp_path: Path) -> None:
    rules = [
        replace(DRTRL, trace_dtype="bfloat16"),
        replace(DRTRL, algorithm="es_drtrl", decay=0.5, bias_correction="none"),
        replace(DRTRL, algorithm="bptt_checkpointed", segments=4),
        replace(DRTRL, auto=True, limit_mib=9.0),
    ]
    rows = collapsed(tmp_path, [line(BPTT, time_s=0.01), *(line(rule, time_s=0.03) for rule in rules)])
    assert sorted(round(row["x_time"], 9) for row in rows) == [1.0, 3.0, 3.0, 3.0, 3.0]


def test_truncated_bptt_is_no_measure_of_cost(tmp_path: Path) -> None:
    rows = collapsed(tmp_path, [line(replace(BPTT, chunk=16)), line(DRTRL)])
    assert all(math.isnan(row["x_time"]) for row in rows)


def working(record: dict, seconds: float) -> dict:
    return record | {"time": record["time"] | {"cpu_samples_s": [0.9 * seconds, seconds, seconds]}}


def test_a_busy_machine_shows_the_processors_time(tmp_path: Path) -> None:
    busy = line(DRTRL, time_s=0.060)
    busy["time"]["busy"] = True
    rounds = [working(line(BPTT, time_s=0.020), 0.019), working(busy, 0.0361)]
    text = shown(write(tmp_path, rounds))
    assert re.search(r"time +cpu +x", text)
    assert re.search(r"^drtrl +16 +64 +60.0 ±2%~ +36.1 +1.90 ", text, re.MULTILINE)  # 36.1 / 19, not 60 / 20
    assert "cpu ms         the processor's time for the same gradient, summed over all" in text
    assert "trust cpu ms" in text


def test_a_busy_bptt_is_compared_by_the_processors_time_too(tmp_path: Path) -> None:
    rows = collapsed(tmp_path, [working(line(BPTT, time_s=0.080, unstable=True), 0.019), working(line(DRTRL), 0.038)])
    assert {row["algorithm"]: row["x_time"] for row in rows} == {"bptt": 1.0, "drtrl": pytest.approx(2.0)}


@pytest.mark.parametrize(
    "bptt",
    [
        pytest.param([{"low_s": 0.005, "high_s": 0.06}], id="interval"),
        pytest.param([{}, {"median_s": 0.05, "low_s": 0.049, "high_s": 0.051}], id="rounds"),
    ],
)
def test_a_ratio_over_a_noisy_bptt_is_marked_as_other_doubtful_numbers(bptt: list[dict], tmp_path: Path) -> None:
    lines = []
    for number, times in enumerate(bptt):
        own, steady = (line(replace(case, threads=2), time_s=0.02, round=number) for case in (BPTT, DRTRL))
        own["time"] |= times
        lines += [own, steady]
    text = shown(write(tmp_path, lines))
    assert re.search(r"^bptt +64 +64 +\S+ noisy +1.00\s", text, re.MULTILINE), "its ratio to itself is exact"
    assert re.search(r"^drtrl +16 +64 +20.0 ±\S+\s+\d.\d\d~ ", text, re.MULTILINE)
    assert "busy machine (for x BPTT: of the case or of its BPTT): measure" in " ".join(text.split())


def test_numbers_with_and_without_a_mark_stand_under_each_other(tmp_path: Path) -> None:
    text = shown(write(tmp_path, [line(BPTT, unstable=True), line(DRTRL)]))
    marked, plain = (next(row for row in text.splitlines() if row.startswith(name)) for name in ("bptt", "drtrl"))
    assert marked.index("±") == plain.index("±")
    assert marked[marked.index("±") + 3] == "~"


def test_several_threads_have_no_processors_time_to_believe(tmp_path: Path) -> None:
    both = replace(BPTT, threads=2), replace(DRTRL, threads=2)
    lines = [working(line(case, time_s=t, unstable=True), 0.5) for case, t in zip(both, (0.02, 0.06), strict=True)]
    text = shown(write(tmp_path, lines))
    assert "cpu" not in re.sub("cpu ·", "", text.split("L, N, B, I")[0])
    assert re.search(r"^drtrl +16 +64 +60.0 ±2%~ +3.00~ ", text, re.MULTILINE)
    assert "threads = 1" in text


def test_the_frame_has_the_processors_time_of_all_threads(tmp_path: Path) -> None:
    frame = load(write(tmp_path, [working(line(replace(DRTRL, threads=2)), 0.5)]))
    assert frame["cpu_s"].tolist() == [0.5]


def test_a_wide_interval_is_no_result(tmp_path: Path) -> None:
    wild = line(DRTRL, time_s=0.010)
    wild["time"] |= {"low_s": 0.002, "high_s": 0.0744}
    text = shown(write(tmp_path, [wild]))
    assert "10.0 noisy" in text
    assert "362" not in text
    assert "noisy          an interval or range above ± 50%: not a result" in text
    (row,) = collapsed(tmp_path, [wild])
    assert row["doubtful"]


def of(cosine: float, norm_ratio: float, error: float) -> dict:
    return {"cosine": cosine, "error": error, "norm_ratio": norm_ratio, "sign_agreement": 0.9}


def faithful(case: Case, overall: dict, **layers: dict) -> Any:
    return line(case, time_s=0.01) | {"fidelity": {"overall": overall, "per_layer": layers, "per_parameter": {}}}


def test_fidelity_is_told_per_layer_with_its_norm(tmp_path: Path) -> None:
    exact = of(1.0, 1.0, 2.6e-7)
    lines = [
        faithful(BPTT, exact, layer0=exact, readout=exact),
        faithful(DRTRL, of(0.5951, 0.44, 0.824), layer0=of(0.9602, 0.0912, 0.91), readout=exact),
    ]
    text = shown(write(tmp_path, lines))
    assert "jax · spk 8.0 %" in text
    assert re.search(r" hidden +all +all\n.* cos norm +cos +err\n", text)
    assert " 1.000 1.00  1.000  3e-7" in text
    assert " 0.960 0.09  0.595  0.82" in text
    assert "readout        not shown: its gradient is within 1% of BPTT's in every row" in text
    assert "cos norm" not in text.replace("cos norm", "", 1), "the readout has no column where it is exact"


def test_an_inexact_readout_has_a_column_beside_the_readouts_name(tmp_path: Path) -> None:
    off = of(0.8, 0.5, 0.6)
    cases = [replace(DRTRL, readout=readout) for readout in ("leaky", "linear")]
    text = shown(write(tmp_path, [faithful(case, off, layer0=of(0.9, 0.25, 0.8), readout=off) for case in cases]))
    assert re.search(r"^leaky +drtrl .* 0\.900 0\.25 +0\.800 0\.50 +0\.800 +0\.60", text, re.MULTILINE)
    assert re.search(r"^linear +drtrl ", text, re.MULTILINE)
    assert "readout        the same for the readout" in text


def test_several_hidden_layers_have_a_column_each(tmp_path: Path) -> None:
    case, exact = replace(DRTRL, layers=3), of(1.0, 1.0, 1e-7)
    layers = {"layer0": of(0.42, 0.02, 0.9), "layer1": of(0.684, 0.04, 0.9), "layer2": of(0.978, 0.14, 0.9)}
    text = shown(write(tmp_path, [faithful(case, of(0.994, 1.0, 0.1), **layers, readout=exact)]))
    assert re.search(r"layer 1 +layer 2 +layer 3", text)
    assert re.search(r"0.420 0.02 +0.684 0.04 +0.978 0.14 +0.994", text)


def test_of_many_hidden_layers_the_worst_is_shown(tmp_path: Path) -> None:
    case, exact = replace(DRTRL, layers=5), of(1.0, 1.0, 1e-7)
    layers = {f"layer{i}": of(c, 0.1 * i, 0.9) for i, c in enumerate((0.5, 0.4, 0.3, 0.6, 0.9))}
    text = shown(write(tmp_path, [faithful(case, of(0.994, 1.0, 0.1), **layers, readout=exact)]))
    assert "0.300 0.20" in text
    assert "0.500" not in text
    assert "worst layer    gradient of the layer with the lowest cosine" in text


def test_an_older_record_shows_the_input_weights_and_says_so(tmp_path: Path) -> None:
    old = faithful(DRTRL, of(0.9, 0.9, 0.4))
    old["fidelity"] = {
        "overall": old["fidelity"]["overall"],
        "per_parameter": {"layer0.x": of(0.951, 0.1, 0.9), "layer0.r": of(0.8, 0.2, 0.9), "readout.x": of(1, 1, 0)},
    }
    text = shown(write(tmp_path, [old]))
    assert "0.951*0.10" in text
    assert "*              for the layer's input weights alone, because older records" in text


def test_a_zero_gradient_has_a_norm_and_no_cosine(tmp_path: Path) -> None:
    none = {"cosine": None, "error": 1.0, "norm_ratio": 0.0, "sign_agreement": 0.0}
    assert "none 0.00" in shown(write(tmp_path, [faithful(DRTRL, none, layer0=none)]))


@pytest.mark.parametrize("lines", [grid(), [line(DRTRL, unstable=True), line(BPTT)]])
def test_every_header_and_mark_is_in_the_legend(tmp_path: Path, lines: list[dict]) -> None:
    above, _, below = shown(write(tmp_path, lines)).partition("L, N, B, I")
    known = set(re.split(r",? +|, ", " ".join(text[:13] for text in below.splitlines())))
    header = re.findall(r"^.*\n.*(?=\n─)", above, re.MULTILINE)
    used = {word for text in header for word in text.split()}
    assert used <= known | {"algorithm", "cos", "norm", "err", "ms", "%"}
    for mark in "~*":
        assert (mark in above) == (mark in known)


def test_progress_says_what_the_table_says(tmp_path: Path) -> None:
    exact = of(1.0, 1.0, 2.6e-7)
    busy = faithful(DRTRL, of(0.595, 0.44, 0.824), layer0=of(0.96, 0.09, 0.91), readout=exact)
    busy["time"] |= {"busy": True}
    busy["data"] |= {"synthetic": True}
    rows = collapse.rounds(frames.frame([busy]))
    said = "10.0 ms ±2%~, cpu 9.70 ms, 1.50 MiB, hidden cos norm 0.960 0.09, readout cos norm 1.000 1.00, all cos 0.595"
    assert cell_text.sentence(rows) == f"{said}, synthetic data"
    assert "10.0 ±2%~" in shown(write(tmp_path, [busy]))


def test_the_newest_sources_are_shown(tmp_path: Path) -> None:
    old, new = line(CASE, time_s=0.010, implementation_sha="01d"), line(CASE, time_s=0.020, implementation_sha="2e3")
    (row,) = collapse.rounds(load(write(tmp_path, [old, old | {"round": 1}, new]))).to_dict("records")
    assert (row["implementation_sha"], row["rounds"], row["time_s"]) == ("2e3", 1, 0.020)


TOLD = "gradient of the whole sequence by the clock: median, ± "


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ((1, 1), "half its 95 % interval"),
        ((2, 2), "range, of 2 rounds"),
        ((2, 4), "range, of 2 to 4 rounds"),
        ((1, 2), "half its 95 % interval; of cases with 2 rounds, ± their range"),
        ((1, 2, 5), "half its 95 % interval; of cases with 2 to 5 rounds, ± their range"),
    ],
    ids=["one", "two", "two or four", "one or two", "one to five"],
)
def test_the_legend_says_what_each_time_is_of(numbers: tuple[int, ...], told: str, tmp_path: Path) -> None:
    lines = [line(Case(seed=seed), round=n) for seed, number in enumerate(numbers) for n in range(number)]
    failed = [line(Case(seed=9), round=n, status="oom", reason="because") for n in range(7)]
    rows = collapse.rounds(load(write(tmp_path, [*lines, *failed])))
    assert legend.legend(rows)["time ms"] == TOLD + told
    path = write(tmp_path, [*lines, *failed])
    assert told in " ".join(shown(path, width=200).split())


def test_a_chunk_that_was_chosen_is_told_from_one_that_was_given(tmp_path: Path) -> None:
    given, chosen = Case(steps=64, chunk=16), Case(steps=64, chunk=16, auto=True)
    text = shown(write(tmp_path, [line(given, time_s=0.01), line(chosen, time_s=0.02)]))
    assert re.search(r"^auto +algorithm +K +T", text, re.MULTILINE)
    assert [row.split()[:4] for row in text.splitlines() if " drtrl " in row] == [
        ["no", "drtrl", "16", "64"],
        ["yes", "drtrl", "16", "64"],
    ]
    assert "auto           whether the cost model chose K" in text
    assert "auto" not in shown(write(tmp_path, [line(given)]))
    assert "auto = yes" in shown(write(tmp_path, [line(chosen)]))


def names_in(text: str) -> list[str]:
    """The first word of each row of a table."""
    return [row.split()[0] for row in text.splitlines() if re.search(r" (16|64) +64 ", row)]


def test_a_number_of_segments_stands_behind_the_name_and_the_default_makes_no_column(tmp_path: Path) -> None:
    checkpointed = replace(BPTT, algorithm="bptt_checkpointed")
    lines = [line(case) for case in (replace(NATIVE, segments=8), checkpointed, DRTRL, NATIVE, BPTT)]
    text = shown(write(tmp_path, lines))
    above, _, below = text.partition("L, N, B, I")
    assert "segments" not in above.partition("name/n")[0]
    assert names_in(text) == ["bptt", "bptt_checkpointed", "bptt_native", "bptt_native/8", "drtrl"]
    assert "without n bptt_checkpointed has the square root of K segments" in " ".join(above.split())
    assert "name/n" not in below
    alone = shown(write(tmp_path, [line(each) for each in (checkpointed, DRTRL, BPTT)]))
    assert "segments" not in alone
    assert "name/n" not in alone


def test_the_quickest_bptt_is_named_with_its_segments(tmp_path: Path) -> None:
    lines = [line(BPTT, time_s=0.02), line(replace(NATIVE, segments=8), time_s=0.01), line(DRTRL, time_s=0.01)]
    assert "those of the quickest BPTT (bptt_native/8) on the" in " ".join(shown(write(tmp_path, lines)).split())


@pytest.mark.parametrize("algorithm", ["bptt", "bptt_checkpointed", "bptt_native"])
def test_any_implementation_of_bptt_may_be_the_quickest(tmp_path: Path, algorithm: str) -> None:
    others = {"bptt", "bptt_checkpointed", "bptt_native"} - {algorithm}
    lines = [line(replace(BPTT, algorithm=name), time_s=0.02) for name in sorted(others)]
    lines += [line(replace(BPTT, algorithm=algorithm), time_s=0.01), line(DRTRL, time_s=0.03)]
    found = {row["algorithm"]: row for row in collapsed(tmp_path, lines)}
    assert [found["drtrl"][name] for name in ("x_time", "x_of")] == [pytest.approx(3.0), algorithm]
    assert {found[name]["x_time"] for name in others} == {2.0}


def test_input_lines_that_no_plan_gave_are_the_data_sets_own(tmp_path: Path) -> None:
    text = shown(write(tmp_path, [line(DRTRL), line(replace(DRTRL, features=16))]))
    assert re.search(r"^ +I +algorithm +K +T", text, re.MULTILINE)
    assert sorted(row.split()[0] for row in text.splitlines() if " drtrl " in row) == ["16", "own"]
    assert "input lines, own: as many as the data set has" in " ".join(text.split())
    assert ", own:" not in shown(write(tmp_path, [line(DRTRL)]))
