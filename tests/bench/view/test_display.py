"""Display: foreign text is shown and not obeyed, and nothing about the output ends a command."""

import io
import os
import re
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text
from support.lines import environment, grid, line, write
from support.pictures import text_of

from drtrl_bench import figures
from drtrl_bench.case import Case
from drtrl_bench.figures import fidelity, memory_vs_t, time_vs_t
from drtrl_bench.gate import compare
from drtrl_bench.records import frames
from drtrl_bench.view import cell_text, collapse, compare_table, display, report, table

EVIL = (
    "\x1b[31mred\x1b[0m \x9b2J \u202egnp.exe\u2069 \rfaked \x07 \u2028 \udcff \ud800 [bold red]x[/] <b>$\\frac12$</b>"
)
SEEN = r"\x1b[31mred\x1b[0m \x9b2J \u202egnp.exe\u2069 \rfaked \x07 \u2028 \xff \ud800 [bold red]x[/] <b>$\frac12$</b>"
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What no output may hold."""


def run(*words: str | bytes, cwd: Path | str | None = None, **settings: str) -> subprocess.CompletedProcess[bytes]:
    env = os.environ | {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"} | settings
    command = [sys.executable, "-W", "error", "-m", "drtrl_bench", *words]
    return subprocess.run(command, capture_output=True, cwd=cwd, env=env, check=False)


def test_what_is_not_printable_is_shown_as_its_escape() -> None:
    assert display.shown(EVIL) == SEEN
    assert display.shown("µ ± 1 ✓ 語") == "µ ± 1 ✓ 語"
    assert display.shown(display.shown(EVIL)) == display.shown(EVIL)
    assert display.shown_lines("a\nb\r\n") == "a\nb\\r\n"


def evil() -> list[Any]:
    """Records with such text wherever a record holds text, each with its environment."""
    lines = [deepcopy(each) for each in grid(steps=(64, 256))]
    described = environment(cpu=EVIL, os=EVIL, python=EVIL, versions={"jax": EVIL, EVIL: EVIL})
    for each in lines:
        names = dict.fromkeys(("cell", "readout", "dataset", "initial", "bias_correction", "precision"), EVIL)
        each["case"] |= names | {"mode": EVIL, "framework": EVIL, "device": EVIL}
        each["data"] |= {"label": EVIL, "fingerprint": EVIL}
        each |= dict.fromkeys(("plan", "run", "commit", "implementation_sha", "started"), EVIL)
        each["case_key"] += EVIL
        for part in ("per_layer", "per_parameter"):
            each["fidelity"][part] |= {EVIL: each["fidelity"]["overall"]}
        each["environment"] = described
    lines[1]["case"]["algorithm"] = EVIL
    lines[2] |= {"status": "error", "reason": EVIL, "time": {}, "memory": {}, "fidelity": {}, "activity": {}}
    return [each | {"source": EVIL} for each in lines]


@pytest.mark.parametrize("console", [Console, display.Console], ids=["rich", "own"])
def test_a_table_obeys_no_text(console: Any) -> None:
    output = io.StringIO()
    table.render(collapse.rounds(frames.frame(evil())), console(width=80, file=output))
    assert OBEYED.findall(output.getvalue()) == []
    for said in (r"\x1b[31mred", r"\u202egnp", "[bold red]x[/]", r"$\frac12$"):
        assert said in output.getvalue()


def test_progress_obeys_no_text() -> None:
    lines = evil()
    said = cell_text.sentence(collapse.rounds(frames.frame(lines[:1])))
    assert OBEYED.findall(said) == []
    assert OBEYED.findall(cell_text.short(EVIL)) == []


def test_a_console_obeys_no_text() -> None:
    output = io.StringIO()
    console = display.Console(width=200, file=output, force_terminal=True, color_system="standard", _environ={})
    grid = Table(EVIL, title=EVIL)
    grid.add_row(EVIL)
    grid.add_row(Text(EVIL, style="bold"))
    for shown in (EVIL, Text(EVIL), grid):
        console.print(shown, style="red")
    said = re.sub(r"\x1b\[[0-9;]*m", "", output.getvalue())
    assert OBEYED.findall(said) == []
    assert "\x1b[31m\\x1b[31mred" in output.getvalue(), "the console's own colours are obeyed"


def test_a_comparison_obeys_no_text(tmp_path: Path) -> None:
    output = io.StringIO()
    found = compare.changes(evil(), evil())
    compare_table.render(found, display.Console(width=100, file=output), every=True)
    assert OBEYED.findall(output.getvalue()) == []
    compare_table.draw(found, tmp_path / "table.svg", EVIL, every=True)
    assert OBEYED.findall((tmp_path / "table.svg").read_text(encoding="utf-8")) == []


def test_a_page_obeys_no_text(tmp_path: Path) -> None:
    lines = evil()
    path = report.write_page(EVIL, lines, frames.frame(lines), {}, tmp_path / "page.html")
    page = path.read_text(encoding="utf-8")
    assert OBEYED.findall(page.replace("\t", "")) == []
    assert "<b>$" not in page
    assert r"\u202egnp.exe\u2069" in page


@pytest.mark.parametrize("module", [time_vs_t, memory_vs_t, fidelity], ids=["time", "memory", "fidelity"])
def test_a_figure_and_its_csv_obey_no_text(module: Any, tmp_path: Path) -> None:
    frame = frames.frame(evil())
    figure = module.draw(frame)
    words = text_of(figure)
    assert OBEYED.findall(words) == []
    assert r"\$\frac12\$" in words, "a formula is written as it stands"
    _, _, csv = figures.save(figure, module.data(frame), tmp_path, "evil")
    written = csv.read_text(encoding="utf-8")
    assert OBEYED.findall(written) == []
    assert r"\x1b[31mred" in written


def test_a_spreadsheet_finds_no_formula_in_a_csv() -> None:
    assert [display.shown_in_csv(v) for v in ("=1+1", "@x", "-2", -2, 0.5, "lif")] == [
        "'=1+1",
        "'@x",
        "'-2",
        -2,
        0.5,
        "lif",
    ]


@pytest.fixture
def records(tmp_path: Path) -> Path:
    failed = line(Case(steps=64), status="error", reason="a \x1b[31mred\x1b[0m \u202e end")
    return write(tmp_path, [line(Case()), line(Case(algorithm="bptt", chunk=128)), failed])


def test_text_of_a_file_is_shown_by_the_commands(records: Path, tmp_path: Path) -> None:
    done = run("show", str(records))
    assert done.returncode == 0, done.stderr
    assert rb"a \x1b[31mred\x1b[0m \u202e end" in done.stdout
    assert b"\x1b" not in done.stdout + done.stderr
    done = run("compare", str(records), str(records), "--all")
    assert b"\x1b" not in done.stdout + done.stderr
    plan = tmp_path / "plan.toml"
    plan.write_text('description = "x"\n[[grid]]\n"\\u001b[31m" = 1\n', encoding="utf-8")
    done = run("list", str(plan))
    assert done.returncode == 2
    assert b"\x1b" not in done.stdout + done.stderr


ASCII = {"PYTHONIOENCODING": "ascii"}
C = {"LC_ALL": "C", "LANG": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


@pytest.mark.parametrize("settings", [ASCII, C], ids=["ascii", "C"])
def test_output_without_unicode_has_signs_in_their_place(settings: dict[str, str], records: Path) -> None:
    for words in (["show", str(records)], ["list"], ["compare", str(records), str(records), "--all"]):
        done = run(*words, **settings)
        assert done.returncode == 0, done.stderr
        assert done.stderr == b""
        assert done.stdout.isascii()
    assert b"+-2%" in run("show", str(records), **settings).stdout


@pytest.mark.parametrize("columns", ["0", "7", "x"])
def test_a_narrow_terminal_is_no_trouble(columns: str, records: Path) -> None:
    for words in (["show", str(records)], ["list"], ["compare", str(records), str(records), "--all"]):
        done = run(*words, COLUMNS=columns)
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) < 400


def closed(*words: str) -> tuple[int, str]:
    """Exit code and complaints of a command whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "drtrl_bench", *words]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    return done.returncode, done.stderr


