"""Plans that somebody else wrote: every field with values that it cannot hold, damage to bytes, files that are none.

    python tests/campaigns/plans.py            # all of them, and 400 damaged at random
    python tests/campaigns/plans.py --every 20 # each twentieth

Each plan is listed and, where that works, run without measuring. What fails is named; the last line counts.
"""

import argparse
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any
from unittest.mock import patch

from drtrl_bench import plan as bundled
from drtrl_bench.case import Case, Plan
from drtrl_bench.measure import environment, runner

sys.path.insert(0, str(Path(__file__).parent))
import trials

GRID = "[[grid]]\n"
VALUES = {
    "zero": "0",
    "one": "1",
    "negative": "-1",
    "10**12": "1000000000000",
    "10**12 as float": "1e12",
    "2**63": "9223372036854775808",
    "250 digits": "9" * 250,
    "400 digits": "1" + "0" * 400,
    "5,000 digits": "7" * 5_000,
    "hexadecimal": "0x" + "f" * 1_000,
    "nan": "nan",
    "-nan": "-nan",
    "inf": "inf",
    "-inf": "-inf",
    "1e308": "1e308",
    "1e-320": "1e-320",
    "1e400": "1e400",
    "true": "true",
    "a fraction": "0.5",
    "empty text": '""',
    "text": '"many"',
    "a path": '"../../../../etc/passwd"',
    "an escape": '"\\u001b[31m\\u0007"',
    "a right-to-left mark": '"\\u202e"',
    "a line separator": '"a\\u2028b"',
    "a zero character": '"\\u0000"',
    "a surrogate": '"\\ud800"',
    "markup": '"[bold red]x[/]"',
    "long text": '"' + "lif_" * 50_000 + '"',
    "a date": "1979-05-27T07:32:00Z",
    "a time": "07:32:00",
    "an empty list": "[]",
    "a list in a list": "[[1], [2]]",
    "a mixed list": '[1, "a", true, 2.5]',
    "a table": "{a = 1}",
    "an empty table": "{}",
    "a long list": str(list(range(1, 12_000))),
    "nested lists": "[" * 100 + "]" * 100,
    "very nested lists": "[" * 100_000 + "]" * 100_000,
    "nested tables": "{a=" * 2_000 + "1" + "}" * 2_000,
    "auto": '"auto"',
}
"""Values in TOML that hardly any field may hold."""
FIELDS = [f.name for f in fields(Case)]
SETTINGS = [f.name for f in fields(Plan)] + ["grid", "defaults", "plugins", "colour", "limit"]
TEN = list(range(1, 11))
WHOLE = ("neurons", "batch", "steps", "chunk", "layers", "seed", "features", "segments", "unroll", "threads")
TEXTS: dict[str, str | bytes] = {
    "nothing": "",
    "white space": " \n\t\n" * 1_000,
    "only a comment": "# nothing",
    "garbage": bytes(range(256)) * 40,
    "zeros": b"\0" * 10_000,
    "an image": b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
    "a byte-order mark": b"\xef\xbb\xbf" + GRID.encode(),
    "two byte-order marks": b"\xef\xbb\xbf\xef\xbb\xbf" + GRID.encode(),
    "UTF-16": GRID.encode("utf-16"),
    "UTF-32": GRID.encode("utf-32"),
    "Latin-1": b"# caf\xe9\n" + GRID.encode(),
    "a lone surrogate": ("# \ud800\n" + GRID).encode("utf-8", "surrogatepass"),
    "Windows' line ends": GRID.replace("\n", "\r\n").encode(),
    "old line ends": GRID.replace("\n", "\r").encode(),
    "an escape sequence": GRID + "\x1b[2J",
    "an escape sequence as key": GRID + '"\\u001b[2J" = 1',
    "an escape sequence in a table's name": '["\\u001b[2J"]\n',
    "10**12 cases": GRID + "".join(f"{key} = {TEN}\n" for key in (*WHOLE, "scale_x", "scale_r")),
    "10**600 cases": GRID + "".join(f"a{i} = {TEN}\n" for i in range(600)),
    "10**9 cases of known names": GRID + "".join(f"{key} = {list(range(1, 1_001))}\n" for key in WHOLE[:3]),
    "10,000 cases": GRID + f"seed = {list(range(10_000))}\n",
    "10,001 cases": GRID + f"seed = {list(range(10_001))}\n",
    "the same case 10,000 times": GRID + f"seed = {[1] * 10_000}\n",
    "250 of auto, deep": GRID + f"chunk = 'auto'\nlayers = 100\nsteps = 1_000_000_000_000\nbatch = {TEN * 25}\n",
    "251 of auto": GRID + f"chunk = 'auto'\nseed = {list(range(251))}\n",
    "110,000 grids": GRID * 110_000,
    "9,000 grids": GRID * 9_000,
    "a long list in each of 9,000 grids": f"[defaults]\nseed = {list(range(60_000))}\n" + GRID * 9_000,
    "many rounds": f"rounds = 10_000\n{GRID}seed = {list(range(100))}\n",
    "100,000 keys": "\n".join(f"k{i} = 1" for i in range(90_000)),
    "100,000 tables": "\n".join(f"[t{i}]" for i in range(90_000)),
    "a key of 400,000 parts": GRID + "a." * 400_000 + "a = 1",
    "a header of 400,000 parts": "[" + "a." * 400_000 + "a]",
    "a deep header with many keys": "[" + "a." * 100_000 + "a]\n" + "".join(f"k{i}=1\n" for i in range(60_000)),
    "a deep quoted header": "[" + "'a' . " * 150_000 + "a]",
    "a name of 900,000 letters": GRID + "a" * 900_000 + " = 1",
    "a quoted name of 900,000 letters": GRID + "'" + "neuron" * 150_000 + "' = 1",
    "an open string": GRID + 'cell = "' + '\\"' * 450_000,
    "an open string of lines": GRID + 'cell = """' + '\\"""\n' * 150_000,
    "an open literal": GRID + "cell = '''" + "''\n" * 300_000,
    "quotes": '"' * 900_000,
    "apostrophes": "'" * 900_000,
    "hashes": "#" * 900_000,
    "dots": "." * 900_000,
    "blanks": GRID + "seed" + " " * 900_000 + "= 1",
    "underscores": GRID + "seed = 1" + "_1" * 400_000,
    "brackets": "[" * 900_000,
    "braces": GRID + "seed = " + "{" * 900_000,
    "backslashes": GRID + 'cell = "' + "\\" * 900_000 + '"',
    "escapes": GRID + 'cell = "' + "\\u0061" * 150_000 + '"',
    "the same key twice": GRID + "seed = 1\nseed = 2\n",
    "a grid that is a table": "[grid]\nseed = 1\n",
    "a grid of grids": "[[grid.grid]]\nseed = 1\n",
    "defaults twice": "[defaults]\n[defaults]\n" + GRID,
    "defaults as a list": "[[defaults]]\nseed = 1\n" + GRID,
    "a megabyte": GRID + "# " + "x" * 999_980,
    "more than a megabyte": GRID + "# " + "x" * 1_000_000,
    "ten megabytes": GRID + "# " + "x" * 10_000_000,
    "a long sequence": GRID + "steps = 1_000_000_000_000\n",
    "the largest of all": GRID
    + "steps = 1_000_000_000_000_000\nneurons = 1_000_000\nbatch = 1_000_000\nlayers = 100\n",
    "as large, BPTT": GRID + 'algorithm = "bptt"\nchunk = 0\nsteps = 1_000_000_000_000_000\nneurons = 1_000_000\n',
    "as large, RTRL": GRID + 'algorithm = "rtrl"\nsteps = 1_000_000_000_000\nneurons = 1_000_000\nlayers = 100\n',
    "as large, checkpointed": GRID + 'algorithm = "bptt_checkpointed"\nchunk = 0\nsteps = 1_000_000_000_000\n',
    "many lines of input": GRID + 'dataset = "bernoulli"\nfeatures = 10_000_000\nneurons = 1_000_000\n',
    "a long description": 'description = "' + "x" * 500_000 + '"\n' + GRID,
    "a description of many lines": 'description = """' + "x\n" * 1_000 + '"""\n' + GRID,
}
PLUGINS = ["", ".", "..", "../x.py", "/", "/dev/zero", "/dev/null", "x.py", "x.y.z", "a b", ".x", "x.", "...", "-", "~"]
PLUGINS += ["pipe.py", "folder.py", "empty.py", "wrong.py", "latin.py", "zero.py", "large.py", "nothing.py", "x" * 999]
PLUGINS += ["json", "sys", "builtins", "__main__", "os.path", "typing", "json.decoder", "\\u0000", "\\u001b[2J", "\\n"]
PLUGINS += ["drtrl_bench", "drtrl_bench.plugins", "drtrl_bench.registry", "drtrl_bench.case", "x" * 1_001, "[red]x"]
NAMES = [b"a\nb.toml", b"a\x1b[31m.toml", b"\xff\xfe.toml", b" .toml", b"a b.toml", "\u202e.toml".encode(), b"..toml"]
NAMES += [b"[bold].toml", b"-k.toml", b"a\tb.toml", "é.toml".encode(), b"x" * 240 + b".toml", b".toml", b"%s.toml"]
WORDS = [
    "",
    ".",
    "..",
    "/",
    "../plans/quick",
    "quick/",
    "quick\n",
    "QUICK",
    "x" * 100_000,
    "\udcff",
    "\x1b[31m",
    "quick ",
]
WORDS += ["/dev/null", "/dev/zero.toml", "/proc/self/mem.toml", "nothing/at/all.toml", "~.toml", "x" * 300 + ".toml"]


