"""Record files that somebody else wrote, and appends that are broken, interleaved or killed.

    python tests/campaigns/records.py             # all of them, and 200 damaged at random
    python tests/campaigns/records.py --every 20  # each twentieth

Each file holds good lines and something else. It is shown, loaded, compared, gone on with by a run that measures
nothing, and each tenth is reported. The good records must be found in all of them. What fails is named; the last lines
count.
"""

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from drtrl_bench.case import Case
from drtrl_bench.measure import environment, runner
from drtrl_bench.records import appending, parsing, reading
from drtrl_bench.records.record import Line

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))
import trials
from support.lines import environment as environment_line
from support.lines import line

trials.CLOCK_S = 300.0  # of a report, whose figures take seconds of the processor, on a machine that has other work
VALUES: dict[str, str] = {
    "null": "null",
    "true": "true",
    "0": "0",
    "-1": "-1",
    "a fraction": "0.5",
    "10**400": "1" + "0" * 400,
    "5,000 digits": "7" * 5_000,
    "1e308": "1e308",
    "1e999": "1e999",
    "-1e999": "-1e999",
    "1e-320": "1e-320",
    "2**63": "9223372036854775808",
    "NaN": "NaN",
    "-Infinity": "-Infinity",
    "text": '"many"',
    "empty text": '""',
    "a lone surrogate": '"\\ud800"',
    "an escape": '"\\u001b[31m\\u0007\\u001b]0;x\\u0007"',
    "a change of direction": '"\\u202eabc"',
    "a line separator": '"a\\u2028b"',
    "a raw line separator": '"a\u2028b\x85c"',
    "a line end": '"a\\nb\\r"',
    "a zero character": '"\\u0000"',
    "mathtext": '"$\\\\frac{1}{0}$"',
    "half of mathtext": '"$x_{"',
    "markup": '"[bold red]x[/] [/nothing]"',
    "HTML": '"</script><img src=x onerror=alert(1)>"',
    "a template": '"{{ 7 * 7 }} {% for x in y %}"',
    "a formula": '"=HYPERLINK(1)"',
    "long text": '"' + "lif_" * 50_000 + '"',
    "a list": "[]",
    "a list of all sorts": '[1, "a", null, true, [2], {}]',
    "a list of zeros": "[0, 0, 0]",
    "a long list": str([1] * 150_000),
    "a table": "{}",
    "a table of all sorts": '{"": 1, "a b": [], "layer0": 5, "$x$": {}, "\\ud800": 1}',
    "a large table": json.dumps({f"layer0.w{i}": {"cosine": 0.5} for i in range(25_000)}),
    "nested lists": "[" * 500 + "]" * 500,
    "very nested lists": "[" * 50_000 + "]" * 50_000,
}
"""JSON, or nearly, that hardly any field may hold."""
FIELDS = [
    *("kind", "schema_version", "plan", "run", "round", "case_key", "case", "status", "reason", "env_hash", "data"),
    *("implementation_sha", "commit", "dirty", "plugins", "gate", "time", "memory", "fidelity", "activity", "floor"),
    *("started", "duration_s", "limit_s", "refused", "another"),
    *(f"case/{name}" for name in asdict(Case())),
    *("case/another", "data/label", "data/synthetic", "data/fingerprint", "gate/error", "gate/limit", "gate/steps"),
    *("gate/reference", "gate/another", "time/samples_s", "time/cpu_samples_s", "time/median_s", "time/low_s"),
    *("time/high_s", "time/iqr_s", "time/forward_s", "time/unstable", "time/busy", "time/phases", "time/another"),
    *("memory/working_bytes", "memory/analytic_bytes", "memory/meter", "memory/another", "fidelity/overall"),
    *("fidelity/per_layer", "fidelity/per_parameter", "fidelity/overall/cosine", "fidelity/overall/error"),
    *("fidelity/per_layer/readout", "activity/firing_rate", "activity/silent", "activity/another"),
]
FACTS = ["env_hash", "python", "versions", "cpu", "cores", "gpu", "os", "memory_gib", "variables", "another"]
SPARSE = 6
"""Every field has each sixth value, another sixth than the field before it."""
GOOD = [line(Case(framework=name), time_s=t) for name, t in (("jax", 0.01), ("torch", 0.02))]
GOOD += [line(Case(algorithm="bptt", chunk=128), time_s=0.03)]
"""Records that each file holds and no reader may lose."""
RUN = ("run", "quick", *(f"-k{word}" for word in ("drtrl", "jax", "lif_delta", "linear", "T=64")), "--records")
"""Of one case; a record file follows."""


