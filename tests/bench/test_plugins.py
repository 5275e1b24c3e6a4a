"""Algorithms, cells and data sets from outside the project: through the command, and what each slip is told."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from support.copies import ROOT
from support.lines import line, write
from support.problems import needs

import drtrl_bench
from drtrl_bench import data, lookup, plugins, registry
from drtrl_bench import plan as plans
from drtrl_bench.case import Case, Plan
from drtrl_bench.cost.flops import lower_bound
from drtrl_bench.cost.footprint import analytic_bytes, footprint
from drtrl_bench.cost.sizes import sizes
from drtrl_bench.gate import revisions
from drtrl_bench.measure import problem, runner
from drtrl_bench.plan import PlanError, check
from drtrl_bench.plugins import PluginError
from drtrl_bench.plugins import check as plugin_check
from drtrl_bench.records import reading

pytestmark = pytest.mark.xdist_group("torch")

MINE = """
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

import helper
from drtrl_bench.implementations.cells import spec as cells
from drtrl_bench.implementations.reference import algorithms as reference
from drtrl_bench.implementations.reference.cells import Law, apply, decay, first
from drtrl_bench.plugins import Algorithm, Cell


def faded(cell, w, s, y):
    D, F = reference.jacobians(cell, s, y)
    return helper.KEPT * D, F


@reference.on_effective_weights
def fading(net, params, inputs, targets):
    return reference.adjoint(net, params, inputs, targets, jacobian=faded)[:2]


@dataclass(frozen=True)
class RectifiedRNN(cells.Cell):
    \"\"\"h' = a h + (1 - a) max(I, 0), a = exp(-1/tau).\"\"\"

    constants: ClassVar = ("tau",)
    states: tuple[str, ...] = ("h",)
    tau: float = 5.0


def rectified(cell, s, y):
    a = decay(cell, y, "tau")
    return [a * s[0] + (1 - a) * apply(lambda v: np.maximum(v, 0), lambda v: np.where(v > 0, 1.0, 0.0), y[0])]


def in_torch():
    import torch

    from drtrl_bench.implementations.cells.cells_torch import decay

    class InTorch(RectifiedRNN):
        def emit(self, s):
            return s[..., 0, :]

        output = emit

        def dynamics(self, s, y):
            a = decay(self, y, "tau")
            return torch.stack([a * s[..., 0, :] + (1 - a) * y[..., 0, :].relu()], dim=-2)

    return InTorch


class Coin:
    LABEL = "coin (synthetic)"
    SYNTHETIC = True
    CLASSES = 2
    FEATURES = 3

    @staticmethod
    def batch(steps, size, seed):
        rng = np.random.default_rng(seed)
        spikes = (rng.random((steps, size, 3)) < 0.5).astype(np.float32)
        return spikes, np.tile(rng.integers(0, 2, size, dtype=np.int32), (steps, 1))


ALGORITHMS = {"fading": Algorithm(about="fades", reference=fading, jax="fading_jax", carry="trace", blockwise=True)}
CELLS = {"rectified_rnn": Cell(spec=RectifiedRNN, law=Law(first, rectified, first), torch=in_torch)}
DATASETS = {"coin": Coin}
"""
FADING = """
from functools import partial

from drtrl_bench.implementations.algorithms.approximate import drtrl_jax as drtrl
from drtrl_bench.implementations.engine.derivatives_jax import local_jacobians


def fading(cell, w, residuals):
    D, D_f = local_jacobians(cell, w, residuals)
    return 0.9 * D, D_f


