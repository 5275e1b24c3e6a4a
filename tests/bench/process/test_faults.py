"""What goes wrong around a case: signals, kills, floods, invalid results, two runs at once. Nothing is lost or left.

Processes are real ones, and looked for in /proc; none of them loads a framework, unless the test says so.
"""

import json
import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from campaigns import kills
from support.lines import line
from support.problems import needs

from drtrl_bench import data
from drtrl_bench.case import Case, Plan
from drtrl_bench.gate import baseline, revisions
from drtrl_bench.measure import runner
from drtrl_bench.process import locks, result, scratch, signals, supervised, warden
from drtrl_bench.records import reading

pytestmark = [pytest.mark.xdist_group("torch"), pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]
CASE = Case(framework="torch", dataset="bernoulli", features=5, cell="leaky_rnn", neurons=4, batch=2, steps=7, chunk=3)
ROOT = Path(__file__).resolve().parents[3]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def alive(mark: str) -> list[int]:
    """Processes with a word in their command line; those that have ended and wait to be noticed do not count."""
    found = []
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            if folder.name.isdigit() and mark.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def soon(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """The value of a condition, once it holds."""
    until = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.01)
    return value


@pytest.fixture
def mark(request: pytest.FixtureRequest) -> Iterator[str]:
    """A word that no other process has in its command line: seconds to sleep for. What has it ends with the test."""
    word = f"9{os.getpid():07d}.{abs(hash(request.node.name)) % 10**6:06d}"
    yield word
    for process in alive(word):
        os.kill(process, signal.SIGKILL)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def run(*command: str, **options: Any) -> supervised.Ended:
    return supervised.run(list(command), dict(os.environ), **options)


# Nothing outlives its command.


def test_an_end_is_told_as_it_was() -> None:
    assert run("sh", "-c", "echo said; echo stage: timing; exit 3") == supervised.Ended(
        3, "said\nstage: timing\n", "timing"
    )
    assert run("sh", "-c", "kill -SEGV $$").code == -signal.SIGSEGV
    assert run("sh", "-c", "kill -SEGV $$").outside is None
    assert run("sh", "-c", "kill -TERM $$").outside == "SIGTERM"
    assert run("sh", "-c", "kill -STOP $$").outside == "stopped"
    assert run("no such command").log == "no such command: No such file or directory\n"


def test_standard_input_and_environment_reach_the_command(tmp_path: Path) -> None:
    told = tmp_path / "told"
    told.write_text("a job")
    how = supervised.run(
        ["/bin/sh", "-c", "cat; echo; pwd; echo $WORD; echo loud >&2"],
        {"WORD": "w"},
        folder=tmp_path,
        standard_input=told,
    )
    assert how.log == f"a job\n{tmp_path}\nw\nloud\n"
    assert run("sh", "-c", "echo silent; echo loud >&2", errors_only=True).log == "loud\n"
    assert run("cat").code == 0, "of nothing"


def test_time_that_is_up_ends_the_command_and_all_that_it_started(mark: str) -> None:
    began = time.monotonic()
    how = run("sh", "-c", f"sleep {mark} & setsid sleep {mark} & (setsid setsid sleep {mark} &) ; wait", limit_s=0.5)
    assert (how.timed_out, how.outside) == (True, None)
    assert time.monotonic() - began < 20
    assert not alive(mark)


def test_what_a_command_leaves_running_is_ended_with_it(mark: str) -> None:
    """In the background, in a session of its own, and a grandchild whose parent has ended already."""
    how = run("sh", "-c", f"sleep {mark} & setsid sleep {mark} & (setsid setsid sleep {mark} &) ; echo said; exit 4")
    assert (how.code, how.log) == (4, "said\n")
    assert not alive(mark)


PARENT = """
import os, signal, sys
from drtrl_bench.process import supervised
for each in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
    signal.signal(each, signal.SIG_DFL)
supervised.run(["sh", "-c", "setsid sleep {mark} & sleep {mark}"], dict(os.environ))
"""