def put(whole: dict[str, Any], at: str, value: str) -> bytes:
    """A line with JSON, or what is none, as its value at a place."""
    whole = json.loads(json.dumps(whole))
    *path, last = at.split("/")
    inner = whole
    for key in path:
        inner = inner.setdefault(key, {})
    inner[last] = "THE VALUE"
    return json.dumps(whole).replace('"THE VALUE"', value).encode("utf-8", "surrogatepass") + b"\n"


def dumped(*lines: dict[str, Any]) -> bytes:
    """Lines as a file has them."""
    return b"".join(json.dumps(each).encode() + b"\n" for each in lines)


def around(odd: bytes) -> bytes:
    """A file of good lines with something else among them."""
    return dumped(environment_line(), GOOD[0]) + odd + dumped(*GOOD[1:])


def many(number: int, of: Callable[[int], dict[str, Any]]) -> bytes:
    """Lines that are right, each by itself."""
    return dumped(*(of(i) for i in range(number)))


def weights(i: int) -> dict[str, Any]:
    """A record with names of weights that no other has."""
    found = line(Case(seed=i))
    found["fidelity"]["per_parameter"] = {f"layer0.w{i}_{j}": {"cosine": 0.5, "error": 0.1} for j in range(200)}
    return found


CONTENTS: dict[str, Callable[[], bytes]] = {
    "nothing odd": lambda: around(b""),
    "a file twice": lambda: around(b"") * 2,
    "blank lines": lambda: around(b"\n \n\t\r\n" * 1_000),
    "Windows' line ends": lambda: around(b"").replace(b"\n", b"\r\n"),
    "no last line end": lambda: around(b"").rstrip(b"\n"),
    "a byte-order mark": lambda: b"\xef\xbb\xbf" + around(b"\xef\xbb\xbf"),
    "two byte-order marks": lambda: around(b"\xef\xbb\xbf\xef\xbb\xbf" + dumped(line(Case(seed=9)))),
    "UTF-16": lambda: around(dumped(line(Case(seed=9))).decode().encode("utf-16") + b"\n"),
    "Latin-1": lambda: around(b'{"kind": "record", "reason": "caf\xe9"}\n'),
    "an encoded surrogate": lambda: around(b'{"kind": "record", "reason": "\xed\xa0\x80"}\n'),
    "zeros": lambda: around(b"\0" * 100_000 + b"\n"),
    "zeros at the end": lambda: around(b"") + b"\0" * 100_000,
    "an image": lambda: around(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40 + b"\n"),
    "separators of lines": lambda: around(put(line(Case(seed=9)), "reason", '"a\u2028b\u2029c\x85d\x0be\x0cf\x1cg"')),
    "a list of records": lambda: around(json.dumps([GOOD, GOOD]).encode() + b"\n"),
    "two records in a line": lambda: around(dumped(line(Case(seed=9)))[:-1] + dumped(line(Case(seed=8)))),
    "a record over many lines": lambda: around(json.dumps(line(Case(seed=9)), indent=1).encode() + b"\n"),
    "the same key twice": lambda: around(b'{"kind": "record", "kind": "environment", "kind": 5}\n'),
    "a line of 5 MiB": lambda: around(put(line(Case(seed=9)), "another", '"' + "x" * 5 * 2**20 + '"')),
    "a line of 20 MiB": lambda: around(put(line(Case(seed=9)), "another", '"' + "x" * 20 * 2**20 + '"')),
    "a line of 100 MiB": lambda: around(b"x" * 100 * 2**20 + b"\n"),
    "20,000 bad lines": lambda: around(b"nonsense\n" * 20_000),
    "a million bad lines": lambda: around(b"") + b"{\n" * 1_000_000,
    "two million blank lines": lambda: around(b"\n" * 2_000_000),
    "100,000 lines of another version": lambda: around(b'{"kind": "record", "schema_version": 2}\n' * 100_000),
    "2,000 environments": lambda: around(many(2_000, lambda i: environment_line(f"e{i}", cpu=f"cpu {i}"))),
    "2,000 environments in use": lambda: around(
        many(300, lambda i: environment_line(f"x{i}", cpu=f"cpu {i}"))
        + many(300, lambda i: line(Case(seed=i), env_hash=f"x{i}"))
    ),
    "an environment of 200 facts": lambda: around(dumped(environment_line() | {f"f{i}": i for i in range(190)})),
    "20,000 lines of a case": lambda: around(many(20_000, lambda i: line(Case(seed=9), duration_s=float(i)))),
    "1,000 rounds of a case": lambda: around(many(1_000, lambda i: line(Case(seed=9), round=i))),
    "1,000 layers": lambda: around(many(3, lambda i: line(Case(layers=1_000, seed=i)))),
    "100 layers in 100 lines": lambda: around(many(100, lambda i: line(Case(layers=100, seed=i)))),
    "20,000 weights in a line": lambda: around(
        put(line(Case(seed=9)), "fidelity/per_parameter", VALUES["a large table"])
    ),
    "200 weights of their own in 300 lines": lambda: around(many(300, weights)),
    "90 fields of its own in a case": lambda: around(
        many(50, lambda i: line(Case(seed=i)) | {"case": asdict(Case(seed=i)) | {f"x{i}_{j}": 1 for j in range(70)}})
    ),
    "times from 1e-300 to 1e9": lambda: around(
        many(9, lambda i: line(Case(seed=i), time_s=(1e-300, 1e-9, 1e-3, 1.0, 1e3, 1e6, 9e8, 2e-308, 1e-100)[i]))
    ),
    "errors from 0 to 1e300": lambda: around(
        many(5, lambda i: put_error(line(Case(seed=i)), (0.0, 1e-300, 1.0, 1e150, 1e300)[i]))
    ),
    "sizes of 2**63 - 1": lambda: around(put(line(Case(seed=9)), "memory/working_bytes", str(2**63 - 1))),
    "no measurement in a line that is ok": lambda: around(
        dumped(line(Case(seed=9)) | {"time": {}, "memory": {}, "fidelity": {}, "activity": {}})
    ),
    "null for whatever may be null": lambda: around(dumped(nulls(line(Case(seed=9))))),
}
"""What stands among the good lines."""