init = drtrl.init
advance = partial(drtrl.advance, rule=drtrl.RULE._replace(jacobians=fading))
"""
PLAN = """
budget_s = 0.01
plugins = ["mine.py"]
[defaults]
dataset = "coin"
neurons = 4
batch = 2
steps = 7
chunk = 3
threads = 1
framework = ["jax", "torch"]
[[grid]]
algorithm = "fading"
cell = "gru"
[[grid]]
algorithm = "drtrl"
cell = "rectified_rnn"
"""
SMALL: dict[str, Any] = {
    "dataset": "bernoulli",
    "features": 5,
    "cell": "gru",
    "neurons": 4,
    "batch": 2,
    "steps": 7,
    "chunk": 3,
    "threads": 1,
    "budget_s": 0.01,
    "progress": False,
}


@pytest.fixture(autouse=True)
def apart(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Plugins are gone after each test; the cache is the tests' own."""
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    with plugins.scope():
        yield


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder with a plugin of one rule in JAX, one cell in PyTorch and a data set, and a plan that uses them."""
    texts = {"mine.py": MINE, "fading_jax.py": FADING, "helper.py": "KEPT = 0.9\n", "plan.toml": PLAN, "other.py": ""}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def command(*words: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"} | env
    return subprocess.run(
        [sys.executable, "-m", "drtrl_bench", *words], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")


# ---------------------------------------------------------------- from end to end


@needs("jax")
@needs("torch")
def test_a_plan_with_plugins_is_measured_from_anywhere(mine: Path) -> None:
    records, elsewhere = mine / "r.jsonl", mine / "elsewhere"
    elsewhere.mkdir()
    done = command("run", str(mine / "plan.toml"), "--records", str(records), cwd=elsewhere)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {(r["case"]["algorithm"], r["case"]["framework"]): r for r in reading.read(records)}
    assert {key: (r["status"], r["reason"]) for key, r in found.items()} == {
        ("fading", "jax"): ("ok", None),
        ("fading", "torch"): (
            "skip",
            "algorithm 'fading' of mine.py is in jax only; give it torch = ... to run it here",
        ),
        ("drtrl", "jax"): (
            "skip",
            "cell 'rectified_rnn' of mine.py is in torch only; give it jax = ... to run it here",
        ),
        ("drtrl", "torch"): ("ok", None),
    }
    fading = found["fading", "jax"]
    assert fading["gate"]["reference"] == "fading"
    assert fading["data"] == {"label": "coin (synthetic)", "synthetic": True, "fingerprint": None}
    # GRU of 4 on 3 lines, leaky readout of 2, B = 2: a trace of one state per weight and sample, and the states.
    weights = 3 * 3 * 4 + 4 * 3 * 4 + 4 * 4 + 4 * 2
    assert fading["floor"]["moved_bytes"] == 2 * 2 * 2 * weights * 4  # moves twice, read and written, two samples
    assert fading["memory"]["analytic_bytes"] > 4 * 2 * (weights + 4 + 2)
    assert [set(r["plugins"] or ()) for r in found.values()] == [{"mine.py"}] * 4
    frame = drtrl_bench.load(records)
    assert set(frame["plugins"]) == {"mine.py"}
    assert not list(mine.glob("__pycache__"))
    again = command("run", str(mine / "plan.toml"), "--records", str(records), cwd=elsewhere)
    assert "[1/" not in again.stdout, "finished cases are not run again"


@needs("jax")
def test_an_edit_measures_again_and_a_wrong_gradient_is_wrong(mine: Path) -> None:
    def measured() -> Any:
        what: dict[str, Any] = {"algorithm": "fading", "framework": "jax", "plugins": [mine / "mine.py"], **SMALL}
        return drtrl_bench.run_case(records=mine / "r.jsonl", **what).iloc[0]

    first, same = measured(), measured()
    assert (first["status"], same["started"]) == ("ok", first["started"])
    edit(mine / "fading_jax.py", "0.9", "0.8")
    slipped = measured()
    assert slipped["status"] == "wrong"
    assert "allowed 1e-10" in slipped["reason"]
    edit(mine / "helper.py", "0.9", "0.8")
    assert measured()["status"] == "ok", "the reference is the plugin's own"
    assert len(reading.read(mine / "r.jsonl")) == 3


@needs("torch")
def test_an_installed_package_brings_its_plugin(mine: Path, tmp_path: Path) -> None:
    info = mine / "faders-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faders\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[drtrl_bench.plugins]\nmine = mine\n")
    elsewhere = mine / "elsewhere"
    elsewhere.mkdir()
    shown = " ".join(command("list", cwd=elsewhere, PYTHONPATH=str(mine)).stdout.split())
    assert "fading fades (plugin mine, installed by faders 1.2)" in shown
    assert "coin coin (synthetic) (plugin mine, installed by faders 1.2)" in shown
    (elsewhere / "own.toml").write_text(
        PLAN.replace('plugins = ["mine.py"]', "").replace('["jax", "torch"]', '"torch"')
    )
    words = ["run", "own.toml", "-k", "rectified_rnn", "--records", "r.jsonl"]
    done = command(*words, cwd=elsewhere, PYTHONPATH=str(mine))
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = reading.read(elsewhere / "r.jsonl")
    assert (found["status"], list(found["plugins"] or ())) == ("ok", ["mine"])
    without = command(*words, cwd=elsewhere, PYTHONPATH=str(mine), DRTRL_BENCH_PLUGINS="none")
    assert (without.returncode, without.stdout) == (2, "")
    assert "algorithm 'fading': unknown" in without.stderr
    edit(mine / "mine.py", "import helper", "import halper")
    broken = command("list", cwd=elsewhere, PYTHONPATH=str(mine))
    assert broken.stderr == (
        "drtrl-bench: plugin mine, installed by faders 1.2: ModuleNotFoundError: No module named 'halper' (mine.py:7); "
        "DRTRL_BENCH_PLUGINS=none does without installed plugins\n"
    )


@needs("jax")
def test_what_an_implementation_lacks_is_said_before_anything_is_measured(mine: Path) -> None:
    edit(mine / "fading_jax.py", "advance =", "advances =")
    done = command("run", "plan.toml", "--records", "r.jsonl", cwd=mine)
    assert done.returncode == 2
    assert done.stderr == (
        "drtrl-bench: plugin mine.py: algorithm 'fading': jax: fading_jax has no advance; it must be a function "
        "(net, params, carry, inputs, targets, *, last=False) -> carry, loss, gradient\n"
    )
    assert "[1/" not in done.stdout
    assert not (mine / "r.jsonl").exists()
    edit(mine / "fading_jax.py", "advances = partial(", "advance = lambda *chunk, last=False: partial(")
    done = command("run", "plan.toml", "--records", "r.jsonl", cwd=mine)
    assert done.returncode == 2
    assert done.stderr == (
        "drtrl-bench: plugin mine.py: algorithm 'fading': jax: fading_jax: blockwise, but advance takes no execution; "
        "leave blockwise out, or let advance take it\n"
    )


@needs("jax")
@needs("torch")
def test_a_plugin_does_not_bring_the_other_framework_along(mine: Path) -> None:
    edit(mine / "mine.py", "import helper\n", "import helper\nimport jax\n")
    what: dict[str, Any] = {"algorithm": "drtrl", "framework": "torch", "plugins": [mine / "mine.py"], **SMALL}
    what["cell"] = "rectified_rnn"
    with pytest.raises(PluginError) as raised:
        drtrl_bench.run_case(**what)
    assert str(raised.value) == (
        f"plugin {mine / 'mine.py'}: it imports jax as it is loaded, and a case in torch must run without it; "
        "import it in a function, or in a module of its own"
    )


def test_the_command_names_its_plugins(mine: Path) -> None:
    shown = " ".join(command("list", "--plugin", "mine.py", cwd=mine).stdout.split())
    assert "fading fades (plugin mine.py)" in shown
    assert "rectified_rnn h' = a h + (1 - a) max(I, 0), a = exp(-1/tau) (plugin mine.py)" in shown
    data = command("data", "list", "--plugin", "mine.py", cwd=mine).stdout.splitlines()
    at = next(i for i, text in enumerate(data) if text.startswith("coin "))
    assert [text.split() for text in data[at : at + 2]] == [["coin", "coin", "(synthetic)"], ["plugin", "mine.py"]]
    missing = command("list", "--plugin", "none.py", cwd=mine)
    assert (missing.returncode, missing.stderr) == (2, "drtrl-bench: plugin none.py: no such file\n")


def test_revisions_are_compared_without_plugins(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []
    how = revisions.supervised.Ended(2, "")
    monkeypatch.setattr(revisions.supervised, "run", lambda words, env, **options: seen.append(env) or how)
    revisions.measure_once(mine, Case(), Plan("p", "", ()), mine, lambda _: None)
    assert [env["DRTRL_BENCH_PLUGINS"] for env in seen] == ["none"]
    done = command("compare", "HEAD", "--plan", str(mine / "plan.toml"), cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr.endswith("has plugins, which revisions of the project do not know: leave plugins out\n")


# ---------------------------------------------------------------- what a slip is told

A = "from drtrl_bench.plugins import Algorithm\n\ndef f(*a): ...\n\n"
C = (
    "from dataclasses import dataclass\nfrom drtrl_bench.plugins import Cell\n"
    "from drtrl_bench.implementations.cells import spec as cells\n\n"
    "@dataclass(frozen=True)\nclass Own(cells.Cell):\n    states: tuple = ('h',)\n\n"
)
D = 'LABEL = "x (synthetic)"\nSYNTHETIC = True\nCLASSES = 2\nFEATURES = 3\ndef batch(steps, size, seed): ...\n'
REFERENCE = "a function (net, params, inputs, targets) -> loss, gradient"
BATCH = "a function (steps, size, seed) -> inputs [T, B, I], targets [T, B]"
LABELLED = 'a text that says what the data is, with "(synthetic)" if it was not recorded'
LAW = "a Law(emit, dynamics, output) of reference_cells"
NEITHER = "neither jax nor torch; one must be the name of a module with"
SLIPS = [
    ("x = 1", ": has none of the tables ALGORITHMS, CELLS and DATASETS, and is no data set itself; docs/own.md "
     "shows each"),
    ("ALGORITHMS = []", ": ALGORITHMS is a list; it must be a dict of names"),
    ("ALGORITHMS = {'a': f}", ": algorithm 'a' is a function; it must be an Algorithm of drtrl_bench.plugins"),
    ("ALGORITHMS = {'a b': 1}", ": algorithm 'a b': a name must be one word of letters, digits and underscores"),
    ("ALGORITHMS = {'drtrl': 1}", ": algorithm 'drtrl': the project has one of this name; choose another"),
    ("CELLS = {'gru': 1}", ": cell 'gru': the project has one of this name; choose another"),
    ("DATASETS = {'digits': 1}", ": data set 'digits': the project has one of this name; choose another"),
    ("ALGORITHMS = {'a': Algorithm(reference=f, jax=f)}",
     ": algorithm 'a': no about; it must be a text of one line"),
    ("ALGORITHMS = {'a': Algorithm(about='x', reference=None, jax=f)}",
     f": algorithm 'a': no reference; it must be {REFERENCE}"),
    ("ALGORITHMS = {'a': Algorithm(about='x', reference='bptt', jax=f)}",
     f": algorithm 'a': reference is 'bptt'; it must be {REFERENCE}"),
    ("ALGORITHMS = {'a': Algorithm(about='x', jax=f)}",
     f": algorithm 'a': no reference; it must be {REFERENCE}"),
    ("ALGORITHMS = {'a': Algorithm(about='x', reference=f, jax=f, carry='traces')}",
     ": algorithm 'a': carry is 'traces'; it must be one of states, trace, influence, filters, lines, other"),
    ("ALGORITHMS = {'a': Algorithm(about='x', reference=f, jax=f, feedback='random')}",
     ": algorithm 'a': feedback is 'random'; it must be layers or direct"),
    ("ALGORITHMS = {'a': Algorithm(about='x', reference=f, jax=f, paths='some')}",
     ": algorithm 'a': paths is 'some'; it must be all, own or none"),
    ("ALGORITHMS = {'a': Algorithm(about='x', reference=f, jax=f, by='chunk')}",
     ": algorithm 'a': by is 'chunk'; it must be a tuple of fields of a case"),
    ("ALGORITHMS = {'a': Algorithm(about='x', reference=f, jax=f, options=('chunks',))}",
     ": algorithm 'a': options has 'chunks': unknown; did you mean chunk?"),
    ("ALGORITHMS = {'a': Algorithm(about='x', reference=f)}",
     f": algorithm 'a': {NEITHER} init and advance, or a function that returns it"),
    ("ALGORITHMS = {'a': Algorithm(about='x', reference=f, jax='a_jax')}",
     ": algorithm 'a': jax is 'a_jax', but there is no a_jax.py beside slip.py"),
    ("CELLS = {'c': Own}", ": cell 'c' is a type; it must be a Cell of drtrl_bench.plugins"),
    ("CELLS = {'c': Cell(jax=print)}", ": cell 'c': no spec; it must be a class derived from cells.Cell"),
    ("CELLS = {'c': Cell(spec=cells.GRU, law=1)}",
     ": cell 'c': GRU has a law of its own; derive a class from it, or leave law out"),
    ("CELLS = {'c': Cell(spec=int, jax=print)}",
     ": cell 'c': spec is <class 'int'>; it must be a class derived from cells.Cell"),
    ("CELLS = {'c': Cell(spec=Own, jax=print)}", f": cell 'c': no law; it must be {LAW}"),
    ("CELLS = {'c': Cell(spec=Own, law=1, jax=print)}", f": cell 'c': law is 1; it must be {LAW}"),
    ("from drtrl_bench.implementations.reference.cells import Law, first\n"
     "CELLS = {n: Cell(spec=Own, law=Law(first, lambda *a: a, first), jax=print) for n in ('c', 'd')}",
     ": cell 'd': Own has another law already; derive a class from it for this one"),
    ("CELLS = {'c': Cell(spec=cells.GRU, options={'tua': 1})}",
     ": cell 'c': options: GRU.__init__() got an unexpected keyword argument 'tua'"),
    ("CELLS = {'c': Cell(spec=cells.LIF, options={'trainable': ('tua',)})}",
     ": cell 'c': options: LIF has no trainable constant 'tua'; it has tau, threshold, tau_a, beta, tau_syn"),
    (D.replace("LABEL", "LABLE"), f": data set 'slip': no LABEL; it must be {LABELLED}"),
    (D.replace("x (synthetic)", "x"),
     ": data set 'slip': LABEL is 'x', but SYNTHETIC is True; it must say \"(synthetic)\""),
    (D.replace("= True", "= 1"), ": data set 'slip': SYNTHETIC is 1; it must be True or False"),
    (D.replace("CLASSES = 2", ""), ": data set 'slip': no CLASSES; it must be the number of classes"),
    (D.replace("3", "0"), ": data set 'slip': FEATURES is 0; it must be the number of input lines"),
    (D.replace("batch", "batches"), f": data set 'slip': no batch; it must be {BATCH}"),
    (D.replace(", seed", ""), f": data set 'slip': batch is '(steps, size)'; it must be {BATCH}"),
    ("DATASETS = {'d': 'nothing'}", ": ModuleNotFoundError: No module named 'nothing'"),
    ("import nothing", ": ModuleNotFoundError: No module named 'nothing' (slip.py:5)"),
    ("def g(:", ": SyntaxError: invalid syntax (slip.py:5)"),
    ("1 / 0", ": ZeroDivisionError: division by zero (slip.py:5)"),
    ("raise SystemExit", ": SystemExit: no message (slip.py:5)"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "said"), SLIPS, ids=[code.splitlines()[0][:60] for code, _ in SLIPS])
def test_a_slip_is_one_line_and_nothing_is_loaded(code: str, said: str, tmp_path: Path) -> None:
    before = dict(registry.ALGORITHMS), dict(registry.CELLS), data.datasets()
    head = C if "Cell(" in code or "Own" in code else "" if code.startswith("LA") else A
    (tmp_path / "slip.py").write_text(head + code)
    with pytest.raises(PluginError) as raised:
        plugins.load([tmp_path / "slip.py"])
    assert str(raised.value) == f"plugin {tmp_path / 'slip.py'}{said}"
    assert (dict(registry.ALGORITHMS), dict(registry.CELLS), data.datasets()) == before


IMPLEMENTED = [
    (A + "ALGORITHMS = {'a': Algorithm(about='x', reference=f, jax='own')}", "advance = print",
     "algorithm 'a': jax: own has no init; it must be a function (net, params, batch) -> carry"),
    (A + "ALGORITHMS = {'a': Algorithm(about='x', reference=f, jax='own')}", "import nothing",
     "algorithm 'a': jax: ModuleNotFoundError: No module named 'nothing' (own.py:1)"),
    (A + "def own(): return 3\nALGORITHMS = {'a': Algorithm(about='x', reference=f, jax=own)}", "",
     "algorithm 'a': jax: own has no init; it must be a function (net, params, batch) -> carry"),
    (C + "CELLS = {'c': Cell(spec=Own, law=cells_law, jax='own')}", "class Owned: ...",
     "cell 'c': jax: own has no class Own; it must be derived from the specification of this name"),
    (C + "CELLS = {'c': Cell(spec=Own, law=cells_law, jax='own')}", "class Own: ...",
     "cell 'c': jax: own has no class Own; it must be derived from the specification of this name"),
    (C + "CELLS = {'c': Cell(spec=Own, law=cells_law, jax='own')}", "import slip\nclass Own(slip.Own): emit = print",
     "cell 'c': jax: own has no dynamics; it must be a function of the states and input currents"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "own", "said"), IMPLEMENTED)
def test_what_an_implementation_lacks_is_one_line(code: str, own: str, said: str, tmp_path: Path) -> None:
    law = "from drtrl_bench.implementations.reference.cells import LAWS\ncells_law = LAWS[cells.GRU]\n"
    (tmp_path / "slip.py").write_text(code.replace("CELLS =", law + "CELLS ="))
    (tmp_path / "own.py").write_text(own)
    plugins.load([tmp_path / "slip.py"])
    kind, name = said.split()[0], said.split("'")[1]
    assert plugin_check.complaint(kind, name, "jax") == f"plugin {tmp_path / 'slip.py'}: {said}"


def test_names_clash_between_plugins_too(mine: Path) -> None:
    (mine / "twin.py").write_text(MINE)
    plugins.load([mine / "mine.py"])
    with pytest.raises(PluginError) as raised:
        plugins.load([mine / "twin.py"])
    assert str(raised.value) == (
        f"plugin {mine / 'twin.py'}: algorithm 'fading': plugin {mine / 'mine.py'} has one of this name; choose another"
    )
    (mine / "folder").mkdir()
    (mine / "folder" / "mine.py").write_text(D)
    with pytest.raises(PluginError, match=r"another plugin is called mine\.py too; rename one"):
        plugins.load([mine / "folder" / "mine.py"])


def test_a_file_that_another_module_hides_is_named(mine: Path) -> None:
    (mine / "helper.py").rename(mine / "queue.py")
    edit(mine / "mine.py", "import helper", "import queue as helper")
    with pytest.raises(PluginError) as raised:
        plugins.load([mine / "mine.py"])
    assert str(raised.value).startswith(f"plugin {mine / 'mine.py'}: there is a module 'queue' already (")
    assert str(raised.value).endswith("queue.py), so Python does not find queue.py; rename it")


def test_an_implementation_that_another_module_hides_is_named(mine: Path) -> None:
    """The plugin's file does not import it; only an entry names it."""
    (mine / "fading_jax.py").rename(mine / "queue.py")
    edit(mine / "mine.py", '"fading_jax"', '"queue"')
    with pytest.raises(PluginError, match=r"there is a module 'queue' already .* so Python does not find queue\.py"):
        plugins.load([mine / "mine.py"])
    assert "fading" not in registry.ALGORITHMS


