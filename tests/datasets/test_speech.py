"""The stand-in for SHD and SSC: voices, the files' layout through tonic's reader, interruption, missing espeak-ng."""

import importlib
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")
DATASETS = Path(__file__).resolve().parents[2] / "datasets"


@pytest.fixture(scope="module")
def package() -> Iterator[str]:
    """Name of the package of stand-ins, in one that is the folder of data sets."""
    name = "data_sets_of_test_speech"
    with pytest.MonkeyPatch.context() as patch:
        module = ModuleType(name)
        module.__path__ = [str(DATASETS)]
        patch.setitem(sys.modules, name, module)
        yield f"{name}.stand_ins"


@pytest.fixture
def speech(package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The module, with a cache of the test's own."""
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path / "cache"))
    return importlib.import_module(f"{package}.speech")


@pytest.fixture
def voices(package: str) -> Any:
    return importlib.import_module(f"{package}.voices")


@pytest.fixture
def espeak(package: str) -> Any:
    return importlib.import_module(f"{package}.espeak")


@pytest.fixture
def speaking(espeak: Any) -> None:
    """Skips where espeak-ng is missing, before another error of it is expected."""
    espeak.library()


@pytest.fixture
def converted(speech: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Spikes made up in no time; what they were made of."""
    made: list[Any] = []

    def spikes(what: Any) -> tuple[Any, Any]:
        made.append(what)
        rng = np.random.default_rng(what.seed)
        times = np.sort(rng.uniform(0, 1, 20 + what.label)).astype(np.float16)
        return times, rng.integers(700, size=len(times)).astype(np.uint16)

    monkeypatch.setattr(speech, "spikes", spikes)
    return made


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "cache")


def content(file: Path) -> tuple[list[Any], ...]:
    """Labels, speakers, times and units of a file."""
    with h5py.File(file) as held:
        columns: Any = [held[name][()] for name in ("labels", "extra/speaker", "spikes/times", "spikes/units")]  # pyright: ignore[reportIndexIssue]
    return tuple([one.tolist() for one in column] for column in columns)


# Voices


def test_a_word_is_always_said_the_same(voices: Any) -> None:
    first = voices.speak("five", "en-us", 16_000)
    voices.speak("sieben", "de", 16_000)
    np.testing.assert_array_equal(voices.speak("five", "en-us", 16_000), first)
    assert 0.2 < len(first) / 16_000 < 0.9
    assert 0.1 < np.abs(first).max() <= 1.1
    # No silence before or after.
    assert np.abs(first[[0, -1]]).min() > 0.01 * np.abs(first).max()


def test_settings_of_a_voice(voices: Any) -> None:
    def centroid(wave: Any) -> float:
        power = np.abs(np.fft.rfft(wave)) ** 2
        return float((power * np.arange(len(power))).sum() / power.sum() / len(wave))

    def say(**settings: Any) -> Any:
        return voices.speak("seven", "en", 22_050, **settings)

    assert len(say(speed=100)) > 1.3 * len(say(speed=180))
    short, long = say(tract=1.2), say(tract=0.9)
    assert centroid(short) > 1.1 * centroid(long)
    assert len(short) == pytest.approx(len(long), rel=0.15)


def test_every_word_can_be_said(voices: Any) -> None:
    """Languages and accents exist in the espeak-ng at hand."""
    for accent in voices.ACCENTS:
        assert len(voices.speak("nine", accent, 16_000)) > 2000
    for word in ("fünf", "zwei"):
        assert len(voices.speak(word, "de", 16_000)) > 2000


@pytest.mark.usefixtures("speaking")
def test_unknown_voice(voices: Any, espeak: Any) -> None:
    with pytest.raises(espeak.EspeakError, match="'xx': no such voice") as caught:
        voices.speak("one", "xx", 16_000)
    assert "\n" not in str(caught.value)


def test_speakers_of_the_test_part(voices: Any) -> None:
    """SHD: two voices in the test part only, as in the genuine set; SSC: no voice in two parts."""

    def speakers(layout: str, split: str, number: int) -> set[int]:
        labels = range(len(voices.WORDS[layout]))
        return {voices.recording(layout, split, k, n, 0).speaker for k in labels for n in range(number)}

    train, test = speakers("shd", "train", 20), speakers("shd", "test", 20)
    assert test - train == set(voices.ONLY_TEST)
    assert train == set(range(12)) - set(voices.ONLY_TEST)
    parts = [speakers("ssc", split, 30) for split in voices.SPLITS["ssc"]]
    assert len(set.union(*parts)) == sum(map(len, parts)) > 90
    assert len({voices.speaker("shd", number) for number in range(12)}) == 12


def test_no_recording_is_made_twice(voices: Any) -> None:
    made = [
        voices.recording("shd", split, label, number, seed)
        for split in ("train", "test")
        for label in range(20)
        for number in range(10)
        for seed in (0, 1)
    ]
    assert max(Counter(one.seed for one in made).values()) == 1
    sounds = Counter((one.label, one.voice, one.speed, one.pitch, one.span, one.tract) for one in made)
    assert len(sounds) > 0.99 * len(made)


def test_clips_of_commands_are_a_second_long(voices: Any) -> None:
    for number in range(3):
        clip = voices.sound(voices.recording("ssc", "train", 32, number, 0))
        assert len(clip) == voices.RATE["ssc"]
        assert 0 < np.abs(clip[:50]).max() < np.abs(clip).max()


# Files


def test_words_to_tonic(speech: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two real words, by two processes, read by tonic; and again, from the cache."""
    datasets = pytest.importorskip("tonic.datasets")
    monkeypatch.setitem(speech.WORDS, "ssc", ("two", "six"))
    file = tmp_path / "SSC" / "ssc_valid.h5"
    file.parent.mkdir()
    seen: list[tuple[int, int]] = []
    assert speech.make(file, "valid", 1, 0, lambda *progress: seen.append(progress), workers=2) == file
    assert seen == [(0, 2), (1, 2), (2, 2)]
    # tonic looks for the archive as well.
    (file.parent / "ssc_valid.h5.zip").touch()
    read = datasets.SSC(str(tmp_path), split="valid")
    assert [word.decode() for word in read.classes] == ["two", "six"]
    assert sorted(int(read[i][1]) for i in range(len(read))) == [0, 1]
    for i in range(2):
        events = read[i][0]
        assert 2000 < len(events) < 30_000
        assert (np.diff(events["t"]) >= 0).all()
        assert 100_000 < events["t"][-1] < 1_400_000
        assert events["x"].min() >= 0
        assert 350 < events["x"].max() < 700
    labels, speakers, times, _ = content(file)
    assert sorted(labels) == [0, 1]
    assert len(set(speakers)) == 2
    assert [len(one) for one in times] == [len(read[i][0]) for i in range(2)]

    monkeypatch.setattr(speech, "spikes", None)
    again = tmp_path / "ssc_again.h5"
    speech.make(again, "valid", 1, workers=1)
    with h5py.File(file) as one, h5py.File(again) as two:
        for name in ("spikes/times", "spikes/units"):
            for i in range(2):
                np.testing.assert_array_equal(one[name][i], two[name][i])  # pyright: ignore[reportIndexIssue]


@pytest.mark.parametrize(("layout", "split"), [("shd", "train"), ("shd", "test"), ("ssc", "valid")])
@pytest.mark.usefixtures("converted")
def test_layout(speech: Any, tmp_path: Path, layout: str, split: str) -> None:
    file = speech.make(tmp_path / f"{layout}_{split}.h5", split, 3, workers=1)
    classes = len(speech.WORDS[layout])
    with h5py.File(file) as content:
        held: Any = content
        assert held["spikes/times"].shape == held["spikes/units"].shape == (3 * classes,)
        assert h5py.check_vlen_dtype(held["spikes/times"].dtype) == np.float16
        assert h5py.check_vlen_dtype(held["spikes/units"].dtype) == np.uint16
        labels, speakers = held["labels"][()], held["extra/speaker"][()]
        np.testing.assert_array_equal(np.bincount(labels), np.full(classes, 3))
        assert (np.diff(labels.astype(int)) < 0).any()
        assert held["extra/keys"][()].tolist() == [w.replace("ü", "ue").encode() for w in speech.WORDS[layout]]
        for i, label in enumerate(labels):
            assert len(held["spikes/times"][i]) == len(held["spikes/units"][i]) == 20 + label
        assert "synthetic" in held.attrs["stand_in"]
        if layout == "shd":
            assert {len(held[f"extra/meta_info/{k}"]) for k in ("gender", "age", "body_height")} == {12}
        assert speakers.max() < 12 or layout == "ssc"
    assert left_over(tmp_path) == [file.name]


@pytest.mark.usefixtures("converted")
def test_digits_to_tonic(speech: Any, tmp_path: Path) -> None:
    datasets = pytest.importorskip("tonic.datasets")
    (tmp_path / "SHD").mkdir()
    file = speech.make(tmp_path / "SHD" / "shd_test.h5", "test", 2, workers=1)
    (file.parent / "shd_test.h5.zip").touch()
    read = datasets.SHD(str(tmp_path), train=False)
    assert sorted(int(read[i][1]) for i in range(len(read))) == sorted(2 * list(range(20)))
    assert set(read.speaker) >= {4, 5}
    for i in range(len(read)):
        events, label = read[i]
        assert len(events) == 20 + label
        assert events["t"].max() <= 1_000_000


def test_more_recordings_keep_the_first(speech: Any, converted: list[Any], tmp_path: Path) -> None:
    speech.make(tmp_path / "shd_few.h5", "test", 1, workers=1)
    first = {one.seed for one in converted}
    speech.make(tmp_path / "shd_more.h5", "test", 2, workers=1)
    assert len(converted) == 40
    assert first < {one.seed for one in converted}


def test_an_interrupted_run_goes_on(
    speech: Any, converted: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = speech.spikes

    def until(number: int) -> Any:
        def spikes(what: Any) -> Any:
            if len(converted) == number:
                raise KeyboardInterrupt
            return whole(what)

        return spikes

    file = tmp_path / "shd_train.h5"
    monkeypatch.setattr(speech, "spikes", until(13))
    with pytest.raises(KeyboardInterrupt):
        speech.make(file, "train", 1, workers=1)
    assert left_over(tmp_path) == []
    monkeypatch.setattr(speech, "spikes", whole)
    seen: list[tuple[int, int]] = []
    speech.make(file, "train", 1, 0, lambda *progress: seen.append(progress), workers=1)
    assert seen[0] == (13, 20)
    assert len(converted) == 20
    assert left_over(tmp_path) == [file.name]


@pytest.mark.usefixtures("converted")
def test_an_interrupted_write_leaves_nothing(speech: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "shd_train.h5"
    file.write_bytes(b"as it was")

    def interrupted(self: Any, index: Any, value: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(h5py.Dataset, "__setitem__", interrupted)
        with pytest.raises(KeyboardInterrupt):
            speech.make(file, "train", 1, workers=1)
    assert file.read_bytes() == b"as it was"
    assert left_over(tmp_path) == [file.name]


def test_damaged_recordings_are_made_again(speech: Any, converted: list[Any], tmp_path: Path) -> None:
    file = speech.make(tmp_path / "shd_train.h5", "train", 1, workers=1)
    before = content(file)
    kept = sorted((tmp_path / "cache").rglob("*.npz"))
    assert len(kept) == 20
    kept[0].write_bytes(b"")
    kept[1].write_bytes(kept[1].read_bytes()[:-40])
    speech.make(file, "train", 1, workers=1)
    assert len(converted) == 22
    assert content(file) == before


@pytest.mark.usefixtures("converted")
def test_a_cache_that_cannot_be_written(speech: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path / "file" / "cache"))
    assert len(content(speech.make(tmp_path / "shd_train.h5", "train", 1, workers=1))[0]) == 20


def test_a_cache_in_the_home_folder(speech: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DRTRL_BENCH_CACHE", "~/kept")
    with speech.cached_recordings() as folder:
        assert folder.parent == tmp_path / "kept"


# Errors


def test_missing_espeak(speech: Any, espeak: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    monkeypatch.setattr(espeak, "SYSTEM", ("no-such-library.so",))
    with pytest.raises(espeak.EspeakError) as caught:
        speech.make(tmp_path / "shd_train.h5", "train", 1)
    message = str(caught.value)
    assert "pip install espeakng-loader" in message
    assert "Debian: espeak-ng" in message
    assert "\n" not in message
    assert left_over(tmp_path) == []


@pytest.mark.usefixtures("speaking")
def test_a_worker_that_fails(speech: Any, espeak: Any, voices: Any, tmp_path: Path) -> None:
    good = voices.recording("shd", "train", 2, 0, 0)
    bad = voices.Recording(**{**vars(good), "voice": "xx"})
    with pytest.raises(espeak.EspeakError, match="'two' with voice 'xx': no such voice"):
        speech.convert([(bad, tmp_path / "a.npz"), (bad, tmp_path / "b.npz")], 2, lambda done: None)
    assert left_over(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "split", "per_class", "message"),
    [
        ("gsc_train.h5", "train", 1, "gsc_train.h5: layout must be one of shd, ssc"),
        ("shd_valid.h5", "valid", 1, "shd has the parts train, test, not 'valid'"),
        ("ssc_valid.h5", "valid", 0, "per_class must be at least 1, not 0"),
    ],
)
def test_impossible_wishes(speech: Any, tmp_path: Path, name: str, split: str, per_class: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        speech.make(tmp_path / name, split, per_class)
    assert left_over(tmp_path) == []