def nulls(whole: dict[str, Any]) -> dict[str, Any]:
    """A record that says little."""
    for name in ("reason", "run", "commit", "dirty", "gate", "started", "limit_s"):
        whole[name] = None
    return whole


def put_error(whole: dict[str, Any], error: float) -> dict[str, Any]:
    """A record with an error of its gradient."""
    whole["fidelity"]["overall"] = {"cosine": 0.5, "error": error, "norm_ratio": error, "sign_agreement": 0.5}
    return whole


ODD = ["a pipe", "a folder", "a socket", "empty", "a gigabyte", "ten gigabytes", "/dev/zero", "/dev/full", "/dev/null"]
ODD += ["/dev/random", "/dev/stdin", "/dev/tty", "/proc/self/mem", "/proc/self/maps", "/proc/kmsg", "nowhere"]
ODD += ["r.jsonl", "/", "/etc/passwd", "/proc/version", "a folder of odd files"]


def odd_file(kind: str, path: Path) -> None:
    """Puts what is no record file in a record file's place."""
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a socket":
        import socket

        socket.socket(socket.AF_UNIX).bind(str(path))
    elif kind in ("empty", "a gigabyte", "ten gigabytes"):
        with path.open("wb") as file:
            file.truncate({"empty": 0, "a gigabyte": 10**9}.get(kind, 10**10))
    elif kind == "a folder of odd files":
        path.mkdir()
        for index, each in enumerate(ODD[:3] + ODD[6:-1]):
            odd_file(each, path / f"{index}.jsonl")
        (path / "z.jsonl").write_bytes(around(b""))
    else:
        path.symlink_to(kind)