def test_the_options_of_a_cell_are_those_of_its_network(tmp_path: Path) -> None:
    """Of a class of one's own, and of the project's."""
    (tmp_path / "own.py").write_text(
        f"{C}    tau: float = 5.0\n\nfrom drtrl_bench.implementations.reference.cells import Law, first\n"
        "law = Law(first, lambda *a: a, first)\nCELLS = {'fast': Cell(spec=Own, law=law, jax=print),"
        "'slow': Cell(spec=Own, law=law, jax=print, options={'tau': 40.0}),"
        "'slow_lif': Cell(spec=cells.LIF, options={'tau': 30.0})}"
    )
    plugins.load([tmp_path / "own.py"])
    found = {name: lookup.network(name, "linear", 1)[0] for name in ("fast", "slow", "slow_lif")}
    assert {name: (type(cell).__name__, cell.tau) for name, cell in found.items()} == {
        "fast": ("Own", 5.0),
        "slow": ("Own", 40.0),
        "slow_lif": ("LIF", 30.0),
    }


@pytest.mark.parametrize(("said", "there"), [(None, True), ("none", False), ("all", True), ("", True)])
def test_only_none_keeps_installed_plugins_out(
    said: str | None, there: bool, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = metadata.EntryPoint("mine", "mine", plugins.GROUP)
    monkeypatch.setattr(plugins.metadata, "entry_points", lambda group: [entry] if group == plugins.GROUP else [])
    monkeypatch.syspath_prepend(mine)
    monkeypatch.delenv(plugins.SWITCH, raising=False)
    if said is not None:
        monkeypatch.setenv(plugins.SWITCH, said)
    plugins.load((), installed=True)
    assert ("fading" in registry.ALGORITHMS) == there


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("nothing.py", "plugin nothing.py: no such file"),
        ("nothing", "plugin nothing: no module of this name, and no such file"),
        ("mine", "plugin mine: no module of this name, and no such file; did you mean mine.py?"),
        (".", "plugin .: a folder; name its file"),
        ("plan.toml", "plugin plan.toml: its name must be one word and .py, so that it can be imported"),
    ],
)
def test_a_plugin_that_is_not_there(given: str, said: str, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mine)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place not in ("", str(mine))])
    with pytest.raises(PluginError) as raised:
        plugins.load([given])
    assert str(raised.value) == said


