"""The figures of what rules cost: crossings of memory, time against memory, and the exponents of RTRL."""

from pathlib import Path

import numpy as np
import pytest
from support.lines import line, write
from support.pictures import text_of, unnamed

from drtrl_bench import figures, load
from drtrl_bench.case import Case
from drtrl_bench.figures import cost_vs_n, crossover, gate_power, pareto


def weighed(mib: float) -> dict[str, object]:
    return {"meter": "xla_temp_bytes", "working_bytes": int(mib * 2**20), "analytic_bytes": 1 << 20}


def test_memory_crosses_where_the_lines_do(tmp_path: Path) -> None:
    lines = [line(Case(algorithm="bptt", steps=T, chunk=T), memory=weighed(T / 64)) for T in (64, 256, 1024)]
    lines += [line(Case(steps=T, chunk=16), memory=weighed(8)) for T in (64, 256, 1024)]
    lines.append(line(Case(steps=512, chunk=4), memory=weighed(99)))  # of another sweep
    path = write(tmp_path, lines)
    rows = crossover.data(load(path))
    assert rows.loc[rows["other"].isna(), ["line", "steps"]].to_numpy().tolist() == [
        *(["BPTT", T] for T in (64, 256, 1024)),
        *(["D-RTRL, K = 16", T] for T in (64, 256, 1024)),
    ]
    (found,) = rows[rows["other"].notna()].to_dict("records")
    assert (found["line"], found["other"]) == ("BPTT", "D-RTRL, K = 16")
    assert found["working_bytes"] == 8 << 20
    assert found["steps"] == pytest.approx(512, abs=1)
    assert found["within"] == "256 to 1024"
    assert crossover.swept(load(path))["steps"].max() == 1024
    assert "memory, JAX, compiled: BPTT takes more than D-RTRL, K = 16: from T ≈ 512" in text_of(
        crossover.draw(load(path))
    )


def test_a_crossing_outside_is_not_made_up(tmp_path: Path) -> None:
    lines = [line(Case(algorithm="bptt", steps=T, chunk=T), memory=weighed(T / 64)) for T in (64, 256, 1024)]
    lines += [line(Case(steps=T, chunk=16), memory=weighed(mib)) for T, mib in ((64, 99), (256, 99), (1024, 99))]
    lines += [line(Case(algorithm="es_drtrl", steps=T, chunk=16), memory=weighed(0.1)) for T in (64, 256, 1024)]
    rows = crossover.data(load(write(tmp_path, lines)))
    found = rows[rows["other"].notna()].set_index("other")
    assert found["steps"].isna().all()
    assert found["within"].to_dict() == {"D-RTRL, K = 16": "not by T = 1024", "ES-D-RTRL, K = 16": "at every T from 64"}


def test_only_gaps_of_what_is_drawn_are_named(tmp_path: Path) -> None:
    lines = [line(Case(algorithm="bptt", steps=T, chunk=T), memory=weighed(T / 64)) for T in (64, 256, 1024)]
    lines += [line(Case(algorithm="bptt", steps=T, chunk=T), status="oom", reason="too large") for T in (4096,)]
    lines += [line(Case(steps=64, chunk=16, neurons=512), status="timeout", reason="stopped after 9 s")]
    text = text_of(crossover.draw(load(write(tmp_path, lines))))
    assert "not measured: N = 64 · BPTT, JAX, compiled, T = 4096: out of memory" in " ".join(text.split())
    assert "over the time limit" not in text


def stepped(folder: Path, times: dict[int, float]) -> Path:
    """RTRL's records, of 64 steps each, by number of neurons and time of a step."""
    return write(folder, [line(Case(algorithm="rtrl", neurons=n, steps=64), time_s=64 * t) for n, t in times.items()])


def test_a_straight_line_has_one_exponent(tmp_path: Path) -> None:
    path = stepped(tmp_path, {n: 1e-9 * n**3 for n in (32, 64, 128)})
    found = cost_vs_n.data(load(path))
    assert found["exponent"].tolist()[1:] == pytest.approx([3.0, 3.0])
    assert found["step_time_s"].tolist() == pytest.approx([3.2768e-5, 2.62144e-4, 2.097152e-3])
    assert "JAX, compiled, K = 32: grows as n³·⁰" in text_of(cost_vs_n.draw(load(path)))


def test_a_bent_line_has_only_the_exponent_of_its_last_size(tmp_path: Path) -> None:
    path = stepped(tmp_path, {32: 1e-3, 64: 2e-3, 128: 16e-3})
    assert cost_vs_n.data(load(path))["exponent"].tolist()[1:] == pytest.approx([1.0, 3.0])
    text = text_of(cost_vs_n.draw(load(path)))
    assert "JAX, compiled, K = 32: n³·⁰ from 64 to 128" in text
    assert "grows as" not in text


def test_a_line_that_turns_back_says_why(tmp_path: Path) -> None:
    sizes = {1: 1, 8: 2, 32: 9, 64: 4}
    path = write(tmp_path, [line(Case(steps=64, chunk=K), memory=weighed(mib)) for K, mib in sizes.items()])
    figure = pareto.draw(load(path))
    assert "a line turns back where one chunk takes less memory than several" in text_of(figure)
    last = next(one for one in figure.axes[0].lines if one.get_label() == "to one chunk, K = T")
    assert np.asarray(last.get_xdata()).tolist() == [9, 4]
    assert unnamed(figure) == []


def test_the_gates_intervals_are_wilsons() -> None:
    assert gate_power.wilson(0.5, 30) == pytest.approx((0.3315, 0.6685), abs=1e-4)  # 15 of 30, as tables have it
    assert gate_power.wilson(0.0, 30) == pytest.approx((0.0, 0.1135), abs=1e-4)


def test_pareto_shows_the_problem_with_most_rules(tmp_path: Path) -> None:
    lines = [line(Case(algorithm=a, steps=64, chunk=K)) for a in ("drtrl", "snap1") for K in (1, 8, 64)]
    lines += [line(Case(steps=64, chunk=K, trace_dtype="bfloat16")) for K in (1, 8, 64)]
    lines.append(line(Case(algorithm="bptt", steps=64, chunk=64)))
    path = write(tmp_path, lines)
    found = pareto.data(load(path))
    assert sorted(found["algorithm"].unique()) == ["bptt", "drtrl", "snap1"]
    assert len(found) == 7
    assert len(figures.make("pareto", path, tmp_path)) == 3


def test_pareto_tells_checkpoints_from_none(tmp_path: Path) -> None:
    """BPTT of the framework is one chunk with any number of segments."""
    lines = [line(Case(steps=64, chunk=K), memory=weighed(K)) for K in (1, 8, 64)]
    lines += [line(Case("bptt_native", steps=64, chunk=64, segments=n), memory=weighed(9 + n)) for n in (0, 8, 64)]
    figure = pareto.draw(load(write(tmp_path, lines)))
    beside = sorted(one.get_text() for one in figure.axes[0].texts)
    assert beside == ["1", "64 seg.", "8", "8 seg.", "T", "T"]
    assert "seg.: checkpoints before so many segments" in " ".join(text_of(figure).split())
