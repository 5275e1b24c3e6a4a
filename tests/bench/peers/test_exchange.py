"""The exchange with an adapter: a task goes out, an answer comes back; whatever else comes is a row with a reason."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.copies import ROOT
from support.problems import needs

from drtrl_bench.case import Case
from drtrl_bench.files import cache_folder
from drtrl_bench.implementations.peers import task
from drtrl_bench.measure import environment, problem
from drtrl_bench.peers import agreement, environments, exchange, ways
from drtrl_bench.peers.exchange import Answer

CASE = agreement.case_of(ways.PEERS["norse"].ways["bptt"], "lif_delta", "leaky")
HEAD = f"import sys\nsys.path.insert(0, {str(ROOT / 'implementations' / 'peers')!r})\n"
LIF = """
import torch
from in_torch import Spike, prepare
from task import lif_decay, serve

def prepared(task):
    task.require_way(("bptt",))
    cell = task.cell("LIF")
    a = lif_decay(cell, resets=("soft",))
    def layer():
        V = None
        def step(current):
            nonlocal V
            before = torch.zeros_like(current) if V is None else V
            V = a * (before - SPIKE(before - 1)) + current / GAIN
            return Spike.apply(V - 1, cell["alpha"], cell["width"])
        return step
    return prepare(task, layer, 1 / GAIN)

serve(prepared, "numpy")
"""
GAIN = 4.0
SERVED = """
from task import Prepared, serve

def prepared(task):
    gradients = [{kind: 0 * value + GRADIENT for kind, value in layer.items()} for layer in task.params]
    return Prepared(lambda: None, lambda result: (LOSS, gradients), lambda: {})

serve(prepared, "numpy")
"""
"""An adapter with this loss, and this gradient of every weight."""


@pytest.fixture
def problem_file(tmp_path: Path) -> Path:
    return problem.prepared(CASE, tmp_path)


@pytest.fixture
def speak(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, problem_file: Path):
    """Let an adapter with this text answer as norse."""
    monkeypatch.setenv(cache_folder.SETTING, str(tmp_path / "cache"))
    folder = tmp_path / "cache" / "peers" / "norse"
    cache_folder.make_folder(folder / "bin")
    (folder / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')  # a link would lose its venv
    (folder / "bin" / "python").chmod(0o755)
    ready = {"sha": environments.pins("norse").sha, "python": "3.12.1", "size": 1, "version": "1.1.0", "newest": False}
    (folder / "ready.json").write_text(json.dumps(ready))
    adapter = tmp_path / "adapter.py"
    monkeypatch.setattr(exchange, "adapter", lambda name: adapter)

    def answer(text: str, case: Case = CASE, budget_s: float = 0, limit_s: float = 60, way: str = "bptt") -> Answer:
        adapter.write_text(HEAD + text)
        return exchange.ask("norse", way, case, problem_file, budget_s=budget_s, limit_s=limit_s)

    return answer


def writes(result: str, gradients: str = "") -> str:
    """An adapter that writes this result as it stands."""
    code = "import json, numpy as np\ntask = json.load(open(sys.argv[1]))\n"
    return code + f"{gradients}\nopen(task['result'], 'w').write({result!r})\n"


@needs("torch")
def test_a_layer_written_by_hand_agrees_by_way_of_everything_that_adapters_share(speak, tmp_path: Path) -> None:
    """The LIF neuron in PyTorch, with weights divided by a gain as norse's are."""
    text = LIF.replace("SPIKE(before - 1)", 'Spike.apply(before - 1, cell["alpha"], cell["width"])')
    speak(text.replace("GAIN", str(GAIN)))
    line = agreement.check("norse", "bptt", "lif_delta", "leaky", tmp_path)
    assert (line.outcome, line.reason) == ("agrees", None)
    assert line.error is not None
    assert line.error < 1e-13
    assert agreement.check("norse", "bptt", "lif_delta", "linear", tmp_path).outcome == "agrees"


@needs("torch")
def test_a_peer_that_changed_is_wrong(speak, tmp_path: Path) -> None:
    speak(LIF.replace("SPIKE(before - 1)", "(before >= 1).to(before.dtype)").replace("GAIN", "1.0"))
    line = agreement.check("norse", "bptt", "lif_delta", "leaky", tmp_path)
    assert line.outcome == "wrong"
    assert "and no cause is known" in str(line.reason)


