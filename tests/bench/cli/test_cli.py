"""The command: what it prints, and that bad input is one clear line and exit code 2."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from support.command_line import command
from support.genuine import WRITERS, needs_tonic
from support.lines import environment, line, write
from support.problems import needs

from drtrl_bench.case import Case
from drtrl_bench.cli import arguments, terminal
from drtrl_bench.records import appending, frames
from drtrl_bench.view import collapse, report, table


@pytest.fixture
def records(tmp_path: Path) -> Path:
    path = tmp_path / "r.jsonl"
    for entry in (environment(), line(Case()), line(Case(framework="torch"), time_s=0.5)):
        appending.append(path, entry)
    return path


@pytest.mark.parametrize("name", ["list", "run", "show", "report", "env"])
def test_help_teaches(name: str) -> None:
    done = command(name, "--help")
    assert done.returncode == 0
    assert name == "env" or "drtrl-bench " + name in done.stdout or "Example" in done.stdout


def test_list_names_what_there_is() -> None:
    done = command("list")
    assert done.returncode == 0
    for word in ("quick", "drtrl", "rtrl", "bptt", "gru", "alif_expcu", "digits (event-converted)", "bernoulli"):
        assert word in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_list_filters_a_plan() -> None:
    done = command("list", "quick", "-k", "drtrl", "-k", "jax")
    assert done.stdout.splitlines()
    assert all("drtrl" in text and "jax" in text for text in done.stdout.splitlines())


BAD = {
    "unknown plan": (["run", "quik"], "quick"),
    "unknown word": (["list", "quick", "-k", "drtlr"], "drtrl"),
    "unknown size": (["list", "quick", "-k", "K=33"], "-k K=33: unknown; did you mean K=32"),
    "words that no case has both": (["list", "quick", "-k", "T=64", "-k", "T=256"], "-k T=64 -k T=256 together"),
    "words without a plan": (["list", "-k", "T=64"], "of a plan: drtrl-bench list PLAN -k T=64"),
    "no such file": (["run", "nothing.toml"], "nothing.toml"),
    "no records": (["show", "nowhere"], "drtrl-bench run"),
    "empty folder": (["show", "."], "drtrl-bench run"),
    "malformed plan": (["run", "broken.toml"], "broken.toml"),
    "a folder for a plan": (["run", "folder.toml"], "folder.toml"),
    "records where a folder is": (["run", "good.toml", "--records", "folder.toml"], "folder.toml"),
}


@pytest.mark.parametrize("words", [pytest.param(words, id=name) for name, words in BAD.items()])
def test_bad_input_is_one_line_and_exit_code_2(words: tuple[list[str], str], tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("[[grid]\n")
    (tmp_path / "good.toml").write_text('[[grid]]\ndataset = "bernoulli"\n')
    (tmp_path / "folder.toml").mkdir()
    done = command(*words[0], cwd=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert words[1] in done.stderr


def test_show_fits_a_terminal_and_filters(records: Path) -> None:
    done = command("show", str(records))
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "digits (event-converted)" in done.stdout
    table = command("show", str(records), "-k", "torch").stdout
    assert "500" in table
    assert "12.3" not in table


FOUND_BY = {
    "T=64": {"slow", "torch"},
    "t=64": {"slow", "torch"},
    "K=16": {"slow"},
    "N=32": {"torch"},
    "drtrl": {"slow", "torch"},
    "rtrl": {"exact"},
    "unstable": {"slow"},
    "busy": {"torch"},
    "wrong": {"exact"},
    "mine": {"exact"},
    "synthetic": {"torch"},
}


@pytest.mark.parametrize("word", FOUND_BY)
def test_show_finds_what_list_and_the_page_find(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = {
        "slow": Case(steps=64, chunk=16),
        "torch": Case(framework="torch", neurons=32, steps=64),
        "exact": Case(algorithm="rtrl"),
    }
    lines = {
        "slow": line(cases["slow"], unstable=True),
        "torch": line(cases["torch"], data={"label": "digits (synthetic)", "synthetic": True}),
        "exact": line(cases["exact"], status="wrong", reason="gate red; rtrl and drtrl", plan="mine"),
    }
    lines["torch"]["time"] |= {"busy": True}
    path = write(tmp_path, [*lines.values()])
    rows = {row["case_key"]: row for row in collapse.rounds(frames.load(path)).to_dict("records")}
    for name, case in cases.items():
        try:
            found = arguments.match([table.words_of(rows[case.key])], [word], "record") == [True]
        except terminal.UsageError:
            found = False
        assert found == (name in FOUND_BY[word])
    monkeypatch.setattr(report, "picture", lambda name, frame: ("AAAA", False))
    page = report.write(path, tmp_path / "report.html").read_text(encoding="utf-8")
    searched = [set(own.split()) for own in re.findall(r'data-words="([^"]*)"', page)]
    assert sum(word.lower() in own for own in searched) == len(FOUND_BY[word])


def test_a_filter_leaves_the_rounds_and_the_ratios_as_they_are(tmp_path: Path) -> None:
    bptt, drtrl = Case(algorithm="bptt", steps=64, chunk=64), Case(steps=64, chunk=16)
    rounds = [line(bptt, time_s=0.010), line(bptt, time_s=0.010, round=1)]
    rounds += [line(drtrl, time_s=0.020), line(drtrl, time_s=0.022, round=1, unstable=True)]
    done = command("show", str(write(tmp_path, rounds)), "-k", "unstable")
    assert re.search(r"^drtrl +16 +64 +21.0 ±10%~ +2.10~ ", done.stdout, re.MULTILINE), done.stdout


def test_show_keeps_what_a_corrupt_line_leaves(records: Path) -> None:
    with records.open("a") as file:
        file.write("garbage\n")
    done = command("show", str(records))
    assert done.returncode == 0
    assert "line 4" in done.stderr
    assert "torch" in done.stdout


def test_report_writes_figures_and_page(records: Path, tmp_path: Path) -> None:
    done = command("report", str(records), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    for name in ("time_vs_t.png", "memory_vs_t.pdf", "fidelity.csv", "report.html"):
        assert (tmp_path / "out" / name).stat().st_size > 0


def test_exit_code_1_when_a_case_is_wrong(tmp_path: Path) -> None:
    plan = tmp_path / "silent.toml"
    sizes = "features = 5\nneurons = 4\nbatch = 2\nsteps = 6\nthreads = 1"
    plan.write_text(f'[[grid]]\ndataset = "bernoulli"\nframework = "torch"\nscale_x = 0.0001\n{sizes}\n')
    pytest.importorskip("torch")
    done = command("run", str(plan), cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "never spikes" in done.stdout
    assert (tmp_path / "results/local/silent.jsonl").is_file()


def worker_of(run: subprocess.Popen[str]) -> Path:
    """/proc of the measuring child of a run, once it has its job and loads PyTorch."""
    while True:
        assert run.poll() is None, run.communicate()
        below = [str(run.pid)]
        for process in below:  # it grows: the child is the child of what ends it
            with suppress(OSError):  # git and nvidia-smi come and go
                below += Path(f"/proc/{process}/task/{process}/children").read_text().split()
                if process != below[0] and "libtorch" in Path(f"/proc/{process}/maps").read_text():
                    return Path(f"/proc/{process}")
        time.sleep(0.02)


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_its_child_and_says_how_to_go_on(signal_: signal.Signals, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    plan = tmp_path / "endless.toml"
    plan.write_text(
        'budget_s = 60\n[[grid]]\ndataset = "bernoulli"\ncell = "leaky_rnn"\nframework = "torch"\nthreads = 1\n'
    )
    run = [sys.executable, "-m", "drtrl_bench", "run", str(plan)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(run, cwd=tmp_path, **pipes) as process:
        child = worker_of(process)
        process.send_signal(signal_)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signal_
    assert said.startswith(f"interrupted by {signal_.name}; ")
    assert len(said.splitlines()) == 1
    assert not child.exists()


def test_a_lost_environment_line_is_no_traceback(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    plan, records = tmp_path / "tiny.toml", tmp_path / "r.jsonl"
    sizes = "features = 5\nneurons = 4\nbatch = 2\nsteps = 6\nthreads = 1"
    plan.write_text(
        f'budget_s = 0.01\n[[grid]]\nframework = "torch"\ndataset = "bernoulli"\ncell = "leaky_rnn"\n{sizes}\n'
    )
    assert command("run", str(plan), "--records", str(records)).returncode == 0
    records.write_text(records.read_text().replace('"kind": "environment"', '"kind": "lost"'))
    done = command("run", str(plan), "--records", str(records))
    assert done.returncode == 0, done.stderr
    assert "machine not in the records" in done.stdout


def test_env_as_json() -> None:
    import json

    assert "versions" in json.loads(command("env", "--json").stdout)


def test_data_list_says_what_would_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path))
    done = command("data", "list")
    assert done.returncode == 0
    for word in ("SHD (no files)", "drtrl-bench data make shd", "digits (event-converted)", str(tmp_path / "data")):
        assert word in done.stdout


@needs_tonic
def test_data_make_and_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path))
    made = command("data", "make", "nmnist", "--train", "2", "--test", "1")
    assert made.returncode == 0, made.stderr
    assert "N-MNIST layout (event-converted digits)" in made.stdout
    assert "there already" in command("data", "make", "nmnist", "--train", "2", "--test", "1").stdout
    checked = command("data", "check")
    assert checked.returncode == 0, checked.stderr
    assert "60000" in checked.stdout
    assert max(len(text) for text in checked.stdout.splitlines() if str(tmp_path) not in text) <= 80
    path = sorted((tmp_path / "stand_ins" / "NMNIST" / "Train" / "3").glob("*.bin"))[0]
    path.write_bytes(path.read_bytes()[:-1])
    broken = command("data", "check", "nmnist")
    assert broken.returncode == 1
    assert str(path) in broken.stdout


def test_a_stand_in_is_called_one_whatever_else_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path))
    WRITERS["nmnist"](tmp_path)
    listed = command("data", "list").stdout
    assert "N-MNIST layout (other recordings)" in listed
    made = command("data", "make", "nmnist", "--train", "1", "--test", "1")
    assert made.stdout.split(": made: ")[1].strip() == "N-MNIST layout (event-converted digits)"
    assert "SHD (no files): not checked" in command("data", "check").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["data", "make", "nmnits"], "nmnist"),
        (["data", "make", "dms"], "has no files"),
        (["data", "check", "shd"], "drtrl-bench data make shd"),
        (["data", "list", "--data", "nowhere"], "nowhere"),
        (["run", "quick", "--data", "nowhere"], "nowhere"),
        (["data", "make", "nmnist", "--train", "1000"], "145"),
    ],
)
def test_bad_data_commands_are_one_line(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path))
    done = command(*words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert said in done.stderr


@pytest.mark.parametrize("name", ["list", "make", "check"])
def test_data_help_teaches(name: str) -> None:
    done = command("data", name, "--help")
    assert done.returncode == 0
    assert "drtrl-bench data " + name in done.stdout


@pytest.mark.parametrize("variable", ["DRTRL_BENCH_CACHE", "DRTRL_BENCH_DATA"])
@pytest.mark.parametrize("words", [["list"], ["data", "list"]])
def test_the_home_of_nobody_is_one_line(words: list[str], variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "~nouser/x")
    done = command(*words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr == f"drtrl-bench: ${variable} ~nouser/x: no such home; write the path in full\n"


@needs("torch")
def test_the_memory_meter_of_pytorch_prints_nothing() -> None:
    """Its profiler says on standard error when it starts and when it stops, in commands that train in their process."""
    code = (
        "from drtrl_bench.cli import app; from drtrl_bench.measure import memory; import torch\n"
        "app.app = lambda **options: print(memory.torch_peak_bytes(lambda: torch.ones(1000)))\n"
        "app.main()"
    )
    environ = {name: value for name, value in os.environ.items() if name != "KINETO_LOG_LEVEL"}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("4000\n", "")