def written(folder: Path, text: str | bytes, name: str | bytes = "mine.toml") -> str:
    """A plan in a folder; its path."""
    path = os.path.join(os.fsencode(folder), os.fsencode(name))
    with open(path, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return os.fsdecode(path)


def link(folder: Path, to: str) -> str:
    (folder / "mine.toml").symlink_to(to)
    return str(folder / "mine.toml")


def odd_file(kind: str, folder: Path) -> str:
    """A plan that is no file to be read."""
    path = folder / "mine.toml"
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a gigabyte":
        with path.open("wb") as file:
            file.truncate(10**9)
    elif kind == "a terabyte":
        with path.open("wb") as file:
            file.truncate(2**40)
    elif kind == "a socket":
        import socket

        socket.socket(socket.AF_UNIX).bind(str(path))
    elif kind == "unreadable":
        path.write_text(GRID)
        path.chmod(0)
    else:
        return link(folder, kind)
    return str(path)


ODD = ["a pipe", "a folder", "a gigabyte", "a terabyte", "a socket", "unreadable", "mine.toml", "nowhere", "."]
ODD += ["/dev/zero", "/dev/full", "/dev/null", "/dev/random", "/dev/tty", "/dev/stdin", "/dev/fd/0", "/", "/etc/passwd"]
ODD += ["/proc/self/mem", "/proc/self/maps", "/proc/self/environ", "/proc/kmsg", "/proc/version"]


def with_plugins(name: str, folder: Path) -> str:
    """A plan with a plugin of a name, among files that are none."""
    os.mkfifo(folder / "pipe.py")
    (folder / "folder.py").mkdir()
    (folder / "empty.py").touch()
    (folder / "wrong.py").write_text("def f(:")
    (folder / "latin.py").write_bytes(b"# -*- coding: latin-1 -*-\n# caf\xe9\n")
    (folder / "zero.py").write_bytes(b"x = 1\0")
    with (folder / "large.py").open("wb") as file:
        file.truncate(10**9)
    return written(folder, f'plugins = ["{name}"]\n' + GRID)


def damaged(seed: int, folder: Path) -> str:
    """A plan of the project with some bytes changed, cut, doubled or put in."""
    rng = random.Random(seed)
    content = bytearray((bundled.PLANS / f"{rng.choice(bundled.names())}.toml").read_bytes())
    for _ in range(rng.choice((1, 1, 2, 5, 30))):
        at, kind = rng.randrange(len(content)), rng.randrange(6)
        if kind == 0:
            content[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            content[at] = rng.choice(b"\0\x1b\"'[]{}=.,#\n\\_-9e")
        elif kind == 2:
            del content[at : at + rng.choice((1, 2, 20, 10_000))]
        elif kind == 3:
            content[at:at] = content[max(0, at - rng.choice((1, 40, 400))) : at]
        elif kind == 4:
            content[at:at] = rng.choice(list(VALUES.values())).encode()
        else:
            content[at:at] = bytes(rng.randrange(256) for _ in range(rng.choice((1, 4, 100))))
        content = content or bytearray(b"\n")
    return written(folder, bytes(content))


def plans(random_number: int) -> Iterator[tuple[str, Callable[[Path], str]]]:
    """Each kind of plan by name, and what makes it in a folder and returns what the command is given."""
    for key in FIELDS:
        for name, value in VALUES.items():
            yield f"{key} = {name}", lambda folder, t=f"{GRID}{key} = {value}\n": written(folder, t)
    for key in SETTINGS:
        for name, value in VALUES.items():
            yield f"the plan's {key} = {name}", lambda folder, t=f"{key} = {value}\n{GRID}": written(folder, t)
    for name, text in TEXTS.items():
        yield name, lambda folder, text=text: written(folder, text)
    for kind in ODD:
        yield f"a file that is {kind}", lambda folder, kind=kind: odd_file(kind, folder)
    for name in PLUGINS:
        yield f"plugin {name[:40]!r}", lambda folder, name=name: with_plugins(name, folder)
    for name in NAMES:
        yield f"file name {name[:40]!r}", lambda folder, name=name: written(folder, GRID + "chunk = 1\n", name)
    for word in WORDS:
        yield f"plan {word[:40]!r}", lambda folder, word=word: word
    for seed in range(random_number):
        yield f"damage {seed}", lambda folder, seed=seed: damaged(seed, folder)


def measure_nothing() -> None:
    """Lets a run go through its cases without a child, and without git and the like."""

    def child(*_: Any) -> dict[str, Any]:
        return {"status": "error", "reason": "not measured"}

    patch.object(runner, "child", child).start()
    patch.object(environment, "output", lambda *_: None).start()
    patch.object(environment, "checkout", lambda: {"commit": None, "dirty": None}).start()


def outcomes(every: int, random_number: int) -> Iterator[tuple[str, trials.Outcome, str | None]]:
    """Each plan's name, how the command ended on it, and what is wrong with that."""
    trials.rehearse("list", "quick")
    for index, (name, make) in enumerate(plans(random_number)):
        if index % every:
            continue
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            words = ["--", make(folder)]
            outcome = trials.command(["list", *words], folder)
            wrong = trials.fault(outcome, (0, 2))
            if outcome.code == 0 and len((folder / "stdout").read_bytes().splitlines()) <= 300:
                records = ["--records", "r.jsonl"]
                outcome = trials.command(["run", *records, *words], folder, measure_nothing)
                wrong = wrong or trials.fault(outcome, (0, 1, 2))
            yield name, outcome, wrong


def main() -> int:
    """Runs the campaign; the exit code says whether anything failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="take each EVERY-th plan only")
    parser.add_argument("--random", type=int, default=400, help="plans of the project, damaged at random")
    given = parser.parse_args()
    return trials.report("plans", outcomes(given.every, given.random))


if __name__ == "__main__":
    sys.exit(main())