@pytest.mark.parametrize("number", [*SIGNALS, signal.SIGKILL, signal.SIGSEGV])
def test_a_command_ends_with_its_parent_however_that_ends(number: int, mark: str) -> None:
    with subprocess.Popen(python(PARENT.format(mark=mark)), cwd=ROOT, stderr=subprocess.DEVNULL) as parent:
        soon(
            lambda: len(alive(mark)) >= 3 and [p for p in alive(f"sleep\0{mark}") if len(alive(f"sleep\0{mark}")) == 2]
        )
        parent.send_signal(number)
    soon(lambda: not alive(mark))


def test_a_command_ends_with_the_process_between(mark: str) -> None:
    """Which somebody may kill, too."""
    with subprocess.Popen(python(PARENT.format(mark=mark)), cwd=ROOT) as parent:
        soon(lambda: len(alive(f"sleep\0{mark}")) == 2)
        (between,) = [p for p in alive(mark) if p in alive(warden.__file__.rpartition("/")[2])]
        os.kill(between, signal.SIGKILL)
        parent.wait(30)
    assert not alive(f"sleep\0{mark}"), "one has a session of its own"


def test_a_fork_of_the_parent_that_holds_its_pipes_keeps_nothing_alive(mark: str) -> None:
    """As a notebook's process pool does: the end of the parent must be noticed though a pipe is still open."""
    own = f"# {mark}\n"  # in no other test's command line, which may run at the same time
    code = own + PARENT.format(mark=mark).replace("supervised.run", "import threading, time\nsupervised.run", 1)
    code = code.replace(
        "import threading, time\n",
        "import threading, time\n"
        "def fork():\n    time.sleep(1)\n    if not os.fork():\n        time.sleep(20)\n        os._exit(0)\n"
        "threading.Thread(target=fork, daemon=True).start()\n",
    )
    with subprocess.Popen([*python(code), "-W", "ignore"], cwd=ROOT, stderr=subprocess.DEVNULL) as parent:
        soon(lambda: len(alive(own)) == 2)
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        soon(lambda: not alive(f"sleep\0{mark}"), 10)
        for process in alive(own):
            os.kill(process, signal.SIGKILL)


# A flood.


def test_a_log_is_its_beginning_its_end_and_its_last_stage() -> None:
    log = warden.Log()
    log.add(b"begins\nstage: fir")
    log.add(b"st\nstage: second\n" + b"x" * 100_000)
    for _ in range(100):
        log.add(b"y" * 1000 + b"\n")
    log.add(b"no stage: third\nstage: ends")
    text = log.text()
    assert text.startswith("begins\nstage: first\nstage: second\nxxx")
    assert text.endswith("yyy\nno stage: third\nstage: ends")
    left_out = (
        len(b"begins\nstage: first\nstage: second\n")
        + 100_000
        + 100_100
        + len(b"no stage: third\nstage: ends")
        - 2 * 32768
    )
    assert f"\n[{left_out} bytes left out]\n" in text
    assert len(text) < 2 * 32768 + 50
    assert log.stage == b"second"


@pytest.mark.parametrize("size", [2**28, pytest.param(2**31, marks=pytest.mark.slow)])
def test_a_flood_costs_neither_memory_nor_time(size: int, mark: str) -> None:
    """Half a minute and 50 MB are many times what it takes; before, it was all in the parent's memory."""
    code = f"import sys\nfor i in range({size >> 20}): sys.stdout.write('0123456789abcdef' * 65536)\nprint('end')"
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    how = run(*python(code))
    assert how.code == 0
    assert how.log.endswith("abcdefend\n")
    assert len(how.log) < 10**5
    assert 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < 50e6
    assert time.monotonic() - began < 30


# What a child leaves as its result.

