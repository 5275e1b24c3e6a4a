"""The figures of what rules cost: crossings of memory, time against memory, and the exponents of RTRL."""

from pathlib import Path

import pytest
from lines import line, write

from drtrl_bench import figures, load
from drtrl_bench.case import Case
from drtrl_bench.figures import cost_vs_n, crossover, pareto


def weighed(mib: float) -> dict[str, object]:
    return {"meter": "xla_temp_bytes", "working_bytes": int(mib * 2**20), "analytic_bytes": 1 << 20}


def test_memory_crosses_where_the_lines_do(tmp_path: Path) -> None:
    lines = [line(Case(algorithm="bptt", steps=T, chunk=T), memory=weighed(T / 64)) for T in (64, 256, 1024)]
    lines += [line(Case(steps=T, chunk=16), memory=weighed(8)) for T in (64, 256, 1024)]
    lines.append(line(Case(steps=512, chunk=4), memory=weighed(99)))  # of another sweep
    path = write(tmp_path, lines)
    (found,) = crossover.data(load(path)).to_dict("records")
    assert (found["bptt"], found["other"]) == ("BPTT", "D-RTRL, K = 16")
    assert found["steps"] == pytest.approx(512, abs=1)
    assert found["within"] == "256 to 1024"
    assert crossover.swept(load(path))["steps"].max() == 1024
    assert len(figures.make("crossover", path, tmp_path)) == 3


def test_a_crossing_outside_is_not_made_up(tmp_path: Path) -> None:
    lines = [line(Case(algorithm="bptt", steps=T, chunk=T), memory=weighed(T / 64)) for T in (64, 256, 1024)]
    lines += [line(Case(steps=T, chunk=16), memory=weighed(mib)) for T, mib in ((64, 99), (256, 99), (1024, 99))]
    lines += [line(Case(algorithm="es_drtrl", steps=T, chunk=16), memory=weighed(0.1)) for T in (64, 256, 1024)]
    found = crossover.data(load(write(tmp_path, lines))).set_index("other")
    assert found["steps"].isna().all()
    assert found["within"].to_dict() == {"D-RTRL, K = 16": "not by T = 1024", "ES-D-RTRL, K = 16": "at every T from 64"}


def test_exponent_is_the_slope(tmp_path: Path) -> None:
    sizes = (32, 64, 128)
    lines = [line(Case(algorithm="rtrl", neurons=n, steps=64), time_s=1e-9 * n**3) for n in sizes]
    path = write(tmp_path, lines)
    assert cost_vs_n.data(load(path))["exponent"].tolist() == pytest.approx([3.0] * 3)
    assert len(figures.make("cost_vs_n", path, tmp_path)) == 3


def test_pareto_shows_the_problem_with_most_rules(tmp_path: Path) -> None:
    lines = [line(Case(algorithm=a, steps=64, chunk=K)) for a in ("drtrl", "snap1") for K in (1, 8, 64)]
    lines += [line(Case(steps=64, chunk=K, trace_dtype="bfloat16")) for K in (1, 8, 64)]
    lines.append(line(Case(algorithm="bptt", steps=64, chunk=64)))
    path = write(tmp_path, lines)
    found = pareto.data(load(path))
    assert sorted(found["algorithm"].unique()) == ["bptt", "drtrl", "snap1"]
    assert len(found) == 7
    assert len(figures.make("pareto", path, tmp_path)) == 3
