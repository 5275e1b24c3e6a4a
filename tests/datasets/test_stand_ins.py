"""Stand-ins: read by tonic's readers, seeded, made whole or not at all, and called what they are."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.genuine import WRITERS

from drtrl_bench import data

NAMES = ("fingerprint", "make_stand_in", "availability", "statistics")
fingerprint, making, availability, statistics = (data.module(f"events.{name}") for name in NAMES)
saccades, gestures, camera = (data.module(f"stand_ins.{name}") for name in ("saccades", "gestures", "camera"))
SMALL = {"train": 2, "valid": 1, "test": 1}
SEEN = ("nmnist", "dvs_gesture")


def quiet(*_: Any) -> None:
    pass


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Small stand-ins of both cameras."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRTRL_BENCH_CACHE", str(folder))
        patch.delenv("DRTRL_BENCH_DATA", raising=False)
        for name in SEEN:
            making.make(data.events(name).published, quiet, SMALL)
        yield folder


@pytest.mark.parametrize("name", SEEN)
def test_label_says_what_it_is(name: str) -> None:
    module = data.events(name)
    label = module.LABEL
    assert label.startswith(f"{module.published.name} layout (")
    assert "synthetic" in label or "event-converted" in label
    assert ("synthetic" in label) == module.SYNTHETIC


@pytest.mark.parametrize("name", SEEN)
def test_tonic_s_reader_reads_it(name: str) -> None:
    module = data.events(name)
    for split in ("train", "test"):
        part = "test" if split == "test" else "train"
        held = module.recordings(split)[0]
        found = statistics.statistics(held)
        assert found["recordings"] == SMALL[part] * module.CLASSES
        assert found["fewest"] > 500
        np.testing.assert_array_equal(np.bincount(held.labels), SMALL[part])
        for file in held.files:
            assert file.is_file()


def test_saccades_look_like_the_original() -> None:
    """4 ms or so around 315 ms, a few thousand events, as many on as off, and three bumps in the rate."""
    held = data.events("nmnist").recordings("train")[0]
    found = statistics.statistics(held)
    assert 3000 < found["events"] < 6000
    assert found["seconds"] == pytest.approx(0.315, abs=0.01)
    assert found["on"] == pytest.approx(0.5, abs=0.05)
    assert 0.01 < found["density"] < 0.03
    rate, _ = np.histogram(np.concatenate([held[i].t for i in range(len(held))]), 30, (0, 315_000))
    assert rate[[4, 5, 14, 15, 24, 25]].min() > 3 * rate[[0, 9, 10, 19, 20, 29]].max()


def test_saccades_go_the_way_that_tonic_straightens() -> None:
    """tonic's `stabilize` takes the motion out: then on events no longer lead off events."""
    nmnist = pytest.importorskip("tonic.datasets.nmnist")
    held = data.events("nmnist").recordings("train")[0]
    for index in range(0, len(held), 4):
        events = held.source[index][0]
        spread, still = (
            np.histogram2d(e["x"], e["y"], 34, ((0, 34), (0, 34)))[0] for e in (events, nmnist.stabilize(events.copy()))
        )
        # Without motion the digit's edges are drawn sharper: more events in fewer pixels.
        assert (still**2).sum() > 1.1 * (spread**2).sum()


def test_no_digit_is_in_both_parts() -> None:
    module = data.events("nmnist")
    names = [
        {(file.parent.name, file.name) for file in module.recordings(split)[0].files} for split in ("train", "test")
    ]
    assert not names[0] & names[1]
    _, labels = saccades.digits.glyphs()
    for digit in range(10):
        train, test = (set(saccades.members(labels, digit, part).tolist()) for part in ("train", "test"))
        assert not train & test
        assert train | test == set(np.flatnonzero(labels == digit).tolist())


def test_no_user_is_in_both_parts() -> None:
    module = data.events("dvs_gesture")
    users = [set(module.recordings(split)[0].groups.tolist()) for split in ("train", "test")]
    assert not users[0] & users[1]


@pytest.mark.parametrize(("motion", "axis", "way"), [(0, "x", 1), (1, "x", -1), (2, "y", 1), (3, "y", -1)])
def test_bars_move_where_their_class_says(motion: int, axis: str, way: int) -> None:
    held = data.events("dvs_gesture").recordings("train")[0]
    for index in np.flatnonzero(held.labels == motion):
        events = held[index]
        leads = []
        for start in range(0, 2_000_000, 100_000):
            part = (events.t >= start) & (events.t < start + 100_000)
            on, off = part & (events.p == 1), part & (events.p == 0)
            if min(on.sum(), off.sum()) > 50:
                leads.append(getattr(events, axis)[on].mean() - getattr(events, axis)[off].mean())
        assert np.sign(np.median(leads)) == way


