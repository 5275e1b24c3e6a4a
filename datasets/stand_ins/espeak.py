"""Speak one word with espeak-ng, in a process of its own.

The synthesiser keeps pitch, noise and timing from one utterance to the next, so only the first word of a fresh process
is always the same. Run as a script, this file needs nothing but Python and the library, and starts in milliseconds.
"""

import ctypes
import importlib.util
import subprocess
import sys

RATE = 22_050
"""Sampling rate of espeak-ng's built-in voices, in Hz."""
MISSING = "espeak-ng is missing: `pip install espeakng-loader`, or install the system's package (Debian: espeak-ng)"
SYSTEM = ("libespeak-ng.so.1", "libespeak-ng.1.dylib", "libespeak-ng.dll")
RETRIEVAL, UTF8, SPEED, PITCH, RANGE = 1, 1, 1, 3, 4
"""Constants of espeak-ng's speak_lib.h: sound goes to a callback; encoding; parameters."""


class EspeakError(OSError):
    """espeak-ng is missing or cannot speak; the message is one line."""


def library() -> tuple[str, str]:
    """Return the paths of the library and of its data ("" for the library's default).

    The wheel comes first: its version is pinned, so words sound the same everywhere. Raises EspeakError if neither the
    wheel nor the system has the library.
    """
    if importlib.util.find_spec("espeakng_loader"):
        import espeakng_loader  # pyright: ignore[reportMissingImports]

        return espeakng_loader.get_library_path(), espeakng_loader.get_data_path()
    for name in SYSTEM:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return name, ""
    raise EspeakError(MISSING)


def version() -> str:
    """Return the version of espeak-ng, on which the sound of words depends."""
    path, data = library()
    espeak = ctypes.CDLL(path)
    espeak.espeak_Info.restype = ctypes.c_char_p
    return espeak.espeak_Info(None).decode().split()[0] + ("" if data else " (system)")


def say(text: str, voice: str, speed: int, pitch: int, span: int) -> bytes:
    """Return a word as 16-bit samples at RATE: `speed` in words per minute, `pitch` and its `span` from 0 to 99.

    Raises EspeakError if espeak-ng is missing, does not know the voice, or says nothing.
    """
    arguments = [*library(), text, voice, str(speed), str(pitch), str(span)]
    try:
        process = subprocess.run([sys.executable, "-I", "-S", __file__, *arguments], capture_output=True, timeout=60)
    except subprocess.TimeoutExpired:
        raise EspeakError(f"espeak-ng does not come to an end with {text!r} and voice {voice!r}") from None
    if process.returncode or not process.stdout:
        reason = process.stderr.decode(errors="replace").strip().rpartition("\n")[2] or "no sound"
        raise EspeakError(f"espeak-ng cannot say {text!r} with voice {voice!r}: {reason}")
    return process.stdout


def main(path: str, data: str, text: str, voice: str, speed: str, pitch: str, span: str) -> None:
    """Write the samples of a word to standard output."""
    espeak = ctypes.CDLL(path)
    chunks: list[bytes] = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
    def keep(samples: int | None, count: int, _: int | None) -> int:
        if samples and count > 0:
            chunks.append(ctypes.string_at(samples, 2 * count))
        return 0

    if espeak.espeak_Initialize(RETRIEVAL, 0, data.encode() or None, 0) != RATE:
        sys.exit(f"its data are not where they should be ({data or 'the system folder'})")
    espeak.espeak_SetSynthCallback(keep)
    if espeak.espeak_SetVoiceByName(voice.encode()):
        sys.exit("no such voice")
    for parameter, value in ((SPEED, speed), (PITCH, pitch), (RANGE, span)):
        espeak.espeak_SetParameter(parameter, int(value), 0)
    word = text.encode() + b"\0"
    espeak.espeak_Synth(word, ctypes.c_size_t(len(word)), 0, 0, 0, UTF8, None, None)
    espeak.espeak_Synchronize()
    sys.stdout.buffer.write(b"".join(chunks))


if __name__ == "__main__":
    main(*sys.argv[1:])
