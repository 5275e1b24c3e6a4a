"""Convert sound into spikes of 700 bushy cells, by the cochlea model behind the Heidelberg Spiking Data Sets.

Source: Cramer, Stradmann, Schemmel & Zenke 2020, "The Heidelberg Spiking Data Sets for the Systematic Evaluation of
Spiking Neural Networks", IEEE TNNLS, doi:10.1109/TNNLS.2020.3044364, in four stages:

    sound     root mean square LEVEL, faded in and out by a Hann window
    membrane  hydrodynamic, shallow water: Sieroka, Dosch & Rupp 2006, J. Acoust. Soc. Am. 120:297
    hair cell transmitter pools: Meddis 1986, J. Acoust. Soc. Am. 79:702; 1988, 83:1056
    bushy     a leaky integrate-and-fire neuron fed by 40 fibres of the same place

Parameters, and what the papers leave open (the window is as long as the sound; everything after the membrane runs at
half the rate of the sound; the order of updates), are those of the authors' program, `lauscher` 1.0.1. The code is our
own: all units are stepped together, and the membrane is a convolution with responses computed once per rate.

In `lauscher` the membrane responds before the sound arrives: the model is written for exp(-i omega t), its transform
for exp(+i omega t), so every impulse response runs backwards, by up to 20 ms at the low places. The default here does
the same, because the published data came from that program; `mirrored=False` gives the causal membrane.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, signal, special

Array = NDArray[np.float64]

UNITS = 700
LEVEL = 0.3
"""Root mean square of the sound before the window."""
SLOWEST = 16_000
"""The lowest rate in Hz: below it the hair cell's Euler steps grow unstable."""

LENGTH, ALPHA = 3.5, 3.0
"""Membrane: cm from base to apex, and how stiffness falls along it, exp(-ALPHA x), per cm."""
STIFFNESS, OFFSET = 1e9, 3500.0
"""g s^-2 cm^-2: stiffness S(x) = STIFFNESS exp(-ALPHA x) - OFFSET."""
DENSITY, HEIGHT, MASS = 1.0, 0.1, 0.05
"""Density of the fluid (g cm^-3), height of its channel (cm), mass of the membrane (g cm^-2)."""
RESISTANCE = 0.15 * np.sqrt(STIFFNESS * MASS)
"""R(x) = RESISTANCE exp(-ALPHA x / 2)."""
MEMORY = 0.2
"""s: impulse responses are 0 outside a window that long, a quarter of it on the far side of the impulse."""

REPLENISH, RELEASE, LOSS, REUPTAKE, REPROCESS = 5.05, 2000.0, 2500.0, 6580.0, 66.3
"""Hair cell: y, g, l, r, x of Meddis, per s."""
PERMEABLE_AT, HALF_PERMEABLE, FIRING, FULL = 5.0, 300.0, 50_000.0, 1.0
"""Hair cell: A, B, h (per s) and M of Meddis."""

FIBRES, FIBRE_REFRACTORY = 40, 1e-3
TAU_MEMBRANE, TAU_SYNAPSE, REFRACTORY = 1e-3, 5e-4, 1e-3
WEIGHT = 13_000.0 / FIBRES
"""Bushy cell: membrane voltage per s and fibre spike; its threshold is 1."""


def spikes(
    wave: ArrayLike, rate: int, seed: int, *, level: float | None = LEVEL, mirrored: bool = True
) -> tuple[Array, NDArray[np.int64]]:
    """Return the spikes that a sound causes: times in s, ascending, and units, 0 (high tones) to 699 (low tones).

    `wave` [n] at `rate` Hz is set to root mean square `level` (None: left as loud as it is). The same seed gives the
    same spikes. Raises ValueError if the wave is empty, not one channel or not finite, or the rate below 16 kHz.
    """
    velocity = membrane_velocity(prepare(wave, level), rate, mirrored)
    probability = firing_probability(velocity, rate / 2)
    is_spike = bushy_cells(fibre_spikes(probability, rate / 2, seed), rate / 2)
    step, unit = np.nonzero(is_spike)
    return step / (rate / 2), unit


