"""Kills at random moments: of the command or of any process that it started, by any signal.

    python tests/campaigns/kills.py [TRIALS] [SEED]

A trial is `run`, `compare` or `baseline` in a copy of the project, in which what measures is a stand-in that takes a
tenth of a second and leaves a process in a session of its own running. Counted is what must not be: records lost, torn
or doubled, processes that outlive the command, temporary folders and worktrees that are there after the next start,
tracebacks, and commands that do not end. `run` goes on with one record file through all of its trials.
"""

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from support.copies import copied  # noqa: E402

from drtrl_bench.measure import runner  # noqa: E402
from drtrl_bench.records import parsing  # noqa: E402

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""Signals after which nothing may be left at once; after others, once the next command has begun."""
SIGNALS = (*HANDLED, signal.SIGKILL, signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV, signal.SIGUSR1, signal.SIGALRM)
COMMANDS = {
    "run": ("run", "tiny.toml", "--records", "r.jsonl"),
    "compare": ("compare", "HEAD~1", "HEAD", "--plan", "one.toml"),
    "baseline": ("baseline",),
}
TAKES = {"run": 1.0, "baseline": 1.0, "compare": 2.5}
"""How long a command takes, about, in times of `run`."""
FAILURES = (
    *("records lost", "records torn", "records doubled", "orphans", "folders left", "worktrees left"),
    *("exit codes", "tracebacks", "hangs", "baselines torn"),
)
ANNOUNCED = re.compile(r"^\[\d+/6.*\n(?:    waiting for .*\n)?    .*\n", re.MULTILINE)
"""What `run` says of a case that it has recorded."""
LIMIT_S = 240.0
"""Seconds after which a command hangs: on a busy machine a comparison takes half a minute."""
PLAN = """
budget_s = 0.01
[[grid]]
framework = "torch"
dataset = "bernoulli"
cell = "leaky_rnn"
features = 5
neurons = 4
batch = 2
steps = 7
threads = 1
seed = [0, 1, 2, 3, 4, 5]
"""
PROBLEM = """
import json, sys
job = json.load(sys.stdin)
open(job["result"], "w").write('{"problem": "none"}')
"""
WORKER = """
import json, subprocess, sys, time
job = json.load(sys.stdin)
print("stage: timing", flush=True)
subprocess.Popen(["sleep", "600"], start_new_session=True)
time.sleep(0.1)
result = {"status": "ok", "reason": None, "time": {"samples_s": 5 * [0.1], "median_s": 0.1}}
open(job["result"], "w").write(json.dumps(result))
"""


class Campaign:
    """A copy of the project, and what is counted in it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.kills: Counter[str] = Counter()
        self.project = folder / "project"
        self.temporary = folder / "tmp"
        self.temporary.mkdir(parents=True)
        self.project.mkdir()
        copied(self.project)
        (self.project / "pyproject.toml").write_text('name = "drtrl-bench"\n')
        for name, text in (("worker", WORKER), ("problem", PROBLEM)):
            self.stand_in(name, text)
        for name in ("tiny.toml", "bench/plans/gate.toml"):
            (self.project / name).write_text(PLAN)
        (self.project / "one.toml").write_text(PLAN.replace("[0, 1, 2, 3, 4, 5]", "0"))
        who = ("-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false")
        self.git("init", "-q", "-b", "main")
        self.git("add", "-A")
        for message in ("one", "two"):
            self.git(*who, "commit", "-q", "--allow-empty", "-m", message)
        self.environment = os.environ | {
            "PYTHONPATH": str(self.project),
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(self.temporary),
            "DRTRL_BENCH_CACHE": str(folder / "cache"),
            "DRTRL_BENCH_LOCK": str(folder / "lock"),
            "DRTRL_BENCH_MEMORY_GIB": "8",
        }
        self.run_s = self.whole()
        """Seconds that `run` takes if nobody ends it."""

    def whole(self) -> float:
        """Seconds of `run` from its start to its end; its records are removed."""
        began = time.monotonic()
        with self.start("run") as process:
            _, said = process.communicate()
        assert process.returncode == 0, said
        (self.project / "r.jsonl").unlink()
        return time.monotonic() - began

    def stand_in(self, name: str, text: str) -> None:
        """Lets a module of the copy do something else where it is run; what others import from it stays."""
        file = self.project / "bench" / "measure" / f"{name}.py"
        instead = f"if __name__ == '__main__':\n    exec({text!r})\n    raise SystemExit\n"
        file.write_text(instead + file.read_text())

    def git(self, *words: str) -> str:
        done = subprocess.run(["git", *words], cwd=self.project, check=True, capture_output=True, text=True)
        return done.stdout

    def start(self, name: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "drtrl_bench", *COMMANDS[name]]
        pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        with ExitStack() as kept:
            if name == "run":
                pipes["stdout"] = kept.enter_context((self.project / "said.txt").open("w"))
            return subprocess.Popen(command, cwd=self.project, env=self.environment, **pipes)

    def processes(self) -> list[int]:
        """Every process of the campaign, by a variable that each has inherited."""
        mark, found = f"DRTRL_BENCH_CACHE={self.environment['DRTRL_BENCH_CACHE']}\0".encode(), []
        for folder in Path("/proc").iterdir():
            with suppress(OSError):
                if folder.name.isdigit() and mark in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
        return found

    def trial(self, name: str, victim: str, number: int) -> None:
        """Starts a command, sends a signal at a random moment, and counts what is wrong afterwards."""
        before = self.lines()
        with self.start(name) as process:
            time.sleep(self.random.uniform(0.1, 0.9) * TAKES[name] * self.run_s)
            others = [each for each in self.processes() if each != process.pid]
            own = victim == "the command" or not others
            with suppress(ProcessLookupError):
                os.kill(process.pid if own else self.random.choice(others), number)
            try:
                _, said = process.communicate(timeout=LIMIT_S)
            except subprocess.TimeoutExpired:
                self.failed("hangs", name)
                process.kill()
                _, said = process.communicate()
        self.kills[f"{name}: {victim}"] += 1
        print(f"[{sum(self.kills.values())}] {name}, {victim}: {signal.Signals(number).name}", flush=True)
        where = (
            f"{name}, {victim}, {signal.Signals(number).name}, exit code {process.returncode}: {said.strip()!r:.200}"
        )
        if "Traceback" in said:
            self.failed("tracebacks", where)
        expected = (128 + number if number in HANDLED else -number,) if own else ()
        if process.returncode not in (*expected, 0, *((1, 2) if not own else ())):
            self.failed("exit codes", where)
        self.check(before, name, where, at_once=process.returncode >= 0)

    def check(self, before: list[bytes], name: str, where: str, at_once: bool) -> None:
        """Counts what is wrong after a command has ended, whose own tidying must be enough if `at_once`."""
        until = time.monotonic() + 10
        while (left := self.processes()) and time.monotonic() < until:
            time.sleep(0.02)
        for process in left:
            with suppress(OSError):
                said = Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                os.kill(process, signal.SIGKILL)
                self.failed("orphans", f"{said} after {where}")
        if not at_once:
            code = "from drtrl_bench.gate import revisions; from drtrl_bench.process import scratch; "
            code += "scratch.sweep(); revisions.forget()"
            subprocess.run([sys.executable, "-c", code], cwd=self.project, env=self.environment, check=True)
        for path in self.temporary.iterdir():
            if path.name.startswith("drtrl-bench-"):
                self.failed("folders left", f"{path.name} after {where}")
        known = self.project / ".git" / "worktrees"
        for entry in known.iterdir() if known.is_dir() else ():
            self.failed("worktrees left", f"{entry.name} after {where}")
        for path in (self.project / "results" / "baselines").glob("*"):
            lines = path.read_text().splitlines()
            if path.suffix != ".jsonl" or [json.loads(text)["status"] for text in lines] != 6 * ["ok"]:
                self.failed("baselines torn", f"{path.name} after {where}")
        if name == "run":
            self.check_records(before, where)

    def check_records(self, before: list[bytes], where: str) -> None:
        now = self.lines()
        said = (self.project / "said.txt").read_text()
        if now[: len(before)] != before or len(now) - len(before) < len(ANNOUNCED.findall(said)):
            self.failed("records lost", where)
        identities: Counter[Any] = Counter()
        for text in now:
            try:
                line = json.loads(text)
            except ValueError:
                self.failed("records torn", where)
                continue
            if parsing.complaint(line):
                self.failed("records torn", where)
            elif line["kind"] == "record" and line["status"] in runner.FINISHED:
                identities[runner.identity(line)] += 1
        self.counts["records doubled"] += sum(identities.values()) - len(identities)

    def lines(self) -> list[bytes]:
        """The lines of the record file; of an unfinished one, too."""
        path = self.project / "r.jsonl"
        return path.read_bytes().splitlines() if path.exists() else []

    def failed(self, what: str, where: str) -> None:
        self.counts[what] += 1
        print(f"FAILED, {what}: {where}", flush=True)

    def finish(self) -> None:
        """Lets `run` come to its end, and counts what is missing then."""
        before = self.lines()
        with self.start("run") as process:
            _, said = process.communicate()
        self.check(before, "run", f"the last run: {said!r:.200}", at_once=True)
        found = [json.loads(text) for text in self.lines()]
        done = {each["case"]["seed"] for each in found if each["kind"] == "record" and each["status"] == "ok"}
        self.counts["records lost"] += 6 - len(done)