def test_rings_grow_and_shrink() -> None:
    held = data.events("dvs_gesture").recordings("train")[0]
    for motion, way in ((6, 1), (7, -1)):
        for index in np.flatnonzero(held.labels == motion):
            e = held[index]
            x, y = e.x - e.x.mean(), e.y - e.y.mean()
            radius = np.hypot(x, y)
            assert np.sign(radius[e.p == 1].mean() - radius[e.p == 0].mean()) == way


def test_camera_sends_an_event_per_threshold() -> None:
    looks = [np.full((1, 1), level) for level in (0.0, 1.05, 1.05, -0.5)]
    rng = np.random.default_rng(0)
    start = np.random.default_rng(0).uniform(-0.25, 0.25, (1, 1)).item()
    x, y, p, t = camera.watch(looks, 100, 0.25, rng).T
    ups, downs = int((1.05 - start) / 0.25), 0
    last = start + 0.25 * ups
    downs = int((last + 0.5) / 0.25)
    assert p.tolist() == [1] * ups + [0] * downs
    assert not x.any()
    assert not y.any()
    expected = [100 * (start + 0.25 * k) / 1.05 for k in range(1, ups + 1)]
    np.testing.assert_allclose(t[:ups], expected, atol=1)
    assert ((t[ups:] >= 200) & (t[ups:] < 300)).all()


@pytest.mark.parametrize("module", [saccades, gestures], ids=SEEN)
def test_seed_decides(module: Any, tmp_path: Path) -> None:
    contents = []
    for number, seed in enumerate((1, 1, 2)):
        folder = tmp_path / str(number)
        module.make(folder, "test", 1, seed, quiet)
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        contents.append({file.relative_to(folder): file.read_bytes() for file in files})
    assert contents[0] == contents[1]
    assert contents[0] != contents[2]


def test_the_same_is_not_made_again_and_another_replaces_it(tmp_path: Path) -> None:
    what = data.events("nmnist").published
    one, two = {"train": 1, "test": 1}, {"train": 2, "test": 1}
    folder, new = making.make(what, quiet, one, 0, tmp_path)
    assert new
    assert making.make(what, quiet, one, 0, tmp_path) == (folder, False)
    assert making.make(what, quiet, two, 0, tmp_path) == (folder, True)
    assert what.count(folder / "Train") == 20
    assert [path.name for path in tmp_path.iterdir()] == ["NMNIST"]


