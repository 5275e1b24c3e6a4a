"""Tables that are measured job by job: what is measured again, what is kept and told, and whose rows they are."""

import csv
from pathlib import Path
from typing import Any

import pytest
import typer

from drtrl_bench import provenance
from drtrl_bench.experiments import brain, brain_table
from drtrl_bench.process import locks


def row(job: dict[str, Any]) -> dict[str, Any]:
    """The row of a job, as if it had been measured: a time in proportion to its pairs."""
    measured = {"ms_per_step": job["pairs"] / 1e5, "rss_peak_mib": 300.0, "rss_before_mib": 200.0}
    return job | {"data": "synthetic", "spikes_at_the_end": 0.02} | measured


class Machine:
    """Measures nothing, and keeps the jobs that it was given; those of some neurons end without a cost."""

    def __init__(self) -> None:
        self.given: list[int] = []
        self.lost: dict[int, str] = {}

    def rows(self, module: str, job: dict[str, Any], case: Any, say: Any) -> list[dict[str, Any]]:
        self.given.append(job["neurons"])
        if (why := self.lost.get(job["neurons"])) == "oom":
            return [{"status": "oom", "reason": "ended by the system"}]
        if why:
            raise brain_table.apart.EndedError(module, "timing", why)
        return [row({k: v for k, v in job.items() if k != "network"})]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """In one framework, by one rule."""
    made = Machine()
    monkeypatch.setattr(brain_table.apart, "rows", made.rows)
    monkeypatch.setattr(brain_table.brain_files, "drawn", lambda folder, *_: folder / "network.npz")
    monkeypatch.setattr(brain, "FRAMEWORKS", ("torch",))
    monkeypatch.setattr(brain, "RULES", ("drtrl",))
    return made


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def column(path: Path, name: str) -> list[str]:
    return [line[name] for line in table(path)]


