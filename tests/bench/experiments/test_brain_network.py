"""The network that is measured: what it is, that its file holds all of it, and when it is drawn and removed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from drtrl_bench.case import Case
from drtrl_bench.datasets.connectomes.generated import generated
from drtrl_bench.experiments import brain, brain_files, brain_network, brain_table

JOB = {"neurons": 60, "pairs": 400, "framework": "torch", "rule": "drtrl", "chunk": 8}


def test_a_weight_is_that_of_its_pair() -> None:
    """The pairs in another order give the same network."""
    one = generated(60, 400, seed=2)
    order = np.random.default_rng(0).permutation(400)
    other = one._replace(pre=one.pre[order], post=one.post[order], weight=one.weight[order])
    (_, patterns, weights), (_, _, same) = brain_network.network(one), brain_network.network(other)
    np.testing.assert_array_equal(weights[0]["r"], same[0]["r"])
    dense = patterns[0]["r"].dense(weights[0]["r"])[:, 0]
    np.testing.assert_allclose(dense[one.pre, one.post], brain_network.COUPLING * one.weight, rtol=1e-6)


def test_what_is_read_is_what_was_drawn(tmp_path: Path) -> None:
    """Every array and number of every layer, in its type."""
    drawn = brain_network.network(generated(60, 400))
    drawn.patterns[0]["r"] = drawn.patterns[0]["r"].incoming(width=4)[0]  # rows of several slots, some of them empty
    brain_network.save(tmp_path / "network.npz", drawn)
    found = brain_network.load(tmp_path / "network.npz")
    assert found.about == {"data": "generated connectome (synthetic, 60 neurons)", "neurons": 60, "pairs": 400}
    assert [list(w) for w in found.weights] == [["x", "r", "b"], ["x"]]
    assert [list(of_layer) for of_layer in found.patterns] == [["x", "r"], ["x"]]
    for one, other in zip(found.weights, drawn.weights, strict=True):
        for k, values in one.items():
            assert values.dtype == np.float32
            np.testing.assert_array_equal(values, other[k], strict=True)
    for one, other in zip(found.patterns, drawn.patterns, strict=True):
        for k, pattern in one.items():
            assert (pattern.J, pattern.N, pattern.whole) == (other[k].J, other[k].N, other[k].whole)
            np.testing.assert_array_equal(pattern.first, other[k].first, strict=True)
            np.testing.assert_array_equal(pattern.post, other[k].post, strict=True)
    assert not found.patterns[0]["r"].exists.all()


def test_a_file_that_is_there_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ends while it writes leaves a part, which the next run removes."""

    def ended(file: Any, **arrays: Any) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    file = brain_files.file_of(tmp_path, JOB)
    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", ended)
        with pytest.raises(KeyboardInterrupt):
            brain_network.compute(JOB | {"network": str(file)})
    assert [each.suffix for each in tmp_path.iterdir()] == [".part"]
    brain_files.remove_others(tmp_path, [JOB])
    assert not [*tmp_path.iterdir()]


def test_jobs_of_one_network_have_one_file(tmp_path: Path) -> None:
    file = brain_files.file_of(tmp_path, JOB)
    assert file == brain_files.file_of(tmp_path, JOB | {"framework": "jax", "rule": "bptt", "chunk": 32, "rank": 20})
    others = [{"neurons": 61}, {"pairs": 401}, {"fingerprint": "of files"}]
    assert len({file, *(brain_files.file_of(tmp_path, JOB | other) for other in others)}) == 4


def test_a_network_is_drawn_in_a_process_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says so on standard error, with the peak of that process; the second job finds the file."""
    file = brain_files.drawn(tmp_path, JOB, Case(framework="torch"))
    said = capsys.readouterr()
    assert "drawing the network of 60 neurons and 400 pairs, once for all its jobs\ndrawn" in said.err
    assert not said.out
    about = brain_network.load(file).about
    assert about["rss_drawing_mib"] is None or f"up to {about['rss_drawing_mib']:.0f} MiB" in said.err
    assert brain_files.drawn(tmp_path, JOB | {"rule": "bptt"}, Case(framework="torch")) == file
    assert not capsys.readouterr().err


class Machine:
    """Draws and measures nothing: a file appears, and is seen by the jobs that are measured on it."""

    def __init__(self) -> None:
        self.drawn: list[int] = []
        self.there: list[int] = []
        self.reason = ""
        self.ends_at = ""

    def rows(self, module: str, job: dict[str, Any], case: Any, say: Any) -> list[dict[str, Any]]:
        file = Path(job["network"])
        if module.endswith("brain_network"):
            if self.reason:
                return [{"status": "oom", "reason": self.reason}]
            file.touch()
            self.drawn.append(job["neurons"])
            return [{"rss_drawing_mib": 1_600.0}]
        self.there.append(len([*file.parent.glob("network-*")]))
        if job["rule"] == self.ends_at:
            raise KeyboardInterrupt
        measured = {"ms_per_step": job["pairs"] / 1e5, "rss_peak_mib": 300.0, "rss_before_mib": 200.0}
        row = {k: v for k, v in job.items() if k != "network"} | measured
        return [row | {"data": "synthetic", "spikes_at_the_end": 0.02}]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """In one framework."""
    made = Machine()
    monkeypatch.setattr(brain_table.apart, "rows", made.rows)
    monkeypatch.setattr(brain, "FRAMEWORKS", ("torch",))
    return made


def test_a_network_is_drawn_once_and_removed_after_its_last_job(tmp_path: Path, machine: Machine) -> None:
    brain.main(tmp_path, [1_000, 5_000])
    assert machine.drawn == [1_000, 5_000]
    assert machine.there == 6 * [1], "no network but that of the job"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["brain.csv", "growth.csv"]


def test_a_run_goes_on_with_the_network_of_the_one_that_was_ended(tmp_path: Path, machine: Machine) -> None:
    machine.ends_at = "es_drtrl"
    with pytest.raises(KeyboardInterrupt):
        brain.main(tmp_path, [1_000])
    (tmp_path / "network-of-other-sources.npz").touch()
    machine.ends_at = ""
    brain.main(tmp_path, [1_000])
    assert machine.drawn == [1_000]
    assert machine.there == [1, 1, 1, 1]
    assert not [*tmp_path.glob("network-*")]


def test_a_network_that_cannot_be_drawn_is_a_row(tmp_path: Path, machine: Machine) -> None:
    machine.reason = "ended by the system for lack of memory, in: start"
    brain.main(tmp_path, [1_000])
    assert {row["status"] for row in brain_table.read(tmp_path / "brain.csv")} == {"oom"}
    machine.reason = "ValueError: 1000 neurons cannot have so many pairs"
    with pytest.raises(typer.Exit):
        brain.main(tmp_path, [1_000], retry=True)
    rows = brain_table.read(tmp_path / "brain.csv")
    assert {(row["status"], row["reason"]) for row in rows} == {
        ("error", "ValueError: 1000 neurons cannot have so many pairs, in: drawing the network")
    }