@needs("torch")
def test_times_memory_and_versions_come_back(speak) -> None:
    said = speak(LIF.replace("SPIKE(before - 1)", "0").replace("GAIN", "1.0"), budget_s=0.01).said
    assert len(said["samples_s"]) == len(said["cpu_samples_s"]) >= 5
    assert said["memory"]["meter"] == "torch_peak_bytes"
    inputs, hidden = 24 * 3 * 12 * 8, 24 * 3 * 8 * 8
    assert hidden < said["memory"]["working_bytes"] < 100 * inputs
    assert said["memory"]["rss_peak_bytes"] > 2**24
    assert said["versions"] == {"numpy": np.__version__}
    assert said["python"] == "{}.{}.{}".format(*sys.version_info)


@needs("torch")
def test_the_allocators_peak_is_the_most_that_is_held_at_once(speak) -> None:
    """Of float32 arrays of 2^18, 2^17 and 2^16 numbers the first is gone before the last comes."""
    text = """
import torch
from in_torch import peak_bytes

def call():
    a = torch.zeros(1 << 18)
    b = torch.zeros(1 << 17)
    del a
    c = torch.zeros(1 << 16)
    del b, c

raise SystemExit(str([peak_bytes(call) for _ in range(3)]))
"""
    assert str(speak(text).reason).startswith(f"norse: {3 * [4 * ((1 << 18) + (1 << 17))]}, in: ")


def test_a_sample_is_the_time_of_one_call(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By clocks that are told the time: the first call takes 7 s, the next 1, 2 ... s; the processor's, twice that."""
    now, durations = [0.0], iter([7.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 100.0])

    def call() -> None:
        now[0] += next(durations)

    prepared = task.Prepared(call, lambda result: (1.5, [{"x": np.ones(3)}]), lambda: {"working_bytes": 8})
    monkeypatch.setattr(task, "perf_counter", lambda: now[0])
    monkeypatch.setattr(task, "process_time", lambda: 2 * now[0])
    monkeypatch.setattr(task, "reset_rss_peak", lambda: None)
    nothing: Any = None
    answer = task.carried_out(lambda _: prepared, nothing, {"gradients": tmp_path / "g.npz", "budget_s": 20.5})
    assert answer["first_call_s"] == 7.0
    assert answer["samples_s"] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "20.5 s are spent after six"
    assert answer["cpu_samples_s"] == [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]
    assert answer["memory"]["working_bytes"] == 8
    stages = capsys.readouterr().out.splitlines()
    assert stages == ["stage: preparation and first call", "stage: timing", "stage: measuring memory"]


def test_what_an_adapter_does_not_have_is_a_skip(speak) -> None:
    text = LIF.replace("import torch\nfrom in_torch import Spike, prepare\n", "")
    answer = speak(text, way="d_rtrl")
    assert (answer.status, answer.reason) == ("skip", "the adapter has no way 'd_rtrl'; it has bptt")
    answer = speak(text, case=Case("bptt", cell="gru", dataset="bernoulli"))
    assert (answer.status, answer.reason) == ("skip", "the adapter has no GRU; it has LIF")
    answer = speak(text, case=Case("bptt", cell="lif_delta_hard", dataset="bernoulli"))
    assert (answer.status, answer.reason) == ("skip", "the adapter has no hard reset")
    answer = speak(text, case=Case("bptt", reset="multiply", dataset="bernoulli"))
    assert (answer.status, answer.reason) == ("skip", "the adapter has no multiply reset")
    answer = speak(text, case=Case("bptt", detach_reset=True, dataset="bernoulli"))
    assert "no detached reset" in str(answer.reason)
    answer = speak(text, case=Case("bptt", surrogate="atan", dataset="bernoulli"))
    assert "the triangular surrogate" in str(answer.reason)
    answer = speak(text, case=Case("bptt", cell="alif_delta", dataset="bernoulli"))
    assert answer.reason == "the adapter has the LIF neuron without its state a"
    answer = speak(text, case=Case("bptt", cell="lif_delta_trained", dataset="bernoulli"))
    assert "no trainable constants" in str(answer.reason)


def test_a_peer_that_is_not_installed_is_a_skip_with_the_command(speak, tmp_path: Path) -> None:
    environments.remove("norse")
    answer = speak("")
    assert (answer.status, answer.reason) == ("skip", "norse is not installed: drtrl-bench peers install norse")


def test_a_broken_library_is_an_error_with_the_commands(speak) -> None:
    answer = speak("from task import stage\nstage('import')\nimport no_such_library")
    assert answer.status == "error"
    assert answer.reason == (
        "norse: ModuleNotFoundError: No module named 'no_such_library', in: import; "
        "if it is broken: drtrl-bench peers remove norse && drtrl-bench peers install norse"
    )


def test_an_endless_adapter_is_stopped(speak) -> None:
    answer = speak("from task import stage\nstage('waiting')\nimport time\ntime.sleep(60)", limit_s=1.5)
    assert (answer.status, answer.reason) == ("timeout", "stopped after 1.5 s, in: waiting")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pass", "there is none"),
        (writes("{"), "it is not JSON"),
        (writes('{"status": "fine"}'), "its status is 'fine'"),
        (writes('{"status": "ok"}'), "its status is 'ok'"),
        (writes('{"status": "ok", "loss": 1.0}'), "No such file"),
        (writes('{"status": "ok", "loss": NaN}'), "not a finite number"),
        (writes('{"status": "ok", "loss": 1.0}', "open(task['gradients'], 'w').write('x')"), "the answer is not valid"),
        (
            writes('{"status": "ok", "loss": 1.0}', "np.savez(task['gradients'], other=np.zeros(3))"),
            "no gradient of a weight: 'other'",
        ),
    ],
)
def test_an_answer_that_is_none_is_an_error(speak, text: str, words: str) -> None:
    answer = speak(text)
    assert answer.status == "error"
    assert words in str(answer.reason)