PYTHON = "a module of Python's own, which holds no plugin; name the file of yours"
PROJECT = "a module of the project itself, whose names are there without it"
ODD = {
    "json": f"plugin json: {PYTHON}",
    "os.path": f"plugin os.path: {PYTHON}",
    "typing": f"plugin typing: {PYTHON}",
    "drtrl_bench.plugins": f"plugin drtrl_bench.plugins: {PROJECT}",
    "drtrl_bench.registry": f"plugin drtrl_bench.registry: {PROJECT}",
    "": "plugin : a folder; name its file",
    "..": "plugin ..: a folder; name its file",
    ".x": "plugin .x: ImportError: no package specified for '.x' (required for relative module names)",
    "a\nb": "plugin a\\nb: no module of this name, and no such file",
    "x" * 300 + ".py": "plugin " + "x" * 300 + ".py: no such file",
    "pipe.py": "plugin pipe.py: a pipe; it must be a regular file",
    "folder.py": "plugin folder.py: a folder; name its file",
    "latin.py": "plugin latin.py: latin.py: not UTF-8 text, from byte 31 on",
    "large.py": "plugin large.py: 1,000,000,000 bytes; it may have 4,194,304 at most",
    "zero.py": "plugin zero.py: ",
    "raises.sub": "plugin raises.sub: ZeroDivisionError: division by zero (__init__.py:1)",
}


