"""Baselines, records of the gate's rehearsals and results of asv that somebody else wrote or that were damaged.

    python tests/campaigns/other_files.py            # all of them
    python tests/campaigns/other_files.py --every 10 # each tenth

`check`, `rehearse --no-measure` and `trend` read each of them; nothing is measured. What fails is named; the last line
counts.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from drtrl_bench.cli import gate as gate_words
from drtrl_bench.gate import baseline
from drtrl_bench.measure import environment
from drtrl_bench.records import reading

sys.path.insert(0, str(Path(__file__).parent))
import trials

ROOT = Path(__file__).resolve().parent.parent.parent
HEAD = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
BASELINE = next((ROOT / "results" / "baselines").glob("*.jsonl"))
ASV = next((ROOT / "results" / "asv" / "bench-2core").glob("*-env-*.json"))
LIST = ROOT / "results" / "asv" / "benchmarks.json"
LINES = 60
"""Of the records of rehearsals: as many as are read in a second."""
VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "zero": 0,
    "negative": -1,
    "10**12": 10**12,
    "10**400": 10**400,
    "a fraction": 0.5,
    "1e308": 1e308,
    "nan": float("nan"),
    "inf": float("inf"),
    "text": "many",
    "empty text": "",
    "an escape": "\x1b[31m\x07",
    "markup": "[bold red]x[/]",
    "mathtext": "$\\frac{$",
    "a surrogate": "\ud800",
    "a line separator": "a\u2028b",
    "a path": "../../../../etc/passwd",
    "long text": "lif_" * 50_000,
    "a list": [1, 2],
    "an empty list": [],
    "nested lists": [[[[1]]]],
    "a table": {"a": 1},
    "an empty table": {},
}
"""Values that hardly any field may hold."""
TEXTS: dict[str, bytes] = {
    "nothing": b"",
    "line ends": b"\n" * 1_000,
    "zeros": b"\0" * 10_000,
    "bytes": bytes(range(256)) * 40,
    "a number": b"3\n",
    "nan": b"NaN\n",
    "text": b'"text"\n',
    "a list": b"[1, 2]\n",
    "a table": b"{}\n",
    "brackets": b"[" * 300_000,
    "braces": b'{"a":' * 100_000,
    "digits": b"1" * 100_000,
    "digits in a table": b'{"version": ' + b"1" * 100_000 + b"}",
    "UTF-16": '{"version": 2}'.encode("utf-16"),
    "a lone surrogate": b'{"version": "\\ud800"}',
    "an open string": b'"' + b"x" * 1_000_000,
    "a key of a megabyte": b'{"' + b"x" * 1_000_000 + b'": 1}',
}
ODD = ["a pipe", "a folder", "a gigabyte", "a terabyte", "itself", "nowhere", "/dev/zero", "/dev/full", "/dev/null"]
ODD += ["/dev/random", "/dev/tty", "/proc/self/mem", "/proc/self/maps", "/", "/etc/passwd"]


def odd_file(kind: str, path: Path) -> None:
    """A file that is none to be read."""
    path.unlink(missing_ok=True)
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    elif kind in ("a gigabyte", "a terabyte"):
        with path.open("wb") as file:
            file.truncate(2**30 if kind == "a gigabyte" else 2**40)
    else:
        path.symlink_to(path.name if kind == "itself" else kind)


def random_damage(seed: int, content: bytes) -> bytes:
    """Some bytes changed, cut, doubled or put in."""
    rng, found = random.Random(seed), bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5, 30))):
        at, kind = rng.randrange(len(found)), rng.randrange(5)
        if kind == 0:
            found[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            found[at] = rng.choice(b'\0\x1b"[]{}:,\n\\-9e')
        elif kind == 2:
            del found[at : at + rng.choice((1, 2, 20, 10_000))]
        elif kind == 3:
            found[at:at] = found[max(0, at - rng.choice((1, 40, 4_000))) : at]
        else:
            found[at:at] = bytes(rng.randrange(256) for _ in range(rng.choice((1, 4, 100))))
        found = found or bytearray(b"\n")
    return bytes(found)


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where there is anything in a parsed JSON; of a list, the first."""
    yield at
    if isinstance(value, dict):
        for key, each in value.items():
            yield from paths(each, (*at, key))
    elif isinstance(value, list) and value:
        yield from paths(value[0], (*at, 0))


def changed(whole: Any, at: tuple[Any, ...], value: Any) -> Any:
    """A parsed JSON with another value at a place."""
    if not at:
        return value
    copy = json.loads(json.dumps(whole))
    inner = copy
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = value
    return copy


def without(whole: Any, at: tuple[Any, ...]) -> Any:
    """A parsed JSON without what is at a place."""
    copy = json.loads(json.dumps(whole))
    inner = copy
    for key in at[:-1]:
        inner = inner[key]
    del inner[at[-1]]
    return copy


