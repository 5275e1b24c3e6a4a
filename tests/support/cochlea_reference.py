"""What the data set authors' own program makes of three words: tests/data/cochlea.npz.

Made, in an environment with the packages named here, within a few minutes by

    pip install lauscher==1.0.1 espeakng-loader==0.2.4
    python tests/support/cochlea_reference.py

`lauscher` (LGPL-2.1) is called, not copied, and nothing else in the project needs it.
"""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

STAND_INS = Path(__file__).resolve().parents[2] / "datasets" / "stand_ins"
FILE = Path(__file__).resolve().parents[1] / "data" / "cochlea.npz"
WORDS = {"five": ("en-us", 22_050), "sieben": ("de", 16_000), "zero": ("en-029", 48_000)}
PLACES = (0, 140, 320, 500, 640)
"""Units whose inner stages are kept."""
FREQUENCIES = np.geomspace(50, 20_000, 40)
BINS, GROUP = 0.01, 20
"""s and units: spikes are kept as counts in such boxes."""


def module(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, STAND_INS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def boxes(times: NDArray[Any], units: NDArray[Any], duration: float) -> NDArray[np.int16]:
    """Spikes counted per BINS of time and GROUP of units: [bins, 700 / GROUP]."""
    counts = np.zeros((int(duration / BINS) + 1, 700 // GROUP), np.int16)
    np.add.at(counts, ((times / BINS).astype(int), units.astype(int) // GROUP), 1)
    return counts


def words() -> dict[str, NDArray[np.int16]]:
    """The words as espeak-ng says them, at the rates of WORDS."""
    from scipy import signal

    espeak = module("espeak")
    said = {}
    for word, (voice, rate) in WORDS.items():
        wave = np.frombuffer(espeak.say(word, voice, 175, 50, 50), np.int16)
        divisor = np.gcd(rate, espeak.RATE)
        resampled = signal.resample_poly(wave / 2**15, rate // divisor, espeak.RATE // divisor)
        said[word] = np.round(2**15 * np.clip(resampled, -1, 1 - 2**-15)).astype(np.int16)
    return said


def fibres(steps: int) -> NDArray[np.bool_]:
    """Random spikes of 40 fibres: [steps, 40], with a rate that rises and falls."""
    chance = 0.03 * (1 + np.sin(np.arange(steps) / 200)) ** 2
    return np.random.default_rng(7).random((steps, 40)) < chance[:, None]


def reference(said: dict[str, NDArray[np.int16]]) -> dict[str, NDArray[Any]]:
    """All that is kept, by lauscher."""
    from lauscher.audiowaves import MonoAudioWave  # pyright: ignore[reportMissingImports]
    from lauscher.transformations import (  # pyright: ignore[reportMissingImports]
        BasilarMembrane,
        BushyCell,
        HairCell,
        HanningWindow,
        RmsNormalizer,
    )

    membrane, cell = BasilarMembrane(), BushyCell()
    kept: dict[str, NDArray[Any]] = {
        "transfer": np.array([membrane._v(2 * np.pi * FREQUENCIES, membrane.ch[place]) for place in PLACES]),
        "bushy": np.flatnonzero(cell._lif(fibres(4000).astype(float), 11_025)),
    }
    for word, (_, rate) in WORDS.items():
        wave = MonoAudioWave(said[word] / 2**15, rate)
        velocity = wave.transform(RmsNormalizer(0.3)).transform(HanningWindow()).transform(membrane)
        probability = velocity.transform(HairCell())
        np.random.seed(0)
        spikes = probability.transform(cell)
        kept[f"{word}_wave"] = said[word]
        kept[f"{word}_boxes"] = boxes(spikes.spike_times, spikes.spike_labels, len(said[word]) / rate)
        if word == "sieben":
            kept["velocity"] = velocity.channels[list(PLACES)].astype(np.float32)
            kept["probability"] = HairCell()(
                type(velocity)(kept["velocity"].astype(float), velocity.sample_rate)
            ).channels.astype(np.float32)
    return kept


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(FILE, allow_pickle=False, **reference(words()))
    print(f"{FILE}: {FILE.stat().st_size} bytes")
