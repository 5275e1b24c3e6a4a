"""Damages files of data sets, and looks what the command makes of each: `python tests/campaigns/data_files.py [FILES]`.

A process of its own checks one damaged set after the other with `drtrl-bench data check` and `data list`, and draws a
problem of it, as `drtrl-bench run` does. What may come of it: numbers, or one line for each fault. What may not: a
traceback, an ended process, more than LIMIT_S seconds of the processor, more than MOST_BYTES of memory.
"""

import io
import json
import os
import random
import selectors
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

TESTS = Path(__file__).parent.parent
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))

from support.genuine import WRITERS, words  # noqa: E402  as a script it is not beside them

FILES = 700
LIMIT_S, PATIENCE_S = 10.0, 60.0
"""Seconds of the processor for a damaged set, and of the clock before it is taken to wait for ever."""
MOST_BYTES = 2 * 2**30
Damage = Callable[[Path, random.Random], None]


class Found(NamedTuple):
    """A damaged file, and what came of it."""

    damage: str
    file: str
    fault: str
    """Empty for numbers or a line; else "traceback", "hang", "ended", "slow", "memory", or what is wrong with the
    lines."""
    said: str
    seconds: float
    """Of the processor."""


# Damage to any file


def a_bit(file: Path, rng: random.Random) -> None:
    content = bytearray(file.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    file.write_bytes(content)


def a_bit_early(file: Path, rng: random.Random) -> None:
    """Where formats have their headers."""
    content = bytearray(file.read_bytes())
    content[rng.randrange(min(len(content), 128))] ^= 1 << rng.randrange(8)
    file.write_bytes(content)


def many_bits(file: Path, rng: random.Random) -> None:
    content = bytearray(file.read_bytes())
    for _ in range(20):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    file.write_bytes(content)


def cut(file: Path, rng: random.Random) -> None:
    os.truncate(file, rng.randrange(file.stat().st_size))


def empty(file: Path, rng: random.Random) -> None:
    os.truncate(file, 0)


def longer(file: Path, rng: random.Random) -> None:
    with file.open("ab") as content:
        content.write(rng.randbytes(rng.randrange(1, 2000)))


def zeros(file: Path, rng: random.Random) -> None:
    content = bytearray(file.read_bytes())
    start = rng.randrange(len(content))
    content[start : start + 64] = bytes(len(content[start : start + 64]))
    file.write_bytes(content)


def noise(file: Path, rng: random.Random) -> None:
    file.write_bytes(rng.randbytes(rng.choice([5, 500, 50_000])))


def holes(file: Path, rng: random.Random) -> None:
    os.truncate(file, rng.choice([2**33, 2**40, 2**43]))


def a_pipe(file: Path, rng: random.Random) -> None:
    file.unlink()
    os.mkfifo(file)


def a_folder(file: Path, rng: random.Random) -> None:
    file.unlink()
    file.mkdir()


def linked(target: str) -> Damage:
    def damage(file: Path, rng: random.Random) -> None:
        file.unlink()
        file.symlink_to(target)

    damage.__name__ = f"a link to {target}"
    return damage


def to_itself(file: Path, rng: random.Random) -> None:
    file.unlink()
    file.symlink_to(file)


def to_a_pipe(file: Path, rng: random.Random) -> None:
    file.unlink()
    os.mkfifo(file.with_name(".pipe"))
    file.symlink_to(file.with_name(".pipe"))


def unreadable(file: Path, rng: random.Random) -> None:
    file.chmod(0)


ANY: list[Damage] = [
    *(a_bit, a_bit_early, many_bits, cut, empty, longer, zeros, noise),
    *(holes, a_pipe, a_folder, to_itself, to_a_pipe, unreadable),
    *map(linked, ("/dev/zero", "/dev/null", "/no/such/file", "/proc/self/mem", ".")),
]

# Damage to N-MNIST


def only_wraps(file: Path, rng: random.Random) -> None:
    file.write_bytes(bytes([9, 240, 0, 0, 0]) * rng.choice([1, 5000, 900_000]))


def wraps_at_the_end(file: Path, rng: random.Random) -> None:
    file.write_bytes(file.read_bytes() + bytes([9, 240, 0, 0, 0]) * 900_000)


def far_away(file: Path, rng: random.Random) -> None:
    content = bytearray(file.read_bytes())
    content[rng.choice([0, 1])] = rng.randrange(34, 240)
    file.write_bytes(content)


# Damage to DVS-Gesture


def header(text: str, version: tuple[int, int] = (1, 0), length: int | None = None) -> Damage:
    """A header of that text before the numbers; `length` is what it says of itself."""

    def damage(file: Path, rng: random.Random) -> None:
        numbers = np.load(file).tobytes()
        said = text.encode("latin1")
        form = "<H" if version == (1, 0) else "<I"
        file.write_bytes(b"\x93NUMPY" + bytes(version) + struct.pack(form, length or len(said)) + said + numbers)

    damage.__name__ = f"header {text[:50]}"
    return damage


def described(kind: str, shape: str, order: bool = False) -> Damage:
    return header(f"{{'descr': {kind}, 'fortran_order': {order}, 'shape': {shape}, }}\n")


def kept_as(kind: Any) -> Damage:
    def damage(file: Path, rng: random.Random) -> None:
        np.save(file, np.load(file).astype(kind))

    damage.__name__ = f"as {kind}"
    return damage


def pickled(file: Path, rng: random.Random) -> None:
    np.save(file, np.array([[{}, 1, 2, 3]], object), allow_pickle=True)


def an_archive(file: Path, rng: random.Random) -> None:
    with file.open("wb") as content:
        np.savez(content, events=np.zeros((5, 4)))


GESTURES = [
    *(described("'<i8'", shape) for shape in ("(1000000000000, 4)", "(-60, 4)", "(60,)", "()", "(True, 4)", "(0, 4)")),
    *(described("'<i8'", shape) for shape in ("(2, 120)", "(30, 4, 2)", "(20, 4)", "(61, 4)", "60", "'x'")),
    *(described(kind, "(60, 4)") for kind in ("'|O'", "'|V0'", "'<U9999999'", "'<M8[us]'", "'>i8'", "'<f2'", "'<c16'")),
    *(described(kind, "(60, 4)") for kind in ("[('x', '<i8')]", "{}", "'<i8' * 9", "('<i8', (99999999,))", "'|S0'")),
    described("'<i8'", "(60, 4)", True),
    header("{'descr': '<i8', 'shape': (60, 4)}\n"),
    header("(" * 9000 + "\n"),
    header("-" * 9000 + "1\n"),
    header("'\\d'\n"),
    header("{'descr': '<i8', 'fortran_order': False, 'shape': (60L, 4L), }\n"),
    header("{'descr': '<i8', 'fortran_order': False, 'shape': (60, 4), }\n", (9, 9)),
    header("{'descr': '<i8', 'fortran_order': False, 'shape': (60, 4), }\n", (2, 0), 2**32 - 1),
    *map(kept_as, ("u1", "f2", ">i4", "f8", "c8", "S9", "?", "g")),
    *(pickled, an_archive),
]

# Damage to SHD


def edited(change: Callable[[Any, random.Random], None]) -> Damage:
    def damage(file: Path, rng: random.Random) -> None:
        import h5py

        with h5py.File(file, "r+") as content:
            change(content, rng)

    damage.__name__ = change.__name__
    return damage


NAMES = ("labels", "extra/speaker", "extra/keys", "spikes/times", "spikes/units")


def replaced(how: Callable[[Any, str, int], None]) -> Damage:
    """One of the arrays made anew."""

    def change(content: Any, rng: random.Random) -> None:
        name, number = rng.choice(NAMES), len(content["labels"])
        del content[name]
        how(content, name, number)

    change.__name__ = how.__name__
    return edited(change)


def a_huge_one(content: Any, name: str, number: int) -> None:
    content.create_dataset(name, (10**12,), "u2", chunks=(1024,))


def in_huge_chunks(content: Any, name: str, number: int) -> None:
    content.create_dataset(name, (number,), "u2", chunks=(2**30,), maxshape=(None,))


def elsewhere(content: Any, name: str, number: int) -> None:
    content.create_dataset(name, (number,), "u2", external=[("/dev/zero", 0, 10**6)])


def virtual(content: Any, name: str, number: int) -> None:
    import h5py

    layout = h5py.VirtualLayout((number,), "u2")
    layout[:] = h5py.VirtualSource("/dev/zero", "labels", (number,))
    content.create_virtual_dataset(name, layout)


def by_an_outer_link(content: Any, name: str, number: int) -> None:
    import h5py

    content[name] = h5py.ExternalLink("/dev/zero", "/labels")


def by_a_link_to_itself(content: Any, name: str, number: int) -> None:
    import h5py

    content[name] = h5py.SoftLink(f"/{name}")


def a_group(content: Any, name: str, number: int) -> None:
    content.create_group(name)


def one_number(content: Any, name: str, number: int) -> None:
    content[name] = 3


def nothing(content: Any, name: str, number: int) -> None:
    import h5py

    content[name] = h5py.Empty("f4")


def a_table(content: Any, name: str, number: int) -> None:
    content[name] = np.zeros((number, 5))


def texts(content: Any, name: str, number: int) -> None:
    content[name] = ["text"] * number


def pairs(content: Any, name: str, number: int) -> None:
    content[name] = np.zeros(number, [("a", "u2"), ("b", "f4")])


def rows_of_text(content: Any, name: str, number: int) -> None:
    import h5py

    content.create_dataset(name, (number,), h5py.vlen_dtype(np.dtype("f4")))


def none_there(content: Any, name: str, number: int) -> None:
    pass


def long_rows(file: Path, rng: random.Random) -> None:
    """A recording that says it has millions or thousands of millions of spikes."""
    import h5py

    with h5py.File(file) as content:
        column: Any = content[rng.choice(NAMES[3:])]
        start = column.id.get_offset() + 16 * rng.randrange(len(column))
    held = bytearray(file.read_bytes())
    held[start : start + 4] = struct.pack("<I", rng.choice([2**32 - 1, 2**31, 2**28, 10**6, 61, 0]))
    file.write_bytes(held)


MAKERS = (
    *(a_huge_one, in_huge_chunks, elsewhere, virtual, by_an_outer_link, by_a_link_to_itself, a_group, one_number),
    *(nothing, a_table, texts, pairs, rows_of_text, none_there),
)
WORDS = [*map(replaced, MAKERS), *map(replaced, MAKERS), long_rows, long_rows, long_rows, long_rows]

# Damage beside the recordings


def marked(text: bytes) -> Damage:
    def damage(file: Path, rng: random.Random) -> None:
        file.write_bytes(text)

    damage.__name__ = f"marker {text[:40]!r}"
    return damage


def saying(words: str) -> Damage:
    return marked(json.dumps({"of": "SHD", "stand_in": words, "synthetic": True}).encode())


MARKERS = [
    *map(marked, (b"[" * 10**5, b"1" * 10**5, b"\xff\xfe", b"[]", b'{"of": 1}', b"\xef\xbb\xbf{}", b"NaN", b"")),
    *map(saying, ("two\nlines", "\ud800", "\x1b[31mred", "x" * 10**4)),
    *(holes, a_pipe, a_folder, to_itself, noise, linked("/dev/zero")),
]
ARCHIVES = [holes, a_pipe, a_folder, to_itself, noise, empty, linked("/dev/zero")]
FILE = {
    "nmnist": "NMNIST/Test/4/00001.bin",
    "dvs_gesture": "DVSGesture/ibmGestureTest/user24_led/4.npy",
    "shd": "SHD/shd_test.h5",
}
OWN: dict[str, list[Damage]] = {
    "nmnist": [only_wraps, wraps_at_the_end, far_away],
    "dvs_gesture": GESTURES,
    "shd": WORDS,
}
BESIDE = {"nmnist": "NMNIST/Test.zip", "dvs_gesture": "DVSGesture/ibmGestureTest.tar.gz", "shd": "SHD/shd_test.h5.zip"}


def planned() -> list[tuple[str, str, Damage]]:
    """Every damage once: the data set, the file, and what is done to it."""
    found = [(name, file, damage) for name, file in FILE.items() for damage in (*ANY, *OWN[name])]
    markers = {name: f"{Path(file).parts[0]}/STAND_IN.json" for name, file in FILE.items()}
    found += [(name, file, damage) for name, file in markers.items() for damage in MARKERS]
    return found + [(name, file, damage) for name, file in BESIDE.items() for damage in ARCHIVES]


def chosen(number: int, rng: random.Random) -> list[tuple[str, str, Damage]]:
    """So many: every damage once before any is done again, with other random numbers; fewer are drawn."""
    every = planned()
    rounds = [rng.sample(every, len(every)) for _ in range(-(-number // len(every)))]
    return [each for one in rounds for each in one][:number]


# The process that reads


def written(base: Path) -> None:
    """Small sets, of their test parts alone."""
    WRITERS["nmnist"](base)
    WRITERS["dvs_gesture"](base)
    shutil.rmtree(base / "NMNIST" / "Train")
    shutil.rmtree(base / "DVSGesture" / "ibmGestureTrain")
    for digit in "012356789":
        shutil.rmtree(base / "NMNIST" / "Test" / digit)
    words(base / "SHD", "shd", ("test",), 3)


def command(*words: str) -> tuple[object, str]:
    """Exit code and output of `drtrl-bench` in this process; a traceback for what it does not catch."""
    import traceback

    from drtrl_bench.cli import app

    out = io.StringIO()
    sys.argv = ["drtrl-bench", *words]
    with redirect_stdout(out), redirect_stderr(out):
        try:
            app.main()
            code: object = 0
        except SystemExit as ended:
            code = ended.code
        except BaseException:
            code = "traceback"
            traceback.print_exc(file=out)
    return code, out.getvalue()


def drawn(name: str) -> tuple[object, str]:
    """What the process that makes a case's problem does with the data, and what the parent asks of them."""
    import traceback

    from drtrl_bench import data

    published, module = data.module("events.published"), data.dataset(name)
    try:
        data.label_and_fingerprint(name)
        module.batch(4, 2, 0, split="test")
    except (published.DamagedError, published.MissingError, published.ReaderError, OSError) as error:
        return 1, f"{error}\n"
    except ValueError as error:
        return "traceback", f"ValueError: {error}"
    except BaseException:
        return "traceback", traceback.format_exc()
    return 0, ""


def work() -> None:
    """Names of data sets from standard input, a line each; what came of each as JSON to standard output."""
    import resource

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what libraries print past Python
    import h5py  # noqa: F401
    from tonic import datasets  # noqa: F401  # pyright: ignore[reportMissingImports]

    for line in sys.stdin:
        name, began = line.strip(), time.process_time()
        found = [command("data", "check", name), command("data", "list"), drawn(name)] if name else []
        peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answers.write(json.dumps([found, peak, time.process_time() - began]) + "\n")
        answers.flush()


class Reader:
    """The process that reads, started again when it has ended or was ended."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        if self.process is None or self.process.poll() is not None:
            env = os.environ | {
                "COLUMNS": "80",
                "NO_COLOR": "1",
                "TERM": "dumb",
                "PYTHONPATH": os.pathsep.join(sys.path),
            }
            env |= {f"DRTRL_BENCH_{name.upper()}": str(self.base / name) for name in ("data", "cache")}
            line = [sys.executable, "-c", "from campaigns import data_files; data_files.work()"]
            with open(os.devnull, "wb") as nowhere:
                started = subprocess.Popen(
                    line, env=env, cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=nowhere
                )
            self.process = started
            self.ask("", 300)  # imports what reads
        assert self.process
        return self.process

    def ask(self, name: str, limit_s: float) -> Any:
        """What came of a data set; None if the process ended, or was ended because it took too long."""
        process = self.process
        assert process
        assert process.stdin
        assert process.stdout
        with suppress(BrokenPipeError):
            process.stdin.write(f"{name}\n".encode())
            process.stdin.flush()
        with selectors.DefaultSelector() as waiting:
            waiting.register(process.stdout, selectors.EVENT_READ)
            if not waiting.select(limit_s):
                self.stop()
                return "hang"
        answer = process.stdout.readline()
        return json.loads(answer) if answer else None

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.communicate()
            self.process = None


def judged(file: Path, answer: Any) -> tuple[str, str]:
    """What is wrong with an answer, if anything, and what was said."""
    if answer == "hang" or answer is None:
        return "hang" if answer else "ended", ""
    runs, peak, took = answer
    said = "".join(text for _, text in runs)
    if any(code == "traceback" or "Traceback" in text for code, text in runs):
        return "traceback", said
    if any(code not in (0, 1, 2) for code, _ in runs):
        return "exit code", said
    if took > LIMIT_S:
        return "slow", said
    if peak > MOST_BYTES:
        return f"memory: {peak}", said
    (checked, told), _, (code, reason) = runs
    named = [line for line in told.splitlines() if file.name in line and "archive not there" not in line]
    if checked and (not named or len(set(named)) != len(named)):
        return "not one line for each fault", said
    if code and len(reason.splitlines()) != 1:
        return "not one line", said
    return "", said


def campaign(base: Path, number: int, seed: int = 0) -> Iterator[Found]:
    """Damages one file after the other, each in sets that are otherwise whole."""
    rng, reader, whole = random.Random(seed), Reader(base), base / "whole"
    written(whole)
    (base / "data").mkdir()
    try:
        reader.start()
        for name, path, damage in chosen(number, rng):
            folder = Path(path).parts[0]
            shutil.copytree(whole / folder, base / "data" / folder)
            file = base / "data" / path
            if not file.exists():
                file.write_bytes(b"{}")
            damage(file, rng)
            reader.start()
            answer = reader.ask(name, PATIENCE_S)
            yield Found(damage.__name__, path, *judged(file, answer), answer[-1] if isinstance(answer, list) else 0.0)
            shutil.rmtree(base / "data" / folder)
    finally:
        reader.stop()


def main(number: int = FILES, seed: int = 0) -> int:
    """Prints what failed, and a line with the counts; 1 if anything did."""
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for each in campaign(Path(folder), number, seed):
            found.append(each)
            if each.fault:
                print(f"{each.file}: {each.damage}: {each.fault} ({each.seconds:.1f} s)\n{each.said}", flush=True)
    faults = [each for each in found if each.fault]
    slowest = max(found, key=lambda each: each.seconds)
    last = f"slowest {slowest.seconds:.1f} s of the processor: {slowest.damage}, {slowest.file}"
    print(f"{len(found)} files: {len(faults)} failures; {last}")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
