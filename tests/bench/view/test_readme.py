"""The tables of the README and of docs/tables.md are of the committed records."""

import json
import re
import subprocess
import sys
from statistics import median
from typing import Any

import pytest
from support.command_line import command
from support.copies import ROOT


@pytest.mark.parametrize("name", ["quick", "headline"])
def test_a_table_is_what_show_prints(name: str) -> None:
    done = command("show", str(ROOT / "results" / "records" / f"{name}.jsonl"))
    assert done.returncode == 0, done.stderr
    printed = "\n".join(line.rstrip() for line in done.stdout.rstrip().split("\n"))
    assert f"```\n{printed}\n```" in (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")


README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("script", "page"), [("front_table", "README.md"), ("gpu_table", "results/README.md")])
def test_a_table_is_what_its_script_prints(script: str, page: str) -> None:
    command = [sys.executable, ROOT / "docs" / f"{script}.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"\n\n{done.stdout.strip()}\n\n" in (ROOT / page).read_text(encoding="utf-8")


def test_the_gpu_table_has_the_numbers_of_the_records() -> None:
    """Divided and rounded here, from the lines of the file."""
    text = (ROOT / "results" / "records" / "gpu_h200.jsonl").read_text(encoding="utf-8")
    every = [line for line in map(json.loads, text.splitlines()) if line["kind"] == "record"]
    wanted = {"framework": "jax", "unroll": 16, "steps": 4096}
    bptt, drtrl = (
        next(each for each in every if (wanted | {"algorithm": name}).items() <= each["case"].items())
        for name in ("bptt", "drtrl")
    )
    (cells,) = re.findall(
        r"T = 4,096 \|(?:.*\n\|  \|)* JAX, compiled, unrolled by 16 \| `drtrl`, K = 256 \| (.*) \|",
        (ROOT / "results" / "README.md").read_text(encoding="utf-8"),
    )
    time, memory, ratios, agreement = cells.split(" | ")
    assert float(time) == pytest.approx(1e3 * median(drtrl["time"]["samples_s"]), abs=0.0501)
    assert float(memory) == pytest.approx(drtrl["memory"]["working_bytes"] / 2**20, abs=0.501)
    costs = [(each["time"]["median_s"], each["memory"]["working_bytes"]) for each in (drtrl, bptt)]
    for said, own, true in zip(ratios.split(", "), *costs, strict=True):
        assert float(said) == pytest.approx(own / true, abs=0.00501)
    weights = drtrl["fidelity"]["per_parameter"]["layer0.x"]
    cosine, norm = (float(value.strip("*")) for value in agreement.split(", "))
    assert cosine == pytest.approx(weights["cosine"], abs=0.000501)
    assert norm == pytest.approx(weights["norm_ratio"], abs=0.00501)
    assert len(every) == 36


def lines(algorithm: str, readout: str, framework: str) -> list[dict[str, Any]]:
    """The lines of a case in results/records/algorithms.jsonl, as json reads them, in the order of rounds."""
    text = (ROOT / "results" / "records" / "algorithms.jsonl").read_text(encoding="utf-8")
    case = {"algorithm": algorithm, "readout": readout, "framework": framework}
    records = [line for line in map(json.loads, text.splitlines()) if line["kind"] == "record"]
    return sorted((line for line in records if case.items() <= line["case"].items()), key=lambda line: line["round"])


def rows() -> list[tuple[str, str, list[str]]]:
    """The rows of the README's table: algorithm, readout, and the cells of numbers."""
    found = re.findall(r"^\| `(\w+)`(, linear readout)? \| (.*) \|$", README, re.MULTILINE)
    return [(name, "linear" if linear else "leaky", cells.split(" | ")[1:]) for name, linear, cells in found]


@pytest.mark.parametrize("algorithm", ["bptt", "bptt_checkpointed", "rtrl", "drtrl", "es_drtrl", "snap1", "no_trace"])
def test_the_front_table_has_each_algorithm(algorithm: str) -> None:
    assert algorithm in [name for name, _, _ in rows()]


@pytest.mark.parametrize(("name", "readout", "cells"), rows())
def test_the_front_table_has_the_numbers_of_the_records(name: str, readout: str, cells: list[str]) -> None:
    """Divided and rounded here, from the lines themselves."""
    ends = [[float(end) for end in pair] for pair in re.findall(r"\((\S+)\u2013(\S+)\)", cells[0])]
    time, memory, *layers = [[float(number) for number in re.sub(r"\(.*?\)", "", cell).split(",")] for cell in cells]
    for i, framework in enumerate(("jax", "torch")):
        pairs = list(zip(lines(name, readout, framework), lines("bptt", readout, framework), strict=True))
        own, true = pairs[-1]
        assert true["case"]["chunk"] == true["case"]["steps"]
        assert {line["run"] for pair in pairs for line in pair} == {own["run"]}, (
            "only what one run measured is compared"
        )
        assert memory[i] == pytest.approx(own["memory"]["working_bytes"] / true["memory"]["working_bytes"], rel=0.05)
        clocks = [
            sorted(median(own["time"][key]) / median(true["time"][key]) for own, true in pairs)
            for key in ("samples_s", "cpu_samples_s")
        ]
        said = [ends[i][0], time[i], ends[i][1]] if name != "bptt" else [1.0, time[i], 1.0]
        assert any(
            said == pytest.approx([ratios[0], median(ratios), ratios[-1]], rel=0.05, abs=0.005) for ratios in clocks
        ), clocks
        for layer, (cosine, norm) in zip(("layer0", "layer1", "readout"), layers, strict=True):
            agreement = own["fidelity"]["per_layer"][layer]
            assert cosine == pytest.approx(agreement["cosine"], abs=0.0005001)
            assert norm == pytest.approx(agreement["norm_ratio"], abs=0.005001, rel=0)


def test_the_front_page_says_what_the_data_are_and_which_machine() -> None:
    assert "digits (event-converted), `lif_delta`, 2 hidden layers of 64 neurons" in README
    versions = r"Python 3\.\d+\.\d+, jax [\d.]+, torch [\d.+a-z]+, commit [0-9a-f]{9}\."
    assert re.search(rf"float32, 1 thread\. \S.*, (1 core|([2-9]|\d\d+) cores), {versions}", README)