OK = {"status": "ok", "reason": None}
BAD: list[tuple[str, str | bytes, str]] = [
    ("nothing", "pass", "there is none"),
    ("an empty file", b"", "it is empty"),
    ("no JSON", b"{torn", "it is not JSON"),
    ("no UTF-8", b'{"status": "\xff"}', "it is not text in UTF-8"),
    ("a list", b"[1]", "it is a list, not an object"),
    ("null", b"null", "it is null, not an object"),
    ("not a number", b'{"status": "ok", "time": {"median_s": NaN}}', "it has NaN"),
    ("infinity", b'{"status": "ok", "time": {"median_s": -Infinity}}', "it has -Infinity"),
    ("more than a float", b'{"status": "ok", "time": {"median_s": 1e999}}', "it has 1e999"),
    (
        "more than 64 bits",
        b'{"status": "ok", "memory": {"working_bytes": 1' + b"0" * 400 + b"}}",
        "of more than 64 bits",
    ),
    ("a bit more than 64", b'{"memory": {"working_bytes": 9223372036854775808}}', "of more than 64 bits"),
    ("more digits than Python reads", b'{"status": ' + b"1" * 5000 + b"}", "it is not JSON"),
    ("a large one", b'{"status": "ok", "reason": "' + b"x" * 2**21 + b'"}', "it has more than 1048576 bytes"),
    ("a long text", b'{"status": "ok", "reason": "' + b"x" * 9999 + b'"}', "it has a text of 9999 characters"),
    ("a deep one", b'{"gate": ' + b"[" * 10**5 + b"]" * 10**5 + b"}", "it is nested more than 6 deep"),
    ("a less deep one", b'{"gate": ' + b"[" * 9 + b"]" * 9 + b"}", "it is nested more than 6 deep"),
    ("half a surrogate pair", b'{"status": "ok", "reason": "\\ud800"}', "half a surrogate pair"),
    ("half a pair as a key", b'{"status": "ok", "gate": {"\\udfff": 1}}', "half a surrogate pair"),
    ("another case", json.dumps(OK | {"case_key": "0"}).encode(), "the field 'case_key'"),
    ("another implementation", json.dumps(OK | {"implementation_sha": "0"}).encode(), "the field 'implementation_sha'"),
    ("a folder", "os.mkdir(path)", "it is not a regular file"),
    ("a pipe", "os.mkfifo(path)", "it is not a regular file"),
    ("a link", "os.symlink(__file__, path)", "it is not a regular file"),
    ("a device", "os.symlink('/dev/zero', path)", "it is not a regular file"),
    ("a sparse file of a terabyte", "os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 2**40)", "more than 1048576"),
]
INVALID: list[tuple[str, bytes, str]] = [
    ("no status", b"{}", "its status is None"),
    ("another status", b'{"status": "fine"}', "its status is 'fine'"),
    ("the parent's status", b'{"status": "skip", "reason": "why not"}', "its status is 'skip'"),
    ("a time that is a text", b'{"status": "ok", "time": {"median_s": "1"}}', "time.median_s is '1'"),
    ("samples that are texts", b'{"status": "ok", "time": {"samples_s": ["1"]}}', "time.samples_s"),
    ("memory that is a list", b'{"status": "ok", "memory": [1]}', "memory is a list"),
    ("bytes that are a fraction", b'{"status": "ok", "memory": {"working_bytes": 1.5}}', "memory.working_bytes is 1.5"),
    ("layers that are numbers", b'{"status": "ok", "fidelity": {"per_layer": {"layer0": 1}}}', "fidelity.per_layer"),
    ("a reason that is a list", b'{"status": "ok", "reason": []}', "reason is a list"),
]