@pytest.mark.parametrize("given", ODD, ids=lambda given: given[:20])
def test_what_is_no_plugin_is_one_line(given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "raises").mkdir()
    (tmp_path / "raises" / "__init__.py").write_text("1 / 0")
    (tmp_path / "latin.py").write_bytes(b"# -*- coding: latin-1 -*-\n# caf\xe9\n")
    (tmp_path / "zero.py").write_bytes(b"x = 1\0")
    with (tmp_path / "large.py").open("wb") as file:
        file.truncate(10**9)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    before = dict(sys.modules)
    with pytest.raises(PluginError) as raised:
        plugins.load([given])
    assert str(raised.value).replace(f"{tmp_path}/", "").startswith(ODD[given])
    assert str(raised.value).isprintable()
    assert {name: module for name, module in before.items() if sys.modules.get(name) is not module} == {}


def test_a_built_in_implementation_that_an_entry_names_is_among_its_sources(tmp_path: Path) -> None:
    rule = "drtrl_bench.implementations.algorithms.approximate.snap1_jax"
    (tmp_path / "own.py").write_text(A + f"ALGORITHMS = {{'own': Algorithm(about='x', reference=f, jax={rule!r})}}")
    plugins.load([tmp_path / "own.py"])
    names = {path.name for path in plugins.sources(Case(algorithm="own"), "jax")}
    assert names >= {"own.py", "snap1_jax.py", "drtrl_jax.py"}
    assert "snap1_jax.py" not in {path.name for path in plugins.sources(Case(algorithm="own"))}


