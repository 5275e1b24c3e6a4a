"""Negative controls: the contract must notice planted errors.

Each mutant is one edit to a copy of `implementations`; one contract test, run on the copy in a process of its own,
must then fail by its comparison with the reference. Without an edit, the same tests must pass.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from support.copies import copied
from support.problems import FRAMEWORKS, needs

ROOT = Path(__file__).resolve().parents[2]
HERE = "tests/implementations"
RUN = """
import pytest, sys
from drtrl_bench import implementations
print(implementations.__file__, flush=True)
sys.exit(pytest.main(sys.argv[1:]))
"""


class Mutant(NamedTuple):
    error: str
    file: str
    old: str
    new: str
    case: str
    """What notices it: algorithm, network and chunk of a test in test_contract.py, rule and cell in test_zoo.py, or
    `blocks`."""

    @property
    def framework(self) -> str:
        return self.file.removesuffix(".py").rpartition("_")[2]

    @property
    def test(self) -> str:
        if self.case.startswith("blocks-"):
            return f"{HERE}/test_contract.py::test_blocks_of_a_long_chunk[{self.framework}-{self.case[7:]}]"
        file = "test_contract" if self.case.endswith(("K1", "K3")) else "test_zoo"
        return f"{HERE}/{file}.py::test_gradient[{self.framework}-{self.case}]"


def blocks(rule: str, K: int) -> str:
    """The test of a rule in chunks of several blocks."""
    return f"blocks-{K}-{rule}"


def zoo(rule: str, cell: str) -> str:
    """The test of a rule with a cell of the zoo that always runs."""
    return f"{rule}-{cell}-2layers"


SHALLOW, DEEP = "1layers-linear-K3", "3layers-leaky-K3"

MUTANTS = [
    # cells
    Mutant(
        "surrogate factor missing",
        "cells/cells_jax.py",
        "lax.stop_gradient(psi(cell, v)) * (v - lax.stop_gradient(v))",
        "(v - lax.stop_gradient(v))",
        f"drtrl-lif_soft-{SHALLOW}",
    ),
    Mutant(
        "surrogate factor missing",
        "cells/cells_torch.py",
        "sigma + psi(cell, v).detach() * (v - v.detach())",
        "sigma + (v - v.detach())",
        f"bptt-lif_soft-{SHALLOW}",
    ),
    Mutant(
        "hard reset taken for soft",
        "cells/cells_jax.py",
        'if self.reset == "soft"',
        'if self.reset != "soft"',
        f"bptt-lif_soft-{SHALLOW}",
    ),
    Mutant(
        "gradient through the V that a hard reset subtracts",
        "cells/cells_jax.py",
        'lax.stop_gradient(named["V"]) * spikes',
        'named["V"] * spikes',
        f"drtrl-lif_hard-{SHALLOW}",
    ),
    Mutant(
        "gradient through the V that a hard reset subtracts",
        "cells/cells_torch.py",
        'named["V"].detach() * spikes',
        'named["V"] * spikes',
        f"rtrl-lif_hard-{SHALLOW}",
    ),
    Mutant(
        "no gradient to the reset gate",
        "cells/cells_jax.py",
        "n = jnp.tanh(I_nx + r * I_nr)",
        "n = jnp.tanh(I_nx + jax.lax.stop_gradient(r) * I_nr)",
        f"bptt-gru-{SHALLOW}",
    ),
    Mutant(
        "in-step path g -> V cut",
        "cells/cells_torch.py",
        'I = (1 - a) * after["g"]',
        'I = (1 - a) * after["g"].detach()',
        f"bptt-alif-{SHALLOW}",
    ),
    # loss, forward pass and fold
    Mutant(
        "loss summed over the batch",
        "engine/network_jax.py",
        ".sum() / targets.shape[1]",
        ".sum()",
        f"drtrl-gru-{SHALLOW}",
    ),
    Mutant(
        "negative targets not left out",
        "engine/network_torch.py",
        "torch.where(targets >= 0, picked, 0)",
        "picked",
        f"drtrl-gru-{SHALLOW}",
    ),
    Mutant(
        "bias not added",
        "engine/network_torch.py",
        "drives[:, :, cell.reads[kind]] += w[kind]",
        "drives[:, :, cell.reads[kind]] += 0 * w[kind]",
        f"bptt-gru-{SHALLOW}",
    ),
    Mutant(
        "bias has no presynaptic line",
        "engine/network_jax.py",
        "one = jnp.ones(",
        "one = jnp.zeros(",
        f"rtrl-gru-{SHALLOW}",
    ),
    Mutant(
        "no recurrent input",
        "engine/network_jax.py",
        'jnp.einsum("bj,jgn->bgn", cell.emit(s), w["r"])',
        'jnp.einsum("bj,jgn->bgn", 0 * cell.emit(s), w["r"])',
        f"bptt-leaky_rnn-{SHALLOW}",
    ),
    Mutant(
        "states one step late",
        "engine/network_torch.py",
        "Tape(s[:-1], s[1:], y, x)",
        "Tape(s[1:], s[1:], y, x)",
        f"rtrl-gru-{SHALLOW}",
    ),
    Mutant(
        "carry not passed on",
        "engine/network_torch.py",
        "carry, loss, grads = algorithm.advance",
        "_, loss, grads = algorithm.advance",
        f"drtrl-gru-{SHALLOW}",
    ),
    Mutant(
        "last chunk dropped",
        "engine/network_jax.py",
        "return total + loss, by_stored(jax.tree.map(jnp.add, sums, grads), slopes)",
        "return total, by_stored(sums, slopes)",
        f"bptt-gru-{SHALLOW}",
    ),
    Mutant(
        "last, shorter chunk dropped",
        "engine/network_torch.py",
        "in range(0, T, chunk):",
        "in range(0, T - T % chunk, chunk):",
        f"bptt-gru-{SHALLOW}",
    ),
    # BPTT
    Mutant(
        "stale state at the chunk's end",
        "engine/network_jax.py",
        "[tape.states[-1] for tape in tapes]",
        "[tape.states[0] for tape in tapes]",
        f"bptt-leaky_rnn-{SHALLOW}",
    ),
    # RTRL
    Mutant(
        "influence not carried",
        "algorithms/exact/rtrl_jax.py",
        'jnp.einsum("bim,bmgnj->bignj", P0_n, tile)',
        "0",
        f"rtrl-leaky_rnn-{SHALLOW}",
    ),
    Mutant(
        "influence not fed",
        "algorithms/exact/rtrl_torch.py",
        "moved.flatten(1, 3).baddbmm_",
        "moved.clone().flatten(1, 3).baddbmm_",
        f"rtrl-leaky_rnn-{SHALLOW}",
    ),
    Mutant(
        "entry term dropped",
        "algorithms/exact/rtrl_torch.py",
        "direct[layer][k] + read_out(c, M[k])",
        "direct[layer][k]",
        f"rtrl-gru-{SHALLOW}",
    ),
    Mutant(
        "unit cotangents on the wrong layer",
        "algorithms/exact/rtrl_jax.py",
        "jnp.eye(1 if last else m + S * N, S * N, -m, s.dtype)",
        "jnp.eye(1 if last else m + S * N, S * N, -1, s.dtype)",
        f"rtrl-leaky_rnn-{DEEP}",
    ),
    Mutant(
        "unit cotangents on the wrong layer",
        "algorithms/exact/rtrl_torch.py",
        "[: 1 if last else None, m:]",
        "[: 1 if last else None, : S * N]",
        f"rtrl-alif-{DEEP}",
    ),
    Mutant(
        "one-step Jacobian transposed",
        "algorithms/exact/rtrl_torch.py",
        "(P0 @ part.flatten(2))",
        "(P0.mT @ part.flatten(2))",
        f"rtrl-gru-{SHALLOW}",
    ),
    # D-RTRL
    Mutant(
        "D transposed",
        "engine/adjoint_jax.py",
        "row = times(row, D)",
        "row = times(row, D.swapaxes(1, 2))",
        f"drtrl-alif-{SHALLOW}",
    ),
    Mutant(
        "D of the step before",
        "engine/adjoint_jax.py",
        "now = (l, D, F) if",
        "now = (l, jnp.roll(D, 1, 0), F) if",
        f"drtrl-gru-{SHALLOW}",
    ),
    Mutant(
        "signals not summed over time",
        "engine/adjoint_torch.py",
        "rows[:, :m] += l[t]",
        "rows[:, :m] = l[t]",
        f"drtrl-gru-{SHALLOW}",
    ),
    Mutant("trace not read", "drtrl_torch.py", "return owed", "return 0 * owed", f"drtrl-gru-{SHALLOW}"),
    Mutant(
        "P^0 not applied to the trace",
        "algorithms/approximate/drtrl_jax.py",
        "move(e[k], P0, ",
        "move(e[k], jnp.broadcast_to(jnp.eye(P0.shape[1])[..., None], P0.shape), ",
        f"drtrl-leaky_rnn-{SHALLOW}",
    ),
    Mutant("p is F", "drtrl_torch.py", 'k != "x"}, qp[:, :, 1:]', 'k != "x"}, F', f"drtrl-alif-{SHALLOW}"),
    Mutant(
        "presynaptic lines one step late",
        "algorithms/approximate/drtrl_torch.py",
        "z = presynaptic(cell, tape.previous, tape.inputs)",
        "z = presynaptic(cell, tape.states, tape.inputs)",
        f"drtrl-lif_soft-{SHALLOW}",
    ),
    Mutant(
        "in-step path g -> V counted twice",
        "algorithms/approximate/drtrl_torch.py",
        "qp, entry = pull_back(",
        "l[..., -1, :] += 0.2 * l[..., 0, :] if cell.S == 3 else 0; qp, entry = pull_back(",
        f"drtrl-alif-{SHALLOW}",
    ),
    Mutant(
        "signal from other layers' pasts",
        "algorithms/approximate/drtrl_jax.py",
        "cell, w, times(l, F))",
        "cell, w, qp[:, :, :1])",
        f"drtrl-leaky_rnn-{DEEP}",
    ),
    Mutant(
        "no signal to the layers below",
        "algorithms/approximate/drtrl_torch.py",
        "cell, w, times(l, F))",
        "cell, w, 0 * times(l, F))",
        f"drtrl-lif_hard-{DEEP}",
    ),
    # the zoo: its cells, and D-RTRL's relatives
    Mutant(
        "trained constant taken for its logarithm",
        "cells/cells_jax.py",
        "return jnp.exp(y[",
        "return (y[",
        zoo("drtrl", "lif_delta"),
    ),
    Mutant(
        "trained constants in the wrong order",
        "cells/cells_torch.py",
        "+ cell.trainable.index(name)",
        "+ 0",
        zoo("bptt", "lif_delta"),
    ),
    Mutant(
        "depression by the value after the spike",
        "cells/cells_torch.py",
        'used * spikes * s["x"]',
        "used * spikes * recovered",
        zoo("drtrl", "lif_std"),
    ),
    Mutant(
        "facilitation not in the release",
        "cells/cells_jax.py",
        "else spikes * u * available",
        "else spikes * available",
        zoo("drtrl", "lif_stp"),
    ),
    Mutant(
        "gradient through a detached spike",
        "cells/cells_jax.py",
        'decay(self, y, "tau"), lax.stop_gradient(self.emit(s))',
        'decay(self, y, "tau"), self.emit(s)',
        zoo("rtrl", "gif"),
    ),
    Mutant("standardised with the sum of squares", "cells_torch.py", "(u**2).mean(", "(u**2).sum(", zoo("bptt", "gif")),
    Mutant("forget gate without its 1", "cells_jax.py", "I_f + 1", "I_f", zoo("drtrl", "lstm")),
    Mutant(
        "rotation the wrong way",
        "cells/cells_torch.py",
        "by_re * re - by_im * im",
        "by_re * re + by_im * im",
        zoo("bptt", "lru"),
    ),
    Mutant("mask not applied", "network_torch.py", "v * slope[k] if k in slope else v", "v", zoo("bptt", "ei_gif")),
    Mutant(
        "gradient of masked weights",
        "engine/network_jax.py",
        "{k: g * slope.get(k, 1) for k, g",
        "{k: g for k, g",
        zoo("drtrl", "lif_masked"),
    ),
    Mutant(
        "weight on itself transposed away",
        "snap1_jax.py",
        '"tbsgn,ngn->tbsn"',
        '"tbsgn,mgn->tbsn"',
        zoo("snap1", "lif_delta"),
    ),
    Mutant(
        "emission's slope forgotten",
        "snap1_torch.py",
        "by_r[..., None, :] * emission(cell, s_prev)[:, :, None]",
        "by_r[..., None, :]",
        zoo("snap1", "alif_delta"),
    ),
    Mutant(
        "bias filtered",
        "algorithms/approximate/es_drtrl_jax.py",
        'FILTERED = ("x", "r")',
        'FILTERED = ("x", "r", "b")',
        zoo("es_drtrl", "lif_delta"),
    ),
    Mutant(
        "time not counted on", "es_drtrl_torch.py", "last_ef, t + len(inputs))", "last_ef, t)", zoo("es_drtrl", "gru")
    ),
    Mutant(
        "normalised presynaptic filter",
        "algorithms/approximate/es_drtrl_torch.py",
        "ex = decay * ex + now",
        "ex = decay * ex + (1 - decay) * now",
        zoo("es_drtrl", "gru"),
    ),
    Mutant(
        "trace not read at the window's start",
        "algorithms/approximate/drtrl_window_jax.py",
        "c = jnp.concatenate([c, P], axis=1)",
        "c = jnp.concatenate([0 * c, P], axis=1)",
        zoo("drtrl_window", "gru"),
    ),
    Mutant(
        "later segments forgotten",
        "algorithms/exact/bptt_checkpointed_torch.py",
        "bptt.back(net, params, tapes, error, rows)",
        "bptt.back(net, params, tapes, error, [0 * row for row in rows])",
        zoo("bptt_checkpointed", "gru"),
    ),
    Mutant(
        "states of the wrong segment",
        "algorithms/exact/bptt_checkpointed_torch.py",
        "ends, total, tapes, error = forth(net, params, firsts.pop(),",
        "ends, total, tapes, error = forth(net, params, firsts.pop(0),",
        zoo("bptt_checkpointed", "gru"),
    ),
    Mutant(
        "later blocks forgotten",
        "engine/blocks_torch.py",
        "rows, grads, moves = back(retaped(net, kept, x), error, rows)",
        "_, grads, moves = back(retaped(net, kept, x), error, rows)",
        blocks("bptt", 11),
    ),
    Mutant(
        "first states of another block",
        "engine/blocks_jax.py",
        "retaped(net, firsts, kept,",
        "retaped(net, [0 * s for s in firsts], kept,",
        blocks("bptt", 11),
    ),
    Mutant(
        "what is owed not passed on",
        "engine/blocks_jax.py",
        "rows, sums, rest = back(tapes, error, rows)",
        "_, sums, rest = back(tapes, error, rows)",
        blocks("rtrl", 5),
    ),
    Mutant(
        "moves of the blocks in the wrong order",
        "engine/blocks_torch.py",
        "a[start : start + len(b)] = b",
        "a[K - start - len(b) : K - start] = b",
        blocks("drtrl", 8),
    ),
    Mutant(
        "the last, shorter block moves nothing",
        "engine/blocks_jax.py",
        "jnp.concatenate([a, b]), moves, rest)",
        "jnp.concatenate([a, 0 * b]), moves, rest)",
        blocks("drtrl", 5),
    ),
    Mutant(
        "random weights of another layer",
        "algorithms/approximate/random_feedback_jax.py",
        "random_feedback_weights(below,",
        "random_feedback_weights(below + 1,",
        zoo("random_feedback", "gru"),
    ),
    Mutant(
        "a step's signal in the next step",
        "algorithms/approximate/no_trace_torch.py",
        "q = times(learning_signals(cell, tape.states, signals), F)",
        "q = times(learning_signals(cell, tape.states, signals).roll(1, 0), F)",
        zoo("no_trace", "gru"),
    ),
    # what the three pull back by
    Mutant(
        "path through weights cut",
        "engine/adjoint_jax.py",
        "row = row + by_r[:, :, None] * R[0][:, None]",
        "row = row",
        f"bptt-gru-{SHALLOW}",
    ),
    Mutant(
        "emission of the step after",
        "engine/adjoint_torch.py",
        "R[t][:, None])",
        "R[t - 1][:, None])",
        f"bptt-lif_soft-{SHALLOW}",
    ),
    Mutant(
        "recurrent weights transposed",
        "engine/adjoint_torch.py",
        "else W.flatten(1).T",
        "else W.transpose(0, 2).flatten(1).T",
        f"rtrl-leaky_rnn-{SHALLOW}",
    ),
    Mutant(
        "a sample's tile moved by another's blocks",
        "algorithms/approximate/drtrl_jax.py",
        "times(P0_b[:, None], tile)",
        "times(P0[:1, None], tile)",
        f"drtrl-gru-{SHALLOW}",
    ),
    Mutant(
        "a short chunk's products summed over samples",
        "algorithms/approximate/drtrl_jax.py",
        "tbj,tbsgn->bjsgn",
        "tcj,tbsgn->bjsgn",
        f"drtrl-gru-{SHALLOW}",
    ),
    Mutant(
        "a sample's product taken of the first's in a long chunk",
        "algorithms/approximate/drtrl_jax.py",
        "tensordot(z[:, b], p[:, b],",
        "tensordot(z[:, b], p[:, 0],",
        blocks("drtrl", 5),
    ),
    Mutant(
        "rows of an upper layer not joined",
        "algorithms/exact/rtrl_jax.py",
        "jnp.concatenate([jnp.pad(above,",
        "jnp.concatenate([0 * jnp.pad(above,",
        f"rtrl-gru-{DEEP}",
    ),
]


def copy(to: Path) -> Path:
    """What the contract needs, away from the repository."""
    copied(to)
    (to / "tests").mkdir()
    for file in (
        "pyproject.toml",
        "tests/conftest.py",
        "tests/support/genuine.py",
        "tests/support/problems.py",
        "tests/implementations/test_contract.py",
        "tests/implementations/test_zoo.py",
    ):
        shutil.copy(ROOT / file, to / file)
    return to


def contract(at: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """Runs tests of a copy, after making sure that the copy's implementations are the ones imported."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")} | {"PYTHONPATH": str(at)}
    command = [sys.executable, "-c", RUN, "-x", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=at, env=env, capture_output=True, text=True, check=False)
    assert done.stdout.startswith(f"{at / 'drtrl_bench' / 'implementations' / '__init__.py'}\n"), (
        done.stdout + done.stderr
    )
    return done


