"""Choose who says which word and how, among the synthetic voices behind the stand-ins for SHD and SSC.

espeak-ng says the words; `cochlea` (the model of the data sets' authors) turns them into spikes. SHD gets the digits in
English and German, by twelve voices of which two are in the test part only, as the genuine one has two such speakers;
SSC gets the 35 words of Speech Commands, by voices that are in one part only, near the middle of a second of noise.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from . import cochlea, espeak

Array = NDArray[np.float64]

ENGLISH = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
GERMAN = ("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun")
COMMANDS = (
    *("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go", *ENGLISH),
    *("bed", "bird", "cat", "dog", "happy", "house", "marvin", "sheila", "tree", "wow"),
    *("backward", "forward", "follow", "learn", "visual"),
)
WORDS = {"shd": ENGLISH + GERMAN, "ssc": COMMANDS}
"""The classes in the order of their labels."""
RATE = {"shd": 48_000, "ssc": 16_000}
"""Hz of the recordings that the genuine sets were made from; spikes come in steps of twice the period."""
ACCENTS = ("en-us", "en", "en-gb-scotland", "en-029", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-us-nyc")
SPLITS = {"shd": ("train", "test"), "ssc": ("train", "valid", "test")}

SHD_SPEAKERS, ONLY_TEST = 12, (4, 5)
SHD_TEST = (4, 5, 4, 5, 4, 5, None)
"""The speakers of SHD's test part, in turn; None stands for one of the other speakers, in turn."""
SSC_SPEAKERS = {"train": range(60), "valid": range(60, 72), "test": range(72, 96)}
CLIP = 1.0
"""Length of an SSC clip in s."""
SHIFT = 0.1
"""The most seconds by which a word is off the middle of its clip."""
QUIET = 0.01
"""Loudness at which speech starts and ends, relative to the peak."""


@dataclass(frozen=True)
class Speaker:
    """Describe a voice: espeak-ng's settings, and how many times shorter than the synthesiser's its vocal tract is."""

    accent: str
    speed: int
    pitch: int
    span: int
    tract: float

    @property
    def gender(self) -> str:
        return "female" if self.tract > 1.08 else "male"


@dataclass(frozen=True)
class Recording:
    """Describe one recording by everything that its spikes depend on."""

    layout: str
    label: int
    word: str
    speaker: int
    voice: str
    speed: int
    pitch: int
    span: int
    tract: float
    seed: tuple[int, ...]


def speaker(layout: str, number: int) -> Speaker:
    """Return the voice with a number, which is the same for every call."""
    rng = np.random.default_rng([len(WORDS[layout]), number])
    high = number % 2
    return Speaker(
        accent=ACCENTS[number % len(ACCENTS)],
        speed=int(rng.integers(90, 135)),
        pitch=int(rng.integers(50, 80) if high else rng.integers(15, 50)),
        span=int(rng.integers(20, 70)),
        tract=round(rng.uniform(1.1, 1.22) if high else rng.uniform(0.9, 1.05), 3),
    )


def recording(layout: str, split: str, label: int, number: int, seed: int) -> Recording:
    """Return recording `number` of a class: its speaker, and how it differs from the speaker's others."""
    if layout == "shd":
        others = [n for n in range(SHD_SPEAKERS) if n not in ONLY_TEST]
        turns = SHD_TEST if split == "test" else (None,)
        who = turns[(number + label) % len(turns)]
        who = others[(number // len(turns) + label) % len(others)] if who is None else who
    else:
        who = SSC_SPEAKERS[split][(number + 7 * label) % len(SSC_SPEAKERS[split])]
    seeds = (seed, SPLITS[layout].index(split), label, number)
    voice, rng = speaker(layout, who), np.random.default_rng(seeds)
    return Recording(
        layout,
        label,
        WORDS[layout][label],
        who,
        voice="de" if layout == "shd" and label >= len(ENGLISH) else voice.accent,
        speed=round(voice.speed * rng.uniform(0.9, 1.1)),
        pitch=int(np.clip(voice.pitch + rng.integers(-5, 6), 0, 99)),
        span=int(np.clip(voice.span + rng.integers(-10, 11), 0, 99)),
        tract=round(voice.tract * rng.uniform(0.98, 1.02), 3),
        seed=seeds,
    )


def speak(
    word: str, voice: str, rate: int, speed: int = 140, pitch: int = 50, span: int = 50, tract: float = 1.0
) -> Array:
    """Speak a word with espeak-ng, without the silence around it: samples between -1 and 1 at `rate` Hz.

    voice: of espeak-ng, as "en-us" or "de". speed: words per minute. pitch, and the span of its movement: 0 to 99.
    tract: factor on every resonance, above 1 for a shorter vocal tract. Raises EspeakError if espeak-ng fails.
    """
    # Faster playback raises the resonances and shortens the word: ask for a slower one.
    speech = np.frombuffer(espeak.say(word, voice, round(speed / tract), pitch, span), np.int16) / 2**15
    ratio = Fraction(rate / (espeak.RATE * tract)).limit_denominator(500)
    wave = signal.resample_poly(speech, ratio.numerator, ratio.denominator)
    loud = np.flatnonzero(np.abs(wave) > QUIET * np.abs(wave).max())
    if loud.size == 0:
        raise espeak.EspeakError(f"espeak-ng says nothing for {word!r} with voice {voice!r}")
    return wave[loud[0] : loud[-1] + 1]


def sound(recording: Recording) -> Array:
    """Return the waveform of a recording; those of SSC are clips of a second, with background noise."""
    rate = RATE[recording.layout]
    wave = speak(
        recording.word, recording.voice, rate, recording.speed, recording.pitch, recording.span, recording.tract
    )
    if recording.layout == "shd":
        return wave
    rng = np.random.default_rng((*recording.seed, 1))
    size = round(CLIP * rate)
    wave = wave[:size]
    noise = signal.lfilter([1], [1, -rng.uniform(0, 0.95)], rng.normal(size=size))
    clip = np.asarray(noise) * (wave.std() / np.std(noise) * 10 ** (-rng.uniform(15, 40) / 20))
    room = size - wave.size
    start = int(np.clip(room / 2 + rate * rng.uniform(-SHIFT, SHIFT), 0, room))
    clip[start : start + wave.size] += wave
    return clip


def spikes(recording: Recording) -> tuple[NDArray[np.float16], NDArray[np.uint16]]:
    """Return the times (s) and units of a recording's spikes, as precise as in the genuine files."""
    seed = int(np.random.SeedSequence((*recording.seed, 2)).generate_state(1)[0])
    times, units = cochlea.spikes(sound(recording), RATE[recording.layout], seed)
    return times.astype(np.float16), units.astype(np.uint16)