def writing(what: str | bytes) -> str:
    """Code of a child that leaves something in the place of its result."""
    how = what if isinstance(what, str) else f"open(path, 'wb').write({what!r})"
    if isinstance(what, bytes) and len(what) > 2000:  # a command line has its limits
        first, middle, last = what[:40], what[len(what) // 4 : len(what) // 4 + 1], what[-2:]
        how = f"open(path, 'wb').write({first!r} + {middle!r} * {len(what) - 42} + {last!r})"
    return f"import json, os, sys; path = json.load(sys.stdin)['result']; __file__ = os.__file__; {how}"


def instead(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """The measuring child runs `code`, and no problem is solved before."""
    real = runner.child

    def child(module: str, *arguments: Any) -> dict[str, Any]:
        return real(module, *arguments) if module.endswith("worker") else {"problem": "none"}

    monkeypatch.setattr(runner, "child", child)
    monkeypatch.setattr(runner, "command", lambda module: python(code))


def measured(path: Path, *cases: Case, limit_s: float = 60.0) -> list[Any]:
    return runner.run(Plan("p", "", cases or (CASE,), limit_s=limit_s), path, lambda text, line: None)


@pytest.mark.parametrize(("what", "said"), [each[1:] for each in BAD], ids=[each[0] for each in BAD])
def test_a_file_that_is_no_result_is_refused(what: str | bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    if isinstance(what, bytes):
        path.write_bytes(what)
    else:
        exec(what, {"os": os, "path": path, "__file__": __file__})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(result.ResultError, match=said.replace("'", ".").replace("(", ".")):
        result.read(path, runner.MEASURED)
    assert 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < 50e6


def test_what_a_record_may_hold_is_read(tmp_path: Path) -> None:
    whole = {key: value for key, value in line(CASE).items() if key in runner.MEASURED}
    (tmp_path / "result.json").write_text(json.dumps(whole | {"reason": "größer 𝄞"}))
    assert result.read(tmp_path / "result.json", runner.MEASURED) == whole | {"reason": "größer 𝄞"}


@needs("torch")
def test_an_invalid_result_is_an_error_that_says_which_and_the_plan_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = [*BAD, *INVALID, ("a whole one", json.dumps(OK).encode(), "")]
    cases = [replace(CASE, seed=i) for i in range(len(kinds))]
    choices = " ".join(f"elif seed == {i}: exec({writing(what)!r})\n" for i, (_, what, _) in enumerate(kinds))
    code = tmp_path / "code.py"
    code.write_text(
        "import io, json, sys\ntold = sys.stdin.read()\nseed = json.loads(told)['case']['seed']\n"
        "sys.stdin = io.StringIO(told)\nif seed < 0: pass\n" + choices.replace("\n ", "\n")
    )
    instead(monkeypatch, f"exec(open({str(code)!r}).read())")
    found = {each["case"]["seed"]: each for each in measured(tmp_path / "r.jsonl", *cases)}
    for case, (name, _, said) in zip(cases, kinds, strict=True):
        own = found[case.seed]
        assert (own["status"], said in (own["reason"] or "")) == ("error" if said else "ok", True), (
            name,
            own["reason"],
        )
        assert (own["case_key"], own["implementation_sha"]) == (case.key, runner.implementation_sha(case)), name
        if said:
            assert own["time"] == own["memory"] == own["fidelity"] == own["gate"] == {}, name
    assert len(reading.read(tmp_path / "r.jsonl")) == len(kinds), "each is a whole record"
    assert not list(Path(tempfile.gettempdir()).glob(f"{scratch.owner()}*"))


# A child that somebody ends.

ENDS_ONCE = """
import json, os, signal, sys
path = json.load(sys.stdin)["result"]
print("stage: timing", flush=True)
with open({seen!r}, "a") as file: file.write("x")
if os.path.getsize({seen!r}) <= {times}: os.kill(os.getpid(), {number})
open(path, "w").write('{{"status": "ok", "reason": null}}')
"""


@needs("torch")
@pytest.mark.parametrize("number", [*SIGNALS, signal.SIGKILL, signal.SIGSTOP])
def test_a_child_that_somebody_ends_is_tried_once_more(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = str(tmp_path / "seen")
    instead(monkeypatch, ENDS_ONCE.format(seen=seen, times=1, number=int(number)))
    assert [each["status"] for each in measured(tmp_path / "r.jsonl")] == ["ok"]
    assert Path(seen).read_text() == "xx"


@needs("torch")
def test_a_child_that_is_ended_again_and_again_is_an_error_and_not_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = str(tmp_path / "seen")
    instead(monkeypatch, ENDS_ONCE.format(seen=seen, times=2, number=9))
    (own,) = measured(tmp_path / "r.jsonl")
    assert own["status"] == "error"
    assert own["reason"] == "ended twice from outside (SIGKILL), not for memory, in: timing; run it again"
    (own,) = measured(tmp_path / "r.jsonl")
    assert own["status"] == "ok", "tried again"
    assert Path(seen).read_text() == "xxx"


@needs("torch")
def test_a_child_that_the_system_ends_for_memory_is_out_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = iter([3, 4])
    monkeypatch.setattr(supervised, "oom_kills", lambda: next(counts))
    seen = str(tmp_path / "seen")
    instead(monkeypatch, ENDS_ONCE.format(seen=seen, times=9, number=9))
    (own,) = measured(tmp_path / "r.jsonl")
    assert (own["status"], own["reason"]) == ("oom", "killed by the system for memory, in: timing")
    assert Path(seen).read_text() == "x"


def test_a_child_that_held_what_was_free_was_killed_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a service that keeps a machine usable: the kernel's count does not know of it."""
    code = "import os; held = bytearray(60 << 20); os.kill(os.getpid(), 9)"
    monkeypatch.setattr(supervised.memory, "available_bytes", lambda: 64 << 20)
    assert run(*python(code)).for_memory
    monkeypatch.setattr(supervised.memory, "available_bytes", lambda: 640 << 20)
    assert not run(*python(code)).for_memory


@pytest.mark.parametrize(
    ("groups", "files", "count"),
    [
        ("0::/a/b\n", {"a/b/memory.events": "low 1\noom 9\noom_kill 7\noom_group_kill 5\n"}, 7),
        ("0::/\n", {"memory.events": "oom_kill 6\n"}, 6),
        ("5:cpu:/x\n4:memory:/a\n0::/\n", {"memory/a/memory.oom_control": "under_oom 0\noom_kill 5\n"}, 5),
        ("4:memory:/elsewhere\n", {"memory/memory.oom_control": "oom_kill 4\n"}, 4),
    ],
)
def test_kills_for_memory_are_counted_where_the_system_says_them(
    groups: str, files: dict[str, str], count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised.memory, "CONTROL_GROUP", tmp_path / "cgroup")
    for name, text in files.items():
        (tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cgroup" / name).write_text(text)
    (tmp_path / "groups").write_text(groups)
    listed = supervised.groups
    monkeypatch.setattr(supervised, "groups", lambda _: listed(tmp_path / "groups"))
    assert supervised.oom_kills() == count


# Signals of the command.


def signalled(number: int) -> None:
    with signals.advising("go on"):
        os.kill(os.getpid(), number)
        time.sleep(5)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_raised_once_and_later_again(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {each: signal.getsignal(each) for each in SIGNALS}
    try:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it would be ignored
        signals.install()
        with pytest.raises(signals.Stopped, match=f"^interrupted by {signal.Signals(number).name}; go on$") as end:
            signalled(number)
        assert end.value.exit_code == 128 + number
        for each in SIGNALS:  # while what was ended is tidied up
            os.kill(os.getpid(), each)
        monkeypatch.setattr(signals, "TIDYING_S", 0.0)
        with pytest.raises(signals.Stopped):
            signalled(number)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


ENDLESS = """
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it would be ignored
import drtrl_bench.cli.app
from drtrl_bench.measure import runner
{edit}
sys.argv = ["drtrl-bench", *{words!r}]
from drtrl_bench.__main__ import main
main()
"""
WAITS = "runner.command = lambda module: ['sh', '-c', 'setsid sleep {mark} & sleep {mark}']"
PLAN = '[[grid]]\nframework = "torch"\ndataset = "bernoulli"\ncell = "leaky_rnn"\nthreads = 1\n'


def endless(mark: str, tmp_path: Path, *words: str) -> subprocess.Popen[str]:
    """A command whose children wait for ever, with its temporary folders in a place of its own."""
    (tmp_path / "tmp").mkdir(exist_ok=True)
    (tmp_path / "endless.toml").write_text(PLAN)
    code = ENDLESS.format(edit=WAITS.format(mark=mark), words=words)
    environment = os.environ | {"TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": str(ROOT)}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(python(code), cwd=tmp_path, env=environment, **pipes)


RUN, BASELINE, CHECK = ("run", "endless.toml"), ("baseline",), ("check", "--no-speed")
COMMANDS = [*((number, RUN) for number in SIGNALS), (signal.SIGTERM, BASELINE), (signal.SIGHUP, BASELINE)]
COMMANDS += [(signal.SIGQUIT, CHECK)]


@needs("torch")
@pytest.mark.parametrize(("number", "words"), COMMANDS, ids=[f"{n.name} {words[0]}" for n, words in COMMANDS])
def test_every_command_takes_signals_alike(number: int, words: tuple[str, ...], mark: str, tmp_path: Path) -> None:
    if words == CHECK and not baseline.baseline_path().exists():
        pytest.skip("no baseline for these versions, and so nothing that the command measures")
    with endless(mark, tmp_path, *words) as process:
        soon(lambda: process.poll() is not None or len(alive(f"sleep\0{mark}")) == 2, 60)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    goes_on = "; the finished cases are kept, the same command goes on from here" if words[0] == "run" else ""
    assert said == f"interrupted by {signal.Signals(number).name}{goes_on}\n"
    assert process.returncode == 128 + number
    assert not alive(mark)
    assert not list((tmp_path / "tmp").iterdir())


TOOL = """
import runpy, signal, time, typer
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it would be ignored
typer.run = lambda main: print("ready", flush=True) or time.sleep(60)
runpy.run_module("drtrl_bench.experiments.{tool}", run_name="__main__")
"""


@pytest.mark.parametrize("tool", ["learning", "loading", "brain"])
def test_a_tool_takes_signals_as_the_command_does(tool: str) -> None:
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(python(TOOL.format(tool=tool)), cwd=ROOT, **pipes) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGHUP)
        assert process.communicate()[1] == "interrupted by SIGHUP\n"
    assert process.returncode == 129


STREAM = """
import pathlib
from drtrl_bench.experiments import loading
from drtrl_bench.process import signals
loading.SIZES, loading.LENGTHS, loading.write = {}, (10**9,), lambda *_: None
signals.run(lambda: loading.main(pathlib.Path("out")))
"""


@needs("jax")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_stream_that_is_timed_ends_with_who_times_it(number: int, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(python(STREAM), cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        timed = soon(lambda: [each for each in children.read_text().split() if working(each)], 60)
        process.send_signal(number)
        process.wait(5)
    try:
        soon(lambda: not any(working(each) for each in timed), 5)
    finally:  # or it would go on timing beside all later tests
        for each in timed:
            with suppress(ProcessLookupError):
                os.kill(int(each), signal.SIGKILL)


def working(process: str) -> bool:
    """Whether a process has loaded JAX, and so is about to time a stream."""
    with suppress(OSError):
        return "jaxlib" in Path(f"/proc/{process}/maps").read_text()
    return False


def test_nohup_stays_what_it_is() -> None:
    code = "import os; from drtrl_bench.process import signals; signals.install(); "
    code += "os.kill(os.getpid(), 1); print('still here')"
    done = subprocess.run(
        ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *python(code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "still here\n"


# What a dead owner left.


def test_a_folder_of_a_dead_process_is_removed_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = (
        "from drtrl_bench.process import scratch\nwith scratch.folder() as f: (f / 'in').mkdir(0); print(f, flush=True)"
    )
    code += "; input()"
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(python(code), env=environment, **pipes) as process:
        assert process.stdout
        left = Path(process.stdout.readline().strip())
        mine = [
            f"drtrl-bench-{os.getpid()}-{scratch.start_time(os.getpid())}-abcd1234",
            "drtrl-bench-8characters",
            "another",
        ]
        reused = f"drtrl-bench-{os.getpid()}-1-abcd1234"  # the process id of a dead one, used again
        for name in (*mine, reused):
            (tmp_path / name).mkdir()
        scratch.sweep()
        assert {path.name for path in tmp_path.iterdir()} == {*mine, left.name}
        process.kill()
    with scratch.folder() as own:
        assert {path.name for path in tmp_path.iterdir()} == {*mine, own.name}
    assert {path.name for path in tmp_path.iterdir()} == set(mine)


def test_what_a_dead_process_left_of_a_stand_in_is_removed_when_the_next_is_made(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    code = "import sys, time; from pathlib import Path; from drtrl_bench import data\n"
    code += "what, make = data.events('nmnist').published, data.module('events.make_stand_in').make\n"
    code += "said = {'train': 1, 'test': 1}\n"
    code += f"make(what, lambda *_: print('making', flush=True) or time.sleep(60), said, base=Path({str(tmp_path)!r}))"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(python(code), env=environment, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout
        assert process.stdout.readline() == "making\n"
        process.kill()
    assert len(list(tmp_path.iterdir())) == 1
    what = data.events("nmnist").published
    data.module("events.make_stand_in").make(what, lambda *_: None, {"train": 1, "test": 1}, base=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["NMNIST"]


def test_a_folder_that_is_held_is_not_removed_though_its_owner_is_not_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from another container, with the same folder for temporary files and process ids of its own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with scratch.folder() as own:
        monkeypatch.setattr(scratch, "start_time", lambda process: None)
        scratch.sweep()
        assert own.exists()


def repository(folder: Path) -> Path:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false")
    for words in (("init", "-q", "-b", "main", "."), (*who, "commit", "-q", "--allow-empty", "-m", "c")):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "killed while git made it"])
def test_a_worktree_of_a_dead_process_is_forgotten_and_no_other(
    whole: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "tmp").mkdir()
    project = repository(tmp_path / "project")
    monkeypatch.setattr(revisions, "ROOT", project)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(scratch, "owner", lambda: f"drtrl-bench-{os.getpid()}-1-")
    with monkeypatch.context() as patch:
        patch.setattr(scratch, "remove", lambda path: None)
        patch.setattr(
            revisions, "git", lambda *words, real=revisions.git: "" if words[0] == "worktree" else real(*words)
        )
        with revisions.checkout("HEAD") as left:
            pass
    for name in ("mine", "unplugged"):
        subprocess.run(["git", "worktree", "add", "-q", "--detach", tmp_path / name], cwd=project, check=True)
    (tmp_path / "unplugged").rename(tmp_path / "elsewhere")  # as on a disk that is not here today
    if not whole:
        (project / ".git/worktrees" / left.name / "locked").write_text("initializing")
        (project / ".git/worktrees" / left.name / "gitdir").unlink()
    with revisions.checkout("HEAD") as own:
        known = {path.name for path in (project / ".git/worktrees").iterdir()}
        assert known == {"mine", "unplugged", own.name}
    assert {path.name for path in (project / ".git/worktrees").iterdir()} == {"mine", "unplugged"}
    assert not list((tmp_path / "tmp").iterdir())


# Two runs at once.


@needs("torch")
def test_a_second_run_on_a_record_file_says_who_writes_it(mark: str, tmp_path: Path) -> None:
    with endless(mark, tmp_path, "run", "endless.toml") as first:
        soon(lambda: len(alive(f"sleep\0{mark}")) == 2, 60)
        with endless(mark, tmp_path, "run", "endless.toml") as second:
            _, said = second.communicate(timeout=60)
        first.kill()
        _ = first.communicate()
    assert second.returncode == 2
    path = Path("results/local/endless.jsonl")
    assert said.startswith(f"drtrl-bench: {path} is being written by process {first.pid} (")
    assert said.endswith("wait until that has ended, or name another file: --records\n")
    assert len(said.splitlines()) == 1
    soon(lambda: not alive(mark))
    with locks.writing(tmp_path / path):
        pass  # given back, though its owner was killed


def test_a_record_file_is_not_made_for_nothing(tmp_path: Path) -> None:
    with locks.writing(tmp_path / "a" / "r.jsonl"):
        assert (tmp_path / "a" / "r.jsonl").read_text() == ""
    assert not (tmp_path / "a" / "r.jsonl").exists()
    (tmp_path / "a" / "r.jsonl").write_text("")
    with locks.writing(tmp_path / "a" / "r.jsonl"):
        pass
    assert (tmp_path / "a" / "r.jsonl").exists()
    with locks.writing(tmp_path / "new.jsonl"):
        (tmp_path / "new.jsonl").write_text("a record")
    assert (tmp_path / "new.jsonl").read_text() == "a record"


def test_a_record_file_that_is_replaced_while_it_is_taken_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real, asked = tmp_path / "r.jsonl", locks.acquire, []
    path.write_text("before")

    def acquire(file: int, wait: bool) -> bool:
        asked.append(file)
        if len(asked) == 1:
            path.rename(tmp_path / "aside")
            path.write_text("after")
        return real(file, wait)

    monkeypatch.setattr(locks, "acquire", acquire)
    with locks.writing(path), path.open() as there:
        assert not real(there.fileno(), wait=False), "the file that is there is not held"
    assert len(asked) == 2


HOLDS = """
import sys, time
from pathlib import Path
from drtrl_bench.process import locks
with locks.measuring(print):
    began = time.monotonic()
    print("holds", flush=True)
    time.sleep(0.3)
    print(began, time.monotonic(), flush=True)
"""


def test_one_case_is_measured_on_a_machine_at_a_time(tmp_path: Path) -> None:
    environment = os.environ | {locks.SETTING: str(tmp_path / "lock"), "PYTHONPATH": str(ROOT)}
    spans = []
    every = [
        subprocess.Popen(python(HOLDS), env=environment, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
        for _ in range(3)
    ]
    said = [process.communicate()[0].splitlines() for process in every]
    spans = sorted(tuple(float(word) for word in lines[-1].split()) for lines in said)
    assert all(before[1] <= after[0] for before, after in pairwise(spans)), "two at once"
    waiting = [lines[0] for lines in said if len(lines) == 3]
    assert waiting, "none of them waited"
    own = {f"waiting for process {process.pid} (" for process in every}
    assert all(any(text.startswith(start) for start in own) for text in waiting), waiting
    assert all(text.endswith("), which is measuring on this machine") for text in waiting)


def test_a_run_waits_for_the_machine_and_its_seconds_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(locks.SETTING, str(tmp_path / "lock"))
    monkeypatch.setattr(runner, "measure", lambda case, plan, folder: OK)
    said: list[str] = []
    plan = Plan("p", "", (CASE,))
    with locks.measuring(said.append):
        waits = threading.Thread(
            target=lambda: runner.run(plan, tmp_path / "r.jsonl", lambda text, _: said.append(text))
        )
        waits.start()
        soon(lambda: len(said) == 2)
        time.sleep(4)
    waits.join()
    (own,) = reading.read(tmp_path / "r.jsonl")
    assert said[1].startswith(f"    waiting for process {os.getpid()} (")
    assert own["duration_s"] < 3, "of 4 seconds that it waited"


def test_a_lock_that_is_removed_while_it_is_waited_for_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by what clears temporary folders: who comes next takes a new one, so who has waited must, too."""
    path = tmp_path / "lock"
    monkeypatch.setenv(locks.SETTING, str(path))
    inside: list[str] = []

    def waits() -> None:
        with locks.measuring(lambda text: path.unlink()):
            inside.append("waited")
            assert not locks.acquire(locks.open_machine_lock(path) or 0, wait=False), (
                "the lock that is there is not held"
            )
            inside.append("held")

    with locks.measuring(inside.append):
        thread = threading.Thread(target=waits)
        thread.start()
        soon(lambda: not path.exists())
    thread.join()
    assert inside == ["waited", "held"]


def test_the_lock_of_the_machine_is_for_every_user_whatever_the_umask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(locks.SETTING, str(tmp_path / "lock"))
    before = os.umask(0o077)
    try:
        with locks.measuring(pytest.fail):
            assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o644
    finally:
        os.umask(before)


def test_without_a_place_for_the_lock_work_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (str(tmp_path / "none" / "lock"), "none"):
        monkeypatch.setenv(locks.SETTING, name)
        with locks.measuring(pytest.fail), locks.measuring(pytest.fail):
            pass


@pytest.mark.parametrize("trials", [2, pytest.param(60, marks=[pytest.mark.slow, pytest.mark.timeout(7200)])])
def test_kills_lose_nothing_and_leave_nothing(trials: int, tmp_path: Path) -> None:
    found = kills.campaign(tmp_path, trials)
    assert not +found.counts, found.counts
    assert sum(found.kills.values()) == trials