def damaged(seed: int) -> bytes:
    """A file of the project with some bytes changed, cut, doubled or put in."""
    rng = random.Random(seed)
    content = bytearray((Path(__file__).parents[2] / "results" / "records" / "quick.jsonl").read_bytes())
    for _ in range(rng.choice((1, 1, 2, 5, 30))):
        at, kind = rng.randrange(len(content)), rng.randrange(6)
        if kind == 0:
            content[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            content[at] = rng.choice(b"\0\x1b\"'[]{}:,.\n\\-9e")
        elif kind == 2:
            del content[at : at + rng.choice((1, 2, 20, 10_000))]
        elif kind == 3:
            content[at:at] = content[max(0, at - rng.choice((1, 40, 9_000))) : at]
        elif kind == 4:
            content[at:at] = rng.choice([v for v in VALUES.values() if len(v) < 1_000]).encode("utf-8", "surrogatepass")
        else:
            content[at:at] = bytes(rng.randrange(256) for _ in range(rng.choice((1, 4, 100))))
    return around(b"") + bytes(content)


def files(random_number: int) -> Iterator[tuple[str, Callable[[Path], Any], int]]:
    """Each kind of file by name, what makes it at a path, and how many of the good records are in it."""

    def content(make: Callable[[], bytes]) -> Callable[[Path], Any]:
        return lambda path: path.write_bytes(make())

    base = line(Case(seed=9))
    places = [(base, at, b"") for at in FIELDS]
    places += [(environment_line("e2"), at, dumped(base | {"env_hash": "e2"})) for at in FACTS]
    for row, (whole, at, after) in enumerate(places):
        for column, (name, value) in enumerate(VALUES.items()):
            if (row + column) % SPARSE == 0:
                made = content(lambda whole=whole, at=at, v=value, after=after: around(put(whole, at, v) + after))
                yield f"{whole['kind']}: {at} = {name}", made, len(GOOD)
    for name, make in CONTENTS.items():
        yield name, content(make), len(GOOD)
    for kind in ODD:
        yield f"a file that is {kind}", lambda path, kind=kind: odd_file(kind, path), len(GOOD) * ("of odd" in kind)
    for seed in range(random_number):
        yield f"damage {seed}", content(lambda seed=seed: damaged(seed)), len(GOOD)


def measure_nothing() -> None:
    """Lets a run go through its cases without a child, and without git and the like."""

    def child(*_: Any, **__: Any) -> dict[str, Any]:
        return {"status": "error", "reason": "not measured"}

    runner.child = child
    environment.output = lambda *_: None
    environment.checkout = lambda: {"commit": None, "dirty": None}


def found(path: Path) -> int:
    """How many of the good records are read from a place."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", parsing.CorruptLine)
        try:
            read = [json.dumps(each["case"]) + str(each["time"].get("median_s")) for each in reading.read(path)]
        except OSError:
            return 0
    return sum(json.dumps(each["case"]) + str(each["time"]["median_s"]) in read for each in GOOD)


def outcomes(every: int, random_number: int) -> Iterator[tuple[str, trials.Outcome, str | None]]:
    """Each file's name, how the worst of the commands ended on it, and what is wrong with that."""
    with tempfile.TemporaryDirectory() as temporary:
        other = Path(temporary) / "other.jsonl"
        other.write_bytes(around(b""))
        rehearse(other, Path(temporary) / "report")
        for index, (name, make, good) in enumerate(files(random_number)):
            if index % every:
                continue
            with tempfile.TemporaryDirectory() as own:
                yield name, *worst(Path(own), other, make, good, index // every % 10 == 0)


def rehearse(path: Path, out: Path) -> None:
    """Runs each command once in this process, whose trials then need not import and parse what this one has."""
    measure_nothing()
    for words in (["show"], ["compare", str(path)], ["report", "--out", str(out)], [*RUN]):
        trials.rehearse(*words, str(path))


def worst(
    folder: Path, other: Path, make: Callable[[Path], Any], good: int, reported: bool
) -> tuple[trials.Outcome, str | None]:
    """The worst outcome of all commands on a file, and what is wrong with it."""
    path = folder / "r.jsonl"
    make(path)
    whole = path.exists() and not path.is_dir()
    before = lost(path, good)
    commands = [["show", str(path)], ["compare", str(other), str(path)], ["compare", str(path), str(other)]]
    commands += [["report", str(path), "--out", str(folder / "out")]] if reported else []
    every = [trials.command(words, folder) for words in commands]
    faults = [before, *(trials.fault(each, (0, 2)) for each in every)]
    if whole or not path.is_dir():
        every.append(trials.command([*RUN, str(path)], folder, measure_nothing))
        faults += [trials.fault(every[-1], (0, 1, 2)), lost(path, good)]
    wrong = next((fault for fault in faults if fault), None)
    return max(every, key=lambda each: each.processor_s), wrong


def lost(path: Path, good: int) -> str | None:
    """What is wrong with the number of good records in a file, or None."""
    number = found(path)
    return None if number >= good else f"lost: {good - number} of {good} good records"


# ---------------------------------------------------------------- appends

APPENDER = """
import sys, warnings
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from drtrl_bench.records import appending, parsing
from drtrl_bench.case import Case
from support.lines import line
warnings.simplefilter("ignore", parsing.CorruptLine)
first, number = int(sys.argv[2]), int(sys.argv[3])
for seed in range(first, first + number):
    appending.append(Path(sys.argv[1]), line(Case(seed=seed)))
    print(seed, flush=True)
"""


def appender(path: Path, first: int, number: int) -> subprocess.Popen[str]:
    """A process that appends records of consecutive seeds, and says each once it is on disk."""
    tests = str(Path(__file__).parents[1])
    words = [sys.executable, "-c", APPENDER, str(path), str(first), str(number), tests]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=Path(tests).parent)


def seeds(path: Path) -> list[int]:
    """The seeds of the records in a file, in which every line must be right."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return [each["case"]["seed"] for each in reading.read(path)]


def concurrent(folder: Path, processes: int, each: int) -> str | None:
    """What is wrong after some processes have appended to one file at the same time, or None."""
    path = folder / "r.jsonl"
    running = [appender(path, each * index, each) for index in range(processes)]
    for process in running:
        process.communicate()
    if sorted(seeds(path)) != list(range(processes * each)):
        return f"{len(seeds(path))} records of {processes * each}"
    return None


def killed(folder: Path, number: int) -> str | None:
    """What is wrong after processes that append were killed one after the other, or None."""
    path = folder / "r.jsonl"
    said: list[int] = []
    rng = random.Random(number)
    for index in range(number):
        process = appender(path, 1_000 * index, 1_000)
        assert process.stdout
        said += [int(process.stdout.readline()) for _ in range(rng.randrange(1, 12))]
        process.send_signal(signal.SIGKILL)
        said += [int(word) for word in process.communicate()[0].split()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", parsing.CorruptLine)
        appending.append(path, line(Case(seed=10**9)))
    there = seeds(path)
    if gone := set(said) - set(there):
        return f"{len(gone)} records that were on disk are lost"
    if len(there) != len(set(there)) or len(there) > len(said) + number + 1:
        return "records are doubled"
    return None


def broken(folder: Path, at: int) -> str | None:
    """What is wrong after an append that a limit, or a crash, broke at a byte, or None."""
    one, two = line(Case(seed=1)), line(Case(seed=2))
    size = len(appending.encode(one))
    for how in ("limit", "crash"):
        path = folder / f"{how}.jsonl"
        appending.append(path, GOOD[0])
        before = path.read_bytes()
        if how == "crash":
            path.write_bytes(before + appending.encode(one)[:at])
        elif limited(path, one, len(before) + at) is None and at < size:
            return f"{how} at byte {at}: no error"
        if how == "limit" and at < size and path.read_bytes() != before:
            return f"{how} at byte {at}: the file is not as it was"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", parsing.CorruptLine)
            appending.append(path, two)
        whole = at >= size - (how == "crash")  # all but the line's end is enough
        if seeds(path) != [0, *([1] if whole else []), 2]:
            return f"{how} at byte {at}: seeds {seeds(path)}"
        path.unlink()
    return None


def limited(path: Path, entry: Line, most: int) -> OSError | None:
    """The error of an append to a file that may not grow above a size."""
    was = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, was[1]))
    try:
        appending.append(path, entry)
    except OSError as error:
        return error
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, was)
        signal.signal(signal.SIGXFSZ, handler)
    return None


def appends(every: int) -> int:
    """Runs the campaign of appends, prints its figures, and returns the number of failures."""
    size = len(appending.encode(line(Case(seed=1))))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        places = sorted({0, 1, 2, size - 2, size - 1, size, *range(3, size, 4 * every)})
        wrong = [problem for at in places if (problem := broken(folder, at))]
        print(f"appends broken at a byte: {2 * len(places)} trials, {len(wrong)} failures {wrong[:3]}", flush=True)
        each = max(100 // every, 2)
        (folder / "concurrent").mkdir()
        lost_some = concurrent(folder / "concurrent", 16 if every < 4 else 4, each)
        total = (16 if every < 4 else 4) * each
        print(f"concurrent appends: {total}, {lost_some or '0 lost, torn or doubled'}", flush=True)
        (folder / "killed").mkdir()
        number = max(60 // every, 2)
        lost_more = killed(folder / "killed", number)
        print(f"appending processes killed: {number}, {lost_more or '0 records lost, torn or doubled'}", flush=True)
    return len(wrong) + bool(lost_some) + bool(lost_more)


def main() -> int:
    """Runs the campaign; the exit code says whether anything failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="take each EVERY-th file only")
    parser.add_argument("--random", type=int, default=200, help="files of the project, damaged at random")
    given = parser.parse_args()
    failures = appends(given.every)
    return trials.report("record files", outcomes(given.every, given.random)) or int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