def test_a_plan_says_what_plugins_must_be(mine: Path) -> None:
    edit(mine / "plan.toml", '["mine.py"]', '"mine.py"')
    with pytest.raises(PlanError, match=r"plugins is 'mine.py'; it must be a list of files"):
        plans.read(str(mine / "plan.toml"))


# ---------------------------------------------------------------- identity


def shas(mine: Path) -> dict[str, str]:
    """Hashes of what produces the numbers of three cases, and the problem of one, once the plugin is loaded anew."""
    with plugins.scope():
        plugins.load([mine / "mine.py"])
        jax = Case(algorithm="fading", dataset="coin", cell="gru", steps=4, batch=1, neurons=2)
        torch = replace(jax, framework="torch", algorithm="drtrl", cell="rectified_rnn")
        data = replace(jax, algorithm="drtrl")
        found = {
            name: runner.implementation_sha(case) for name, case in (("jax", jax), ("torch", torch), ("data", data))
        }
        own = replace(jax, algorithm="drtrl", dataset="bernoulli")
        return found | {"own": runner.implementation_sha(own), "named": plugins.fingerprints(jax)["mine.py"]}


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("mine.py", {"jax", "torch", "data", "named"}),
        ("helper.py", {"jax", "torch", "data", "named"}),
        ("fading_jax.py", {"jax", "named"}),
        ("other.py", set()),
    ],
)
def test_a_change_of_a_plugin_changes_what_is_made_of_it(file: str, changed: set[str], mine: Path) -> None:
    before = shas(mine)
    assert shas(mine) == before
    with (mine / file).open("a") as opened:
        opened.write("CHANGED = 1\n")
    after = shas(mine)
    assert {name for name in before if before[name] != after[name]} == changed