def prepare(wave: ArrayLike, level: float | None = LEVEL) -> Array:
    """Return the sound at root mean square `level`, under a Hann window of the same length. Silence stays silent."""
    sound = np.array(wave, float)
    if sound.ndim != 1 or sound.size == 0 or not np.isfinite(sound).all():
        raise ValueError(f"wave must be one channel of finite samples, not an array of shape {sound.shape}")
    loudness = np.sqrt(np.mean(sound**2))
    if level is not None and loudness > 0:
        sound *= level / loudness
    half = sound.size // 2
    ramp = np.hanning(2 * half)[:half]
    sound[:half] *= ramp
    sound[sound.size - half :] *= ramp[::-1]
    return sound


def membrane_velocity(sound: Array, rate: int, mirrored: bool = True) -> Array:
    """Return the velocity of the basilar membrane at 700 places, base to apex, in every second sample: [n / 2, 700]."""
    if rate < SLOWEST:
        raise ValueError(f"rate must be at least {SLOWEST} Hz, not {rate}: resample the sound first")
    responses, before = impulse_responses(rate, mirrored)
    size = fft.next_fast_len(sound.size + responses.shape[1], real=True)
    spectrum = np.fft.rfft(sound, size)
    velocity = np.empty((len(sound[::2]), UNITS))
    # A few places at a time stay in the processor's cache: several times faster than all at once.
    for places in np.split(np.arange(UNITS), UNITS // 25):
        response = np.fft.irfft(np.fft.rfft(responses[places], size, axis=1) * spectrum, size, axis=1)
        velocity[:, places] = response[:, before : before + sound.size : 2].T
    return velocity


@lru_cache(maxsize=2)
def impulse_responses(rate: int, mirrored: bool = True) -> tuple[Array, int]:
    """Return each place's response to a click, [700, MEMORY * rate], and the number of samples before the click."""
    samples = 2 * round(MEMORY * rate / 2)
    spectrum = np.zeros((UNITS, samples // 2 + 1), complex)
    omega = 2 * np.pi * np.arange(1, samples // 2 + 1) * rate / samples
    response = transfer(np.linspace(0, LENGTH, UNITS), omega)
    spectrum[:, 1:] = response if mirrored else response.conj()
    before = samples * 3 // 4 if mirrored else samples // 4
    return np.roll(np.fft.irfft(spectrum, samples, axis=1), before, axis=1), before


def transfer(place: Array, omega: Array) -> NDArray[np.complex128]:
    """Return the membrane's velocity at `place` (cm from the base) per pressure exp(-i omega t): [places, omegas].

    The travelling wave of Sieroka et al. is p = sqrt(G / g) H0(G), with wave number g = omega sqrt(rho / (h xi)),
    impedance xi = S - m omega^2 - i omega R and phase G(x) = 2 g(0) / alpha + integral of g from 0 to x. With
    u = exp(-alpha x / 2), xi is a quadratic c u^2 + b u - a, so the integral is elementary.
    """
    u = np.exp(-ALPHA * place / 2)[:, None]
    a, b, c = OFFSET + MASS * omega**2, -1j * omega * RESISTANCE, STIFFNESS
    scale = omega * np.sqrt(DENSITY / HEIGHT)

    def root_xi(u: Array | float) -> NDArray[np.complex128]:
        return np.sqrt(c * u**2 + b * u - a)

    def antiderivative(u: Array | float) -> NDArray[np.complex128]:
        return 2j * scale / (ALPHA * np.sqrt(a)) * np.log((2j * np.sqrt(a) * root_xi(u) + b * u - 2 * a) / u)

    def pressure(G: NDArray[np.complex128], u: Array | float) -> NDArray[np.complex128]:
        return np.sqrt(G * root_xi(u) / scale) * special.hankel1(0, G)

    base = 2 * scale / (ALPHA * root_xi(1.0))
    wave = pressure(base + antiderivative(1.0) - antiderivative(u), u) / pressure(base, 1.0)
    entry = 2 * omega / ALPHA * np.sqrt(2 * DENSITY / (HEIGHT * STIFFNESS))
    # H0 / H1 of the second kind, times i: the input impedance at the base.
    impedance = np.sqrt(2 * STIFFNESS / HEIGHT) * 1j * special.hankel2(0, entry) / special.hankel2(1, entry)
    return 2 * omega / root_xi(u) ** 2 * wave * impedance


def firing_probability(velocity: Array, rate: float) -> Array:
    """Return the probability that a rested fibre fires, per step, [T, 700], from velocities [T, 700] at `rate` Hz.

    Transmitter moves between the free pool q, the cleft c and the pool w in reprocessing; the membrane's velocity opens
    the way out of q, and c makes fibres fire.
    """
    dt = 1 / rate
    drive = np.maximum(velocity + PERMEABLE_AT, 0)
    permeability = RELEASE * dt * drive / (drive + HALF_PERMEABLE)
    rest = RELEASE * PERMEABLE_AT / (PERMEABLE_AT + HALF_PERMEABLE)
    level = FULL * REPLENISH * rest / (LOSS * rest + REPLENISH * (LOSS + REUPTAKE))
    c = np.full(velocity.shape[1], level)
    q, w = c * (LOSS + REUPTAKE) / rest, c * REUPTAKE / REPROCESS
    cleft = np.empty_like(velocity)
    for step, k in enumerate(permeability):
        ejection, reprocessing = k * q, REPROCESS * dt * w
        reuptake, outflow = REUPTAKE * dt * c, (LOSS + REUPTAKE) * dt * c
        q = np.maximum(q + REPLENISH * dt * np.maximum(FULL - q, 0) - ejection + reprocessing, 0)
        c = np.maximum(c + ejection - outflow, 0)
        w = np.maximum(w + reuptake - reprocessing, 0)
        cleft[step] = c
    return FIRING * dt * cleft


def fibre_spikes(probability: Array, rate: float, seed: int) -> NDArray[np.int64]:
    """Draw the number of a unit's 40 fibres that fire in each step: [T, 700].

    probability: [T, 700], for a fibre at rest, in steps of 1 / `rate` s. A fibre that has fired is silent for
    FIBRE_REFRACTORY. The other fibres are equal, so a binomial number of them fires.
    """
    rng = np.random.default_rng(seed)
    pause = int(np.ceil(FIBRE_REFRACTORY * rate))
    probability = np.minimum(probability, 1)
    counts = np.zeros(probability.shape, np.int64)
    available = np.full(probability.shape[1], FIBRES)
    for step, chance in enumerate(probability):
        if step >= pause:
            available += counts[step - pause]
        counts[step] = rng.binomial(available, chance)
        available -= counts[step]
    return counts


def bushy_cells(fibres: NDArray[np.int64], rate: float) -> NDArray[np.bool_]:
    """Return whether each bushy cell spikes in each step, [T, 700], from the numbers of fibres [T, 700] that fire."""
    dt = 1 / rate
    pause = int(np.ceil(REFRACTORY * rate))
    drive = signal.lfilter([WEIGHT * dt], [1, -np.exp(-dt / TAU_SYNAPSE)], fibres, axis=0)
    decay = np.exp(-dt / TAU_MEMBRANE)
    is_spike = np.zeros(fibres.shape, bool)
    voltage = np.zeros(fibres.shape[1])
    waits = np.zeros(fibres.shape[1], int)
    for step, current in enumerate(np.asarray(drive)):
        waits = np.where(voltage >= 1, pause, waits - 1)
        voltage = np.where(waits > 0, 0, voltage * decay + current)
        # The last step cannot spike, as in the authors' program, which sees a spike one step later.
        is_spike[step] = (voltage >= 1) & (step < len(drive) - 1)
    return is_spike