def of_json(content: bytes, number: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """A file of one table with a value changed or left out: each place once left out, and `number` changes."""
    whole, rng = json.loads(content), random.Random(seed)
    places = list(paths(whole))
    for at in places[1:]:
        yield f"without {said(at)}", json.dumps(without(whole, at)).encode()
    for _ in range(number):
        at, name = rng.choice(places), rng.choice(list(VALUES))
        yield f"{said(at)} = {name}", json.dumps(changed(whole, at, VALUES[name])).encode()


def of_lines(content: bytes, number: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """A record file with a value of one line changed or left out: `number` of each."""
    lines, rng = content.splitlines(keepends=True), random.Random(seed)
    for index in range(2 * number):
        which = rng.randrange(len(lines))
        whole = json.loads(lines[which])
        at, name = rng.choice(list(paths(whole))[1:]), rng.choice(list(VALUES))
        new = changed(whole, at, VALUES[name]) if index % 2 else without(whole, at)
        what = f"line {which + 1}: {said(at)} = {name}" if index % 2 else f"line {which + 1}: without {said(at)}"
        yield what, b"".join([*lines[:which], json.dumps(new).encode() + b"\n", *lines[which + 1 :]])


def said(at: tuple[Any, ...]) -> str:
    return ".".join(map(str, at)) or "all"


def inputs(content: bytes, structured: Iterator[tuple[str, bytes]], number: int) -> Iterator[tuple[str, Any]]:
    """What a file may be: its bytes, or the kind of a file that is none to be read."""
    yield from TEXTS.items()
    yield "a byte-order mark", b"\xef\xbb\xbf" + content
    yield "twice", content * 2
    yield from structured
    yield from ((f"damage {seed}", random_damage(seed, content)) for seed in range(number))
    yield from ((f"a file that is {kind}", kind) for kind in ODD)


def put(path: Path, what: bytes | str) -> None:
    """Makes a file of these bytes, or of this kind."""
    if isinstance(what, str):
        odd_file(what, path)
    else:
        path.write_bytes(what)


def nothing_is_measured(path: Path) -> None:
    """`check` reads this baseline, and finds the measurements of the committed one."""
    patch.object(baseline, "baseline_path", lambda folder=None: path).start()
    patch.object(gate_words, "measure", lambda plan: reading.read(BASELINE)).start()
    patch.object(environment, "output", lambda *_: None).start()


def of_baselines(number: int) -> Iterator[tuple[str, Callable[[Path], trials.Outcome], tuple[int, ...]]]:
    content = BASELINE.read_bytes()
    for name, what in inputs(content, of_lines(content, number, 0), number):

        def tried(folder: Path, what: bytes | str = what) -> trials.Outcome:
            path = folder / "baseline.jsonl"
            put(path, what)
            return trials.command(["check", "--no-speed"], folder, lambda: nothing_is_measured(path))

        yield f"baseline: {name}", tried, (0, 2, 3, 4)


def of_rehearsals(number: int) -> Iterator[tuple[str, Callable[[Path], trials.Outcome], tuple[int, ...]]]:
    content = b"".join((ROOT / "results" / "gate" / "gate.jsonl").read_bytes().splitlines(keepends=True)[:LINES])
    for name, what in inputs(content, of_lines(content, number, 1), number):

        def tried(folder: Path, what: bytes | str = what) -> trials.Outcome:
            put(folder / "gate.jsonl", what)
            return trials.command(["rehearse", "--no-measure", "--records", "gate.jsonl"], folder)

        yield f"rehearsal: {name}", tried, (0, 2, 3)


def of_asv(number: int) -> Iterator[tuple[str, Callable[[Path], trials.Outcome], tuple[int, ...]]]:
    result, suite = ASV.read_bytes(), LIST.read_bytes()
    files = {f"machine/{HEAD[:8]}-env.json": (result, 2), "benchmarks.json": (suite, 3)}
    for file, (content, seed) in files.items():
        for name, what in inputs(content, of_json(content, number, seed), number):

            def tried(folder: Path, file: str = file, what: bytes | str = what) -> trials.Outcome:
                (folder / "machine").mkdir()
                (folder / f"machine/{HEAD[:8]}-env.json").write_bytes(result)
                (folder / "benchmarks.json").write_bytes(suite)
                put(folder / file, what)
                return trials.command(["trend", "--folder", str(folder)], folder)

            yield f"asv's {file.rpartition('/')[2]}: {name}", tried, (0, 2, 3, 4)


def outcomes(every: int, number: int) -> Iterator[tuple[str, trials.Outcome, str | None]]:
    """Each file's name, how the command ended on it, and what is wrong with that."""
    kinds = (of_baselines(number), of_rehearsals(number), of_asv(number))
    for index, (name, tried, codes) in enumerate(each for kind in kinds for each in kind):
        if index % every == 0:
            with tempfile.TemporaryDirectory() as folder:
                outcome = tried(Path(folder))
            yield name, outcome, trials.fault(outcome, codes)


def main() -> int:
    """Runs the campaign; the exit code says whether anything failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="take each EVERY-th file only")
    parser.add_argument("--number", type=int, default=80, help="changes of each kind that are drawn for each file")
    given = parser.parse_args()
    return trials.report("baselines, rehearsals and results of asv", outcomes(given.every, given.number))


if __name__ == "__main__":
    sys.exit(main())