def test_a_change_of_a_rule_leaves_the_problem(mine: Path, tmp_path: Path) -> None:
    case = Case(algorithm="fading", dataset="coin", cell="gru", steps=4, batch=1, neurons=2)

    def made() -> str:
        with plugins.scope():
            plugins.load([mine / "mine.py"])
            return problem.prepared(case, tmp_path / "cache").name

    first = made()
    edit(mine / "fading_jax.py", "0.9", "0.8")
    assert made() == first
    edit(mine / "mine.py", "< 0.5", "< 0.4")
    assert made() != first


@needs("torch")
def test_the_problem_is_of_the_cell_and_the_data_and_not_of_the_rule(tmp_path: Path) -> None:
    """Each from a file of its own; a rule, a cell and data in two frameworks' hands have one problem."""
    (tmp_path / "rules.py").write_text(A + "ALGORITHMS = {'own_rule': Algorithm(about='x', reference=f, jax=f)}\n")
    (tmp_path / "laws.py").write_text(
        f"{C}from drtrl_bench.implementations.reference.cells import Law, first\n"
        "CELLS = {'own_cell': Cell(spec=Own, law=Law(first, lambda *a: a, first), jax=print)}\n"
    )
    (tmp_path / "coins.py").write_text(D)
    plugins.load([tmp_path / f"{name}.py" for name in ("rules", "laws", "coins")])
    case = Case(algorithm="own_rule", cell="own_cell", dataset="coins")
    assert {path.name for path in plugins.sources(case) if path.parent == tmp_path} == {"laws.py", "coins.py"}
    whole = {path.name for path in plugins.sources(case, "jax") if path.parent == tmp_path}
    assert whole == {"rules.py", "laws.py", "coins.py"}


def test_what_is_in_the_files_of_a_data_set_is_part_of_its_identity(tmp_path: Path) -> None:
    names = [str(tmp_path / "first.bin"), str(tmp_path / "second.bin")]
    (tmp_path / "own.py").write_text(D + f"FILES = {names!r}\n")
    (tmp_path / "first.bin").write_bytes(b"the same")
    plugins.load([tmp_path / "own.py"])
    case = Case(dataset="own", threads=1, framework="torch")
    plan = Plan("p", "", (case,))
    (row,) = runner.run(plan, tmp_path / "r.jsonl", lambda text, line: None)
    assert (row["status"], row["reason"]) == ("skip", f"x (synthetic): no file {names[1]}")
    found = [(runner.implementation_sha(case), data.fingerprint("own"))]
    for content in (b"one", b"two", b"one"):
        (tmp_path / "second.bin").write_bytes(content)
        os.utime(tmp_path / "second.bin", ns=(len(found), len(found)))
        found.append((runner.implementation_sha(case), data.fingerprint("own")))
    assert found[1] == found[3]
    for each in range(2):
        assert len({both[each] for both in found}) == 3
    assert runner.refusal(case) is None


def test_the_modules_of_an_installed_package_are_its_own_alone(tmp_path: Path) -> None:
    folder = tmp_path / "site-packages"
    (folder / "pack").mkdir(parents=True)
    (folder / "pack" / "__init__.py").write_text("")
    (folder / "pack" / "rules.py").write_text(
        f"import stranger_here\nfrom . import parts\n{A}from .parts import x\n" + D
    )
    (folder / "pack" / "parts.py").write_text("x = 1\n")
    (folder / "stranger_here.py").write_text("")
    sys.path.append(str(folder))  # put back by the scope
    plugins.load(["pack.rules"])
    assert data.dataset("rules").LABEL == "x (synthetic)"
    names = {path.name for path in plugins.sources(Case(dataset="rules"), "jax") if path.is_relative_to(folder)}
    assert names == {"rules.py", "parts.py", "__init__.py"}


def test_the_built_in_rule_that_a_plugin_uses_is_among_its_sources(mine: Path) -> None:
    edit(mine / "fading_jax.py", "drtrl_jax as drtrl", "snap1_jax as drtrl")
    plugins.load([mine / "mine.py"])
    names = {path.name for path in plugins.sources(Case(algorithm="fading"), "jax")}
    assert names >= {"mine.py", "helper.py", "fading_jax.py", "snap1_jax.py", "algorithms.py"}
    assert "other.py" not in names


def test_after_its_scope_nothing_of_a_plugin_is_left(mine: Path) -> None:
    path, known = list(sys.path), data.datasets()
    with plugins.scope():
        plugins.load([mine / "mine.py"])
        assert "coin" in data.datasets()
        assert "mine" in sys.modules
    assert (data.datasets(), sys.path) == (known, path)
    assert not {"mine", "helper"} & set(sys.modules)
    assert "fading" not in registry.ALGORITHMS
    assert "rectified_rnn" not in registry.CELLS
    with plugins.scope():
        edit(mine / "helper.py", "0.9", "0.5")
        plugins.load([mine / "mine.py"])
        assert sys.modules["helper"].KEPT == 0.5


def test_records_of_the_projects_own_names_have_no_plugins(tmp_path: Path) -> None:
    frame = drtrl_bench.load(write(tmp_path, [line(Case()), line(Case(seed=1), plugins={"mine.py": "f00d"})]))
    assert frame["plugins"].tolist() == ["", "mine.py"]
    assert "plugins" not in line(Case())