def test_an_interrupted_run_leaves_what_was_there(tmp_path: Path) -> None:
    what = data.events("nmnist").published
    folder, _ = making.make(what, quiet, {"train": 1, "test": 1}, 0, tmp_path)
    before = fingerprint.folder_hash(folder)

    def interrupt(split: str, done: int, of: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        making.make(what, interrupt, {"train": 2, "test": 1}, 0, tmp_path)
    assert fingerprint.folder_hash(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["NMNIST"]
    with pytest.raises(KeyboardInterrupt):
        making.make(what, interrupt, {"train": 1, "test": 1}, 0, tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_genuine_files_are_never_replaced(tmp_path: Path) -> None:
    WRITERS["nmnist"](tmp_path)
    with pytest.raises(FileExistsError, match="not replaced"):
        making.make(data.events("nmnist").published, quiet, SMALL, 0, tmp_path)


def test_a_stand_in_that_was_moved_is_still_one(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    making.make(data.events("nmnist").published, quiet, {"train": 1, "test": 1}, 0, tmp_path)
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path))
    assert data.dataset("nmnist").LABEL == "N-MNIST layout (event-converted digits)"
    (tmp_path / "NMNIST" / availability.MARKER).write_text("{")
    with pytest.raises(availability.DamagedError, match=availability.MARKER):
        _ = data.dataset("nmnist").LABEL


def test_the_marker_says_how_it_was_made(cache: Path) -> None:
    marker = json.loads((cache / "stand_ins" / "NMNIST" / availability.MARKER).read_text())
    assert marker["generator"] == "saccades"
    assert marker["seed"] == 0
    assert marker["per_class"] == {"train": 2, "test": 1}


@pytest.mark.parametrize(("module", "most"), [(saccades, 145), (gestures, 115)])
def test_more_than_there_are_is_refused(module: Any, most: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=str(most)):
        module.make(tmp_path / "x", "train", most + 1, 0, quiet)


# By hand


def test_each_saccade_goes_where_the_original_s_does() -> None:
    """A spot in the middle stands at (-3.5, -3.5), (0, 3.5), (3.5, -3.5) and again (-3.5, -3.5) from the centre."""
    spot = np.zeros((8, 8))
    spot[3:5, 3:5] = 16
    looks = list(saccades.samples(spot))
    assert len(looks) == 316  # one a ms, for 3 x 105 ms
    rows, columns = np.mgrid[:34, :34] - 16.5
    for ms, place_ in {0: (-3.5, -3.5), 105: (0, 3.5), 210: (3.5, -3.5), 315: (-3.5, -3.5)}.items():
        light = np.exp(looks[ms]) - 2
        centre = [(light * axis).sum() / light.sum() for axis in (columns, rows)]
        np.testing.assert_allclose(centre, place_, atol=0.01)


def test_in_each_saccade_brightening_leads() -> None:
    """Right and down, right and up, left: where the digit goes events are ON, where it comes from OFF."""
    held = data.events("nmnist").recordings("train")[0]
    t, x, y, p = (np.concatenate([held[i][k] for i in range(len(held))]).astype(float) for k in range(4))
    for number, (right, down) in enumerate([(1, 1), (1, -1), (-1, 0)]):
        part = (t >= 105_000 * number) & (t < 105_000 * (number + 1))
        on, off = part & (p == 1), part & (p == 0)
        assert np.sign(x[on].mean() - x[off].mean()) == right
        if down:
            assert np.sign(y[on].mean() - y[off].mean()) == down


def test_events_in_40_bits_by_hand() -> None:
    """x, y, polarity and 23 bits of time, the highest first."""
    assert saccades.encode(np.array([[3, 9, 1, 0x12345], [33, 0, 0, 0x7FFFFF]])) == bytes(
        [3, 9, 0x81, 0x23, 0x45, 33, 0, 0x7F, 0xFF, 0xFF]
    )


@pytest.mark.parametrize(("step", "polarity"), [(1.0, 1), (-1.0, 0)])
def test_a_pixel_that_brightens_is_on(step: float, polarity: int) -> None:
    looks = [np.zeros((2, 3)), np.array([[0, 0, 0], [0, step, 0]])]
    x, y, p, t = camera.watch(looks, 1000, 0.3, np.random.default_rng(0)).T
    assert len(p) in (2, 3, 4)
    assert set(zip(x.tolist(), y.tolist(), p.tolist(), strict=True)) == {(1, 1, polarity)}
    assert (t < 1000).all()


def habits() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize(("motion", "way"), [(4, 1), (5, -1)])
def test_bars_turn_as_a_clock_does_and_against_it(motion: int, way: int) -> None:
    """Rows count downwards, so clockwise is from the x-axis to the y-axis."""
    angles = []
    for shape in list(gestures.shapes(motion, habits(), habits()))[:20]:
        weight = shape / shape.sum()
        x, y = gestures.X - (weight * gestures.X).sum(), gestures.Y - (weight * gestures.Y).sum()
        xx, xy, yy = ((weight * a * b).sum() for a, b in ((x, x), (x, y), (y, y)))
        angles.append(np.arctan2(2 * xy, xx - yy))  # twice the angle of the bar
    turns = (np.diff(angles) + np.pi) % (2 * np.pi) - np.pi
    assert (np.sign(turns) == way).all()


@pytest.mark.parametrize(("motion", "axes"), [(8, (1, 0)), (9, (0, 1)), (10, (1, 1))])
def test_bars_swing_along_their_axis(motion: int, axes: tuple[int, int]) -> None:
    shapes = gestures.shapes(motion, habits(), habits())
    centres = [[(shape * axis).sum() / shape.sum() for axis in (gestures.X, gestures.Y)] for shape in shapes]
    dx, dy = np.ptp(centres, axis=0)
    assert (int(dx > 20), int(dy > 20)) == axes
    if motion == 10:
        assert np.corrcoef(np.transpose(centres))[0, 1] > 0.99  # right and down together


def test_rate_is_per_line_and_second() -> None:
    """Eight events within two seconds on four lines."""
    events = data.module("events.recordings").Events
    t = np.linspace(0, 2_000_000, 8).astype(np.int32)
    recording = events(t, np.arange(8) % 4, np.zeros(8, np.int64), np.zeros(8, np.int64))
    held: Any = SimpleNamespace(sensor=(4, 1, 1), read=lambda index, anew: recording)
    found = statistics.statistics(held, [0, 0])
    assert (found["recordings"], found["events"], found["seconds"], found["rate_hz"]) == (2, 8.0, 2.0, 1.0)


def test_a_user_s_habits_are_the_same_in_every_motion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    habits_: list[float] = []

    def shapes(motion: int, own: np.random.Generator, rng: np.random.Generator) -> Iterator[Any]:
        habits_.append(own.uniform())
        return iter(())

    monkeypatch.setattr(gestures, "shapes", shapes)
    monkeypatch.setattr(camera, "watch", lambda *_: np.zeros((1, 4)))
    gestures.make(tmp_path, "train", 2, 5, quiet)
    assert len(habits_) == 22
    assert len(set(habits_[:11])) == len(set(habits_[11:])) == 1
    assert habits_[0] != habits_[11]