def campaign(folder: Path, trials: int, seed: int = 0) -> Campaign:
    """Kills `trials` times, of which the first three are chosen: every command, and SIGKILL."""
    found = Campaign(folder, seed)
    chosen = [("run", "the command", signal.SIGKILL), ("compare", "the command", signal.SIGKILL)]
    chosen.append(("run", "what it started", signal.SIGKILL))
    for number in range(trials):
        if number < len(chosen):
            trial = chosen[number]
        else:
            name = found.random.choice(["run", "run", "run", "baseline", "baseline", "compare"])
            trial = (name, found.random.choice(["the command", "what it started"]), found.random.choice(SIGNALS))
        if trial[0] == "run" and sum(b'"record"' in text for text in found.lines()) >= 6:
            (found.project / "r.jsonl").unlink()  # it is full: nothing would be measured
        found.trial(*trial)
    found.finish()
    return found


def main() -> None:
    trials, seed = (
        (int(word) for word in (*sys.argv[1:], "60", "0")[:2]) if len(sys.argv) != 2 else (int(sys.argv[1]), 0)
    )
    with tempfile.TemporaryDirectory(prefix="campaign-") as folder:
        found = campaign(Path(folder), trials, seed)
    print(
        f"{trials} kills, seed {seed}: " + ", ".join(f"{name} {count}" for name, count in sorted(found.kills.items()))
    )
    print(", ".join(f"{found.counts[name]} {name}" for name in FAILURES))
    raise SystemExit(any(found.counts.values()))


if __name__ == "__main__":
    main()
