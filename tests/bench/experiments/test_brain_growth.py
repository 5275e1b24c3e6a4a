"""How cost grows with synapses: exponents of power laws, against literal numbers."""

from typing import Any

import pytest

from drtrl_bench.experiments import brain_growth


def row(pairs: int, ms: float, peak: float, before: float = 200.0, rule: str = "drtrl") -> dict[str, Any]:
    """A row as it is read from a table, whose numbers are words."""
    numbers = {"pairs": pairs, "ms_per_step": ms, "rss_peak_mib": peak, "rss_before_mib": before, "chunk": 32}
    origin = {"cpu": "a processor", "cores": "2", "commit": f"c{pairs}", "dirty": "False", "versions": "jax 1"}
    return {"framework": "jax", "rule": rule} | {k: str(v) for k, v in numbers.items()} | origin


def test_exponent_of_a_power_law() -> None:
    assert brain_growth.exponent([1, 10, 100], [3, 30, 300]) == pytest.approx(1)
    assert brain_growth.exponent([100, 400], [5, 10]) == pytest.approx(0.5)
    assert brain_growth.exponent([2, 4, 8], [7, 7, 7]) == pytest.approx(0)


def test_exponent_is_the_least_squares_one_by_hand() -> None:
    """Decades 0, 1 and 2 with logarithms 0, 2 and 1: the slope is (-1 (0 - 1) + 1 (1 - 1)) / 2."""
    assert brain_growth.exponent([1, 10, 100], [1, 100, 10]) == pytest.approx(0.5)


@pytest.mark.parametrize(("sizes", "values"), [([5, 5], [1, 2]), ([1, 2], [1, 0]), ([3], [1])])
def test_no_exponent(sizes: list[int], values: list[int]) -> None:
    with pytest.raises(ValueError, match="takes two sizes"):
        brain_growth.exponent(sizes, values)


def test_every_series_has_its_exponents() -> None:
    """Ten times the synapses: 10 times the time, 2 times the peak, 10 times what lies above the framework's 200 MiB."""
    rows = [row(10**5, 0.5, 250), row(10**6, 5, 700), row(10**5, 1, 250, rule="bptt")]
    grown = brain_growth.exponents(rows, pytest.fail)
    assert {(each["rule"], each["sizes"], each["least_pairs"], each["most_pairs"]) for each in grown} == {
        ("drtrl", 2, 10**5, 10**6)
    }
    found = {each["quantity"]: each["exponent"] for each in grown}
    assert found == pytest.approx({"ms_per_step": 1, "rss_peak_mib": 0.44715803, "beyond_mib": 1}, abs=1e-7)
    assert {each["commit"] for each in grown} == {"c100000 c1000000"}, "those of its rows"
    assert {(each["cpu"], each["cores"], each["dirty"]) for each in grown} == {("a processor", "2", "False")}


@pytest.mark.parametrize("before", [200.0, 260.0])
def test_what_has_no_logarithm_is_left_out_with_a_line(before: float) -> None:
    """At the smallest size the peak is not above what the framework held; the other quantities have their exponents."""
    said: list[str] = []
    grown = brain_growth.exponents([row(10**5, 0.5, 200, before), row(10**6, 5, 700)], said.append)
    assert [each["quantity"] for each in grown] == ["ms_per_step", "rss_peak_mib"]
    (line,) = said
    assert line.startswith("drtrl, jax: its peak beyond the framework: no exponent of [")


def test_memory_that_was_not_measured_does_not_grow() -> None:
    said: list[str] = []
    rows = [row(pairs, 1, 300) | {"rss_peak_mib": none} for pairs, none in ((10**5, ""), (10**6, None))]
    grown = brain_growth.exponents(rows, said.append)
    assert [each["quantity"] for each in grown] == ["ms_per_step"]
    assert len(said) == 2