def edited(mutant: Mutant) -> str:
    """The source of its file with the error."""
    source = (ROOT / "implementations" / mutant.file).read_text(encoding="utf-8")
    assert source.count(mutant.old) == 1, f"{mutant.file} has this {source.count(mutant.old)} times: {mutant.old}"
    return source.replace(mutant.old, mutant.new)


def test_every_mutant_has_its_place() -> None:
    for mutant in MUTANTS:
        assert edited(mutant) != (ROOT / "implementations" / mutant.file).read_text(encoding="utf-8"), mutant


@pytest.mark.parametrize("installed", [pytest.param(f, marks=needs(f)) for f in FRAMEWORKS])
def test_no_mutant_passes(installed: str, tmp_path: Path) -> None:
    tests = sorted({m.test for m in MUTANTS if m.framework == installed})
    done = contract(copy(tmp_path), *tests)
    assert done.returncode == 0, done.stdout
    assert f"{len(tests)} passed" in done.stdout


@pytest.mark.parametrize(
    "mutant", [pytest.param(m, id=f"{m.file}: {m.error}", marks=needs(m.framework)) for m in MUTANTS]
)
def test_mutant_fails(mutant: Mutant, tmp_path: Path) -> None:
    (copy(tmp_path) / "implementations" / mutant.file).write_text(edited(mutant), encoding="utf-8")
    done = contract(tmp_path, mutant.test)
    assert done.returncode == 1, done.stdout
    assert "1 failed" in done.stdout
    assert re.search(r"^> +assert (not wrong|found\[0\] ==)", done.stdout, re.MULTILINE), f"it crashed:\n{done.stdout}"