def test_a_size_that_is_there_is_not_measured_again(
    tmp_path: Path, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    brain.main(tmp_path, [1_000, 5_000])
    assert machine.given == [1_000, 5_000]
    brain.main(tmp_path, [5_000, 30_000])
    assert machine.given == [1_000, 5_000, 30_000]
    assert column(tmp_path / "brain.csv", "neurons") == ["1000", "5000", "30000"]
    said = "1/2: synthetic: drtrl, torch: 5.8 ms a step, 300 MiB, 2.0% spike, as measured before\n"
    assert said in capsys.readouterr().out
    times = [line for line in table(tmp_path / "growth.csv") if line["quantity"] == "ms_per_step"]
    assert [(line["sizes"], line["exponent"]) for line in times] == [("3", "1")]


def test_a_job_without_a_cost_blocks_no_other(
    tmp_path: Path, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has a row that says why, is not in what grows, and is measured again when that is asked for."""
    machine.lost = {1_000: "ValueError: no spikes", 5_000: "oom"}
    with pytest.raises(typer.Exit) as ended:
        brain.main(tmp_path, [1_000, 5_000, 30_000])
    assert ended.value.exit_code == 1
    lines = table(tmp_path / "brain.csv")
    assert [(line["neurons"], line["status"], line["reason"], line["ms_per_step"]) for line in lines] == [
        ("1000", "error", "ValueError: no spikes, in: timing", ""),
        ("5000", "oom", "ended by the system", ""),
        ("30000", "ok", "", "34.62"),
    ]
    assert not (tmp_path / "growth.csv").exists()
    told = capsys.readouterr().out
    assert "2/3: drtrl, torch, 5,000 neurons, K = 32: oom: ended by the system\n" in told
    assert "without a cost: 2 of 3 rows; --retry measures them again\n" in told
    with pytest.raises(typer.Exit):
        brain.main(tmp_path, [1_000, 5_000, 30_000])
    assert machine.given == [1_000, 5_000, 30_000]
    del machine.lost[1_000]
    brain.main(tmp_path, [1_000, 5_000, 30_000], retry=True)
    assert machine.given == [1_000, 5_000, 30_000, 1_000, 5_000]
    assert sorted(column(tmp_path / "brain.csv", "status")) == ["ok", "ok", "oom"]
    assert set(column(tmp_path / "growth.csv", "sizes")) == {"2"}


@pytest.mark.parametrize(
    "reason",
    [
        "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 9.00 GiB for an array",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory",
        "jaxlib._jax.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory allocating 9663676416 bytes.",
        "  what():  std::bad_alloc",
    ],
)
def test_lack_of_memory_is_known_by_what_a_framework_says(reason: str, tmp_path: Path, machine: Machine) -> None:
    machine.lost = {5_000: reason}
    brain.main(tmp_path, [5_000])
    assert column(tmp_path / "brain.csv", "status") == ["oom"]


def test_a_job_is_named_before_it_starts_with_the_time_that_is_left(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """7.38 and 12.92 s are expected; the first takes twice its time, so that 25.85 s are expected of the second."""
    clock, said = iter([0.0, 14.769, 15.0, 16.0]), []
    monkeypatch.setattr(brain_table, "perf_counter", lambda: next(clock))
    rows = machine.rows
    monkeypatch.setattr(
        brain_table.apart, "rows", lambda *words: said.append(capsys.readouterr().out.splitlines()[-1]) or rows(*words)
    )
    brain.main(tmp_path, [1_000, 5_000])
    assert said == [
        "1/2: drtrl, torch, 1,000 neurons, K = 32: starts, about 20 s left",
        "2/2: drtrl, torch, 5,000 neurons, K = 32: starts, about 26 s left",
    ]


def test_what_is_left_of_the_whole_brain() -> None:
    """186 s are expected: of 15 million pairs, and of FlyWire's, whose number is not known before."""
    generated, genuine = {"pairs": 15_000_000}, {"pairs": 0}
    assert brain_table.left([generated], []) == brain_table.left([genuine], []) == "about 3 min left"
    assert brain_table.left([generated, genuine], [(10.0, 15.0), (10.0, 25.0)]) == "about 12 min left"


def test_rows_of_other_sources_stay_and_count_for_nothing(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    brain.main(tmp_path, [1_000, 5_000])
    with monkeypatch.context() as patch:
        patch.setattr(brain_table, "sources", lambda *_: "others")
        brain.main(tmp_path, [1_000])
        assert not (tmp_path / "growth.csv").exists(), "one size has these sources"
    assert machine.given == [1_000, 5_000, 1_000]
    assert column(tmp_path / "brain.csv", "neurons") == ["1000", "5000", "1000"]
    assert column(tmp_path / "brain.csv", "sources")[2] == "others"
    brain.main(tmp_path, [1_000])
    assert len(machine.given) == 3, "the first sources are there"
    assert set(column(tmp_path / "growth.csv", "sizes")) == {"2"}


def test_growth_is_of_the_rows_beside_it(tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is ended leaves no exponents of fewer rows than the table has."""
    brain.main(tmp_path, [1_000, 5_000])

    def rows(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(brain_table.apart, "rows", rows)
    with pytest.raises(KeyboardInterrupt):
        brain.main(tmp_path, [30_000])
    assert not (tmp_path / "growth.csv").exists()
    assert column(tmp_path / "brain.csv", "neurons") == ["1000", "5000"]


def test_a_row_is_of_the_sources_and_the_commit_that_its_process_found(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sources change while the first job is measured: its row is of those before, as is what is written later."""
    now, rows = ["first"], machine.rows
    checkout = brain_table.environment.checkout

    def changing(*words: Any) -> list[dict[str, Any]]:
        now[0] = "second"
        return rows(*words)

    monkeypatch.setattr(brain_table, "sources", lambda *_: now[0])
    monkeypatch.setattr(brain_table.environment, "checkout", lambda: checkout() | {"commit": now[0]})
    monkeypatch.setattr(brain_table.apart, "rows", changing)
    brain.main(tmp_path, [1_000, 5_000])
    for name in ("sources", "commit"):
        assert column(tmp_path / "brain.csv", name) == ["first", "second"]


def test_two_runs_do_not_write_one_folder(tmp_path: Path, machine: Machine) -> None:
    with brain_table.alone(tmp_path), pytest.raises(locks.HeldError, match=r"wait until that .* folder: --out"):
        brain.main(tmp_path, [1_000])
    assert machine.given == []
    brain.main(tmp_path, [1_000])
    assert machine.given == [1_000]


def test_sources_are_those_of_the_rule_and_its_framework() -> None:
    """What a row depends on: another rule or framework has another hash, the same one the same."""
    series = [("torch", "drtrl"), ("torch", "bptt"), ("jax", "drtrl")]
    assert len({brain_table.sources("brain_cost", *each) for each in series}) == 3
    assert brain_table.sources("brain_cost", "jax", "drtrl") == brain_table.sources("brain_cost", "jax", "drtrl")


def test_another_machine_is_another_source(monkeypatch: pytest.MonkeyPatch) -> None:
    before = brain_table.sources("brain_cost", "jax", "drtrl")
    monkeypatch.setattr(brain_table.environment, "describe", lambda: {"env_hash": "another"})
    assert brain_table.sources("brain_cost", "jax", "drtrl") != before


@pytest.mark.parametrize(
    "module",
    [
        "experiments.brain_dense",
        "experiments.brain_cost",
        "experiments.brain_network",
        "implementations.sparse.drtrl_jax",
        "implementations.sparse.synapses_jax",
        "implementations.cells.cells_jax",
        "implementations.algorithms.approximate.drtrl_jax",
    ],
)
def test_each_module_is_a_source(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, code_of = brain_table.sources("brain_dense", "jax", "drtrl"), provenance.code_of
    changed = provenance.file_of(f"drtrl_bench.{module}")
    assert changed is not None
    monkeypatch.setattr(provenance, "code_of", lambda path: "other" if path == changed else code_of(path))
    assert brain_table.sources("brain_dense", "jax", "drtrl") != before