def test_a_closed_pipe_ends_nothing(records: Path, tmp_path: Path) -> None:
    assert closed("show", str(records)) == (0, "")
    assert closed("list") == (0, "")
    assert closed("report", str(records), "--out", str(tmp_path / "out")) == (0, "")
    assert (tmp_path / "out" / "report.html").is_file()


def test_a_run_goes_on_without_its_reader(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    plan, path = tmp_path / "tiny.toml", tmp_path / "r.jsonl"
    sizes = "features = 5\nneurons = 4\nbatch = 2\nsteps = [6, 7]\nthreads = 1"
    plan.write_text(
        f'budget_s = 0.01\n[[grid]]\nframework = "torch"\ndataset = "bernoulli"\ncell = "leaky_rnn"\n{sizes}\n'
    )
    assert closed("run", str(plan), "--records", str(path)) == (0, "")
    assert frames.load(path)["status"].tolist() == ["ok", "ok"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_said_once_all_is_done(records: Path, tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "drtrl_bench", "show", str(records)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "drtrl-bench: not all was written to standard output: No space left on device\n"


def test_output_waits_for_a_slow_reader() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    own = io.TextIOWrapper(os.fdopen(writer, "wb"), encoding="ascii")
    stream = display.lasting(own)
    child = f"import os,time; time.sleep(.3); n = 0\nwhile c := os.read({reader}, 65536): n += len(c)\nprint(n)"
    with subprocess.Popen([sys.executable, "-c", child], pass_fds=[reader], stdout=subprocess.PIPE) as process:
        os.close(reader)
        stream.write("±" * 500_000)
        stream.flush()
        own.close()
        assert int(process.communicate()[0]) == 1_000_000


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"MPLBACKEND": "module://matplotlib_inline.backend_inline"}, id="a notebook's backend"),
        pytest.param({"MPLBACKEND": "nonsense"}, id="no backend"),
        pytest.param(
            {"rc": "font.size: 30\nlines.linestyle: --\naxes.facecolor: black\nsavefig.bbox: tight\n"}, id="rc"
        ),
        pytest.param({"rc": "backend: module://nonesuch\n"}, id="backend in rc"),
        pytest.param({"rc": "\udcff\udcfe"}, id="damaged rc"),
    ],
)
def test_figures_look_alike_whatever_matplotlib_is_set_to(settings: dict[str, str], tmp_path: Path) -> None:
    path = write(tmp_path, grid())
    (tmp_path / "here").mkdir()
    rc = settings.pop("rc", None)
    if rc is not None:
        (tmp_path / "here" / "matplotlibrc").write_text(rc, encoding="utf-8", errors="surrogateescape")
    alone = {"MPLBACKEND", "MATPLOTLIBRC"}
    env = {key: value for key, value in os.environ.items() if key not in alone} | settings
    script = [sys.executable, "-m", "drtrl_bench.figures.fidelity", str(path), "--out", str(tmp_path / "out")]
    done = subprocess.run(script, cwd=tmp_path / "here", env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures.make("fidelity", path, tmp_path / "plain")
    for ending in ("png", "pdf", "csv"):
        name = f"fidelity.{ending}"
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()


def test_names_that_are_no_utf_8_are_shown(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/r\xff\x1b[31m.jsonl"
    done = run("show", name)
    assert done.returncode == 2
    assert rb"r\xff\x1b[31m.jsonl" in done.stderr
    os.rename(write(tmp_path, [line(Case())]), name)
    done = run("report", name, "--out", os.fsencode(tmp_path) + b"/\xfe")
    assert done.returncode == 0, done.stderr
    assert rb"/\xfe/report.html: open it in a browser" in done.stdout
    page = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xfe/report.html")).read_text(encoding="utf-8")
    assert r"records r\xff\x1b[31m.jsonl" in page


LONG = "x" * 300


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["list", f"{LONG}.toml"], id="list"),
        pytest.param(["run", "file/plan.toml"], id="run"),
        pytest.param(["run", "quick", "-k", "T=64", "--records", "file/r.jsonl"], id="run --records"),
        pytest.param(["show", LONG], id="show"),
        pytest.param(["show", "loop"], id="show, a loop"),
        pytest.param(["show", "file/r.jsonl"], id="show, in a file"),
        pytest.param(["report", "records.jsonl", "--out", "file/out"], id="report --out"),
        pytest.param(["compare", "loop", "records.jsonl"], id="compare"),
        pytest.param(["compare", "empty", "records.jsonl"], id="compare, a folder"),
        pytest.param(["compare", "records.jsonl", "records.jsonl", "--svg", "file/x.svg"], id="compare --svg"),
        pytest.param(["list", "--plugin", "loop.py"], id="list --plugin"),
        pytest.param(["data", "check", "--data", "file"], id="data check"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(words: list[str], tmp_path: Path) -> None:
    write(tmp_path, [line(Case())])
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    for name in ("loop", "loop.py"):
        (tmp_path / name).symlink_to(name)
    done = run(*words, cwd=tmp_path)
    said = done.stderr.decode().splitlines()
    assert done.returncode == 2, done.stdout
    assert len(said) == 1, said
    assert said[0].startswith("drtrl-bench: ")


def test_an_unreadable_set_does_not_end_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "NMNIST").symlink_to("NMNIST")
    for words in (["list"], ["data", "list"]):
        done = run(*words, DRTRL_BENCH_CACHE=str(tmp_path))
        assert done.returncode == 0, done.stderr
        assert b"SHD (no files)" in done.stdout


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nope", "unknown; there are algorithms, chunks, ci, compiled, fidelity, further, gate, "),
        ("quik", "unknown; did you mean quick?"),
        ("mine", "did you mean the file mine.toml?"),
    ],
)
def test_a_plan_that_is_not_there_has_a_useful_hint(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("")
    done = run("run", name, cwd=tmp_path)
    assert done.returncode == 2
    assert f"drtrl-bench: plan '{name}': {said}" in done.stderr.decode()