# ---------------------------------------------------------------- what it costs, by formula


def with_facts(tmp_path: Path, facts: str) -> Case:
    """A case of a plugin's rule with these facts."""
    (tmp_path / "own.py").write_text(A + f"ALGORITHMS = {{'own': Algorithm(about='x', reference=f, jax=f, {facts})}}")
    plugins.load([tmp_path / "own.py"])
    return Case(algorithm="own", cell="gru", neurons=8, batch=3, steps=40, chunk=10)


FACTS = {
    "carry='trace', blockwise=True": "drtrl",
    "carry='trace', blockwise=True, paths='own'": "snap1",
    "carry='trace', blockwise=True, paths='all'": "drtrl_window",
    "carry='influence', blockwise=True": "rtrl",
    "carry='filters', blockwise=True": "es_drtrl",
    "carry='states', blockwise=True": "bptt",
    "carry='states', blockwise=True, paths='none'": "no_trace",
    "carry='states', options=('segments',)": "bptt_checkpointed",
}


@pytest.mark.parametrize("facts", FACTS)
def test_a_rule_of_the_same_facts_costs_the_same(facts: str, tmp_path: Path) -> None:
    case = with_facts(tmp_path, facts)
    same = replace(case, algorithm=FACTS[facts])
    assert footprint(sizes(case, 5, 3)) == footprint(sizes(same, 5, 3))
    assert lower_bound(sizes(case, 5, 3)) == lower_bound(sizes(same, 5, 3))
    assert lower_bound(sizes(case, 5, 3)).flops


def test_the_numbers_of_a_trace_by_hand(tmp_path: Path) -> None:
    case = with_facts(tmp_path, "carry='trace', blockwise=True")
    gru, readout = 5 * 3 * 8 + 8 * 3 * 8 + 4 * 8, 8 * 3  # weights
    held = footprint(sizes(case, 5, 3))
    assert held.carry == 4 * 3 * (8 + 3) + 4 * 3 * (gru + readout)  # the states, and a number per weight and sample
    assert held.gradient == 2 * 4 * (gru + readout)
    least = lower_bound(sizes(case, 5, 3))
    assert least.moved_bytes == 3 * 2 * 4 * 3 * (gru + readout)  # three chunks but the last, read and written
    once = 2 * 3 * (5 * 3 * 8 + 8 * 3 * 8 + 8 * 3)  # of the products of a forward step
    assert least.forward_flops == 40 * once
    assert least.flops == 40 * (2 * once + 2 * 3 * 8 * 3) + 30 * once  # and down from the readout; the trace's


def test_the_chunk_of_snap1_by_hand(tmp_path: Path) -> None:
    """It derives what neurons emit, and how their states depend on it, where D-RTRL cuts both."""
    case = with_facts(tmp_path, "carry='trace', blockwise=True, paths='own'")
    cut = replace(case, algorithm="drtrl")
    assert (
        footprint(sizes(case, 5, 3)).chunk - footprint(sizes(cut, 5, 3)).chunk == 4 * 3 * 10 * 8
    )  # one number a neuron and step


def test_of_another_carry_no_formula_speaks(tmp_path: Path) -> None:
    case = with_facts(tmp_path, "carry='other'")
    assert analytic_bytes(sizes(case, 5, 3)) is None
    forward = lower_bound(sizes(replace(case, algorithm="drtrl"), 5, 3)).forward_flops
    assert asdict(lower_bound(sizes(case, 5, 3))) == {"forward_flops": forward, "flops": None, "moved_bytes": None}
    assert runner.refusal(replace(case, dataset="bernoulli", threads=1)) is None
    with pytest.raises(PlanError) as raised:
        check(Path("p"), "g", replace(case, chunk=plans.AUTO))
    assert str(raised.value) == 'p: g: chunk = "auto" needs to know what own carries, which is "other": give a number'


BATCHES = {
    "np.zeros((steps, size, 2)), np.zeros((steps, size), int)": (
        "x (synthetic): batch gave inputs [4, 2, 2] and targets [4, 2], not [4, 2, 3] and [4, 2]"
    ),
    "np.zeros((steps, size, 3)), np.zeros(steps, int)": (
        "x (synthetic): batch gave inputs [4, 2, 3] and targets [4], not [4, 2, 3] and [4, 2]"
    ),
    "np.zeros((steps, size, 3)), np.full((steps, size), 2)": (
        "x (synthetic): batch gave targets of int64 up to 2; they must be whole numbers below 2"
    ),
    "np.zeros((steps, size, 3)), np.zeros((steps, size))": (
        "x (synthetic): batch gave targets of float64 up to 0.0; they must be whole numbers below 2"
    ),
    "undefined": "name 'undefined' is not defined",
}


@pytest.mark.parametrize("given", BATCHES)
def test_what_a_data_set_gives_is_looked_at(given: str, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("import numpy as np\n" + D.replace("...", f"return {given}"))
    plugins.load([tmp_path / "own.py"])
    with pytest.raises((ValueError, NameError)) as raised:
        problem.draw(Case(dataset="own", steps=4, batch=2))
    assert str(raised.value) == BATCHES[given]
