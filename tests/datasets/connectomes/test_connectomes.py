"""Connectomes: the generated one has the size and the degrees that it says, and FlyWire's files are read by name."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from drtrl_bench.datasets.connectomes import flywire
from drtrl_bench.datasets.connectomes.generated import SPREAD, generated


def test_generated_connectome_has_what_it_says() -> None:
    brain = generated(2_000, 200_000, seed=1)
    assert "synthetic" in brain.label
    assert len(set(zip(brain.pre.tolist(), brain.post.tolist(), strict=True))) == 200_000
    assert (brain.pre != brain.post).all()
    assert np.abs(brain.weight).min() == 1
    assert (brain.weight % 1 == 0).all()
    for ends in (brain.pre, brain.post):  # degrees of 100 on average: what sampling adds to their logarithm is small
        degrees = np.log(np.maximum(np.bincount(ends, minlength=2_000), 1))
        assert degrees.std() == pytest.approx(SPREAD, abs=0.15)
    signs = np.zeros((2_000, 2), bool)
    signs[brain.pre, (brain.weight > 0).astype(int)] = True
    assert not signs.all(1).any(), "a neuron excites or inhibits, and not both"
    assert 0.65 < signs[:, 1].mean() < 0.75


def test_generated_connectome_is_drawn_by_its_seed() -> None:
    one, again, other = (generated(50, 300, seed) for seed in (3, 3, 4))
    assert (one.pre == again.pre).all()
    assert (one.weight == again.weight).all()
    assert (one.pre != other.pre).any()


def test_generated_connectome_stays_what_it_is() -> None:
    """Its numbers, of the size where pairs are drawn twice: what was measured on it holds for the same network."""
    brain = generated(300, 20_000)
    whole_numbers = (each.astype("<i4").tobytes() for each in (brain.pre, brain.post, brain.weight))
    assert hashlib.sha256(b"".join(whole_numbers)).hexdigest()[:16] == "3e382f4dd2ea29eb"


def test_more_pairs_than_there_can_be() -> None:
    with pytest.raises(ValueError, match="ask for 1 to 45"):
        generated(10, 46)


def test_missing_flywire_files_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"no Connectivity_783\.parquet and no Completeness_783\.csv") as error:
        flywire.flywire()
    assert "\n" not in str(error.value)
    assert "generated connectome" in str(error.value)


@pytest.mark.parametrize("last", [2, 3])
def test_flywire_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: int) -> None:
    """Three neurons and two pairs; an index beyond the neurons is an error. What reads parquet is replaced."""
    pd = pytest.importorskip("pandas")
    pairs = pd.DataFrame(
        {"Presynaptic_Index": [0, 1], "Postsynaptic_Index": [1, last], "Excitatory x Connectivity": [5, -7]}
    )
    folder = tmp_path / "flywire"
    folder.mkdir()
    (folder / "Connectivity_783.parquet").touch()
    (folder / "Completeness_783.csv").write_text("root_id,Completed\n72057594000000001,True\n2,True\n3,True\n")
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path))
    monkeypatch.setattr(flywire, "find_spec", lambda name: name)
    monkeypatch.setattr(pd, "read_parquet", lambda path, columns: pairs[columns])
    if last == 3:
        with pytest.raises(ValueError, match="take both files of one release"):
            flywire.flywire()
        return
    brain = flywire.flywire()
    assert brain.N == 3
    assert brain.pre.tolist() == [0, 1]
    assert brain.post.tolist() == [1, 2]
    assert brain.weight.tolist() == [5, -7]