def test_gradients_of_other_weights_are_no_answer(speak, tmp_path: Path) -> None:
    few = "np.savez(task['gradients'], **{'gradient/0/x': np.zeros(3)})"
    speak(writes('{"status": "ok", "loss": 1.0}', few))
    line = agreement.check("norse", "bptt", "lif_delta", "leaky", tmp_path)
    assert (line.outcome, line.reason) == ("error", "its gradients are not those of the case's weights")


def test_an_adapter_sees_nothing_of_the_projects_python(speak, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/project")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/project")
    answer = speak("import os\nraise SystemExit(str(sorted(k for k, v in os.environ.items() if '/project' in v)))")
    assert answer.reason is not None
    assert answer.reason.startswith("norse: []")


@pytest.mark.parametrize(
    ("loss", "gradient", "what"),
    [("float('nan')", "1", "loss"), ("1.5", "float('inf')", "gradient"), ("1.5", "float('nan')", "gradient")],
)
def test_what_is_not_finite_is_wrong_and_not_timed(loss: str, gradient: str, what: str, speak, tmp_path: Path) -> None:
    text = SERVED.replace("LOSS", loss).replace("GRADIENT", gradient)
    answer = speak(text, budget_s=0.01)
    assert (answer.status, answer.reason) == ("wrong", f"the {what} is not finite")
    assert "samples_s" not in answer.said
    line = agreement.check("norse", "bptt", "lif_delta", "leaky", tmp_path).line()
    assert (line["outcome"], line["reason"], line["error"]) == ("wrong", f"the {what} is not finite", None)
    json.dumps(line, allow_nan=False)


def test_an_adapter_that_lets_it_pass_is_not_believed(speak) -> None:
    endless = "np.savez(task['gradients'], **{'gradient/0/x': np.array([1.0, np.inf])})"
    answer = speak(writes('{"status": "ok", "loss": 1.0}', endless))
    assert (answer.status, answer.reason, answer.gradient) == ("wrong", "the gradient is not finite", [])


def test_what_is_preloaded_is_preloaded_for_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    """As another allocator, which changes times, and is a part of `env_hash`."""
    monkeypatch.setenv("LD_PRELOAD", "libtcmalloc.so")
    assert environment.child(CASE)["LD_PRELOAD"] == exchange.variables(CASE)["LD_PRELOAD"] == "libtcmalloc.so"
