"""Negative controls: the contract must notice planted errors.

Each mutant is one edit to a copy of `implementations`; one contract test, run on the copy in a process of its own,
must then fail by its comparison with the reference. Without an edit, the same tests must pass.
"""

import re
import shutil
from pathlib import Path
from subprocess import CompletedProcess
from typing import NamedTuple

import pytest
from support import forked
from support.copies import copied
from support.problems import FRAMEWORKS, needs
from test_zoo import fast

ROOT = Path(__file__).resolve().parents[2]
HERE = "tests/implementations"


class Mutant(NamedTuple):
    error: str
    file: str
    old: str
    new: str
    case: str
    """What notices it: algorithm, network and chunk of a test in test_contract.py, rule and cell in test_zoo.py, or
    `blocks`, `segments` or `side-by-side`."""

    @property
    def framework(self) -> str:
        return self.file.removesuffix(".py").rpartition("_")[2]

    @property
    def test(self) -> str:
        if self.case == "side-by-side":
            return f"{HERE}/test_zoo.py::test_short_segments_run_side_by_side[{self.framework}]"
        if self.case.startswith("segments-"):
            return f"{HERE}/test_zoo.py::test_segments_change_nothing[{self.framework}-{self.case[9:]}]"
        if self.case.startswith("blocks-"):
            return f"{HERE}/test_contract.py::test_blocks_of_a_long_chunk[{self.framework}-{self.case[7:]}]"
        file = "test_contract" if self.case.endswith(("K1", "K3")) else "test_zoo"
        return f"{HERE}/{file}.py::test_gradient[{self.framework}-{self.case}]"


def blocks(rule: str, K: int) -> str:
    """The test of a rule in chunks of several blocks."""
    return f"blocks-{K}-{rule}"


def segments(rule: str, number: int) -> str:
    """The test of a rule in a chunk of several segments."""
    return f"segments-{number}-{rule}"


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
        f"bptt-alif-{SHALLOW}",
    ),
    Mutant(
        "hard reset taken for soft",
        "cells/cells_jax.py",
        'case "hard":\n            return lax.stop_gradient(V) * spikes',
        'case "hard":\n            return spikes',
        f"bptt-lif_hard-{SHALLOW}",
    ),
    Mutant(
        "gradient through the V that a hard reset subtracts",
        "cells/cells_jax.py",
        "lax.stop_gradient(V) * spikes",
        "V * spikes",
        f"drtrl-lif_hard-{SHALLOW}",
    ),
    Mutant(
        "gradient through the V that a hard reset subtracts",
        "cells/cells_torch.py",
        "V.detach() * spikes",
        "V * spikes",
        f"rtrl-lif_hard-{SHALLOW}",
    ),
    Mutant(
        "no gradient through the V that a spike multiplies",
        "cells/cells_jax.py",
        "        case _:\n            return V * spikes",
        "        case _:\n            return lax.stop_gradient(V) * spikes",
        zoo("drtrl", "lif_multiply"),
    ),
    Mutant(
        "gradient through the spike of a detached reset",
        "cells/cells_torch.py",
        "spikes = spikes.detach()",
        "spikes = spikes.clone()",
        zoo("snap1", "alif_detached"),
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
        "torch.where(counts, log_p.gather(-1, target), 0)",
        "log_p.gather(-1, target)",
        f"drtrl-gru-{SHALLOW}",
    ),
    Mutant(
        "an error where the target is negative",
        "engine/network_torch.py",
        "torch.where(counts, error, 0)",
        "error",
        f"drtrl-gru-{SHALLOW}",
    ),
    Mutant(
        "bias not added",
        "engine/network_torch.py",
        "u[:, :, cell.reads[kind]] += w[kind]",
        "u[:, :, cell.reads[kind]] += 0 * w[kind]",
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
        "Residuals(s[:-1], s[1:], y, x)",
        "Residuals(s[1:], s[1:], y, x)",
        f"rtrl-gru-{SHALLOW}",
    ),
    Mutant(
        "carry not passed on",
        "engine/network_torch.py",
        "carry, loss, grads = advance(carry, x, t, last=",
        "_, loss, grads = advance(carry, x, t, last=",
        f"drtrl-gru-{SHALLOW}",
    ),
    Mutant(
        "last chunk dropped",
        "engine/network_jax.py",
        "return carry, total + loss, jax.tree.map(jnp.add, sums, grads)",
        "return carry, total, sums",
        f"bptt-gru-{SHALLOW}",
    ),
    Mutant(
        "last, shorter chunk dropped",
        "engine/network_torch.py",
        "in range(0, T, K):",
        "in range(0, T - T % K, K):",
        f"bptt-gru-{SHALLOW}",
    ),
    # BPTT
    Mutant(
        "stale state at the chunk's end",
        "engine/network_jax.py",
        "[r.states[-1] for r in residuals]",
        "[r.states[0] for r in residuals]",
        f"bptt-leaky_rnn-{SHALLOW}",
    ),
    # RTRL
    Mutant(
        "influence not carried",
        "engine/influence_jax.py",
        'jnp.einsum("bim,bmgnj->bignj", P_n, tile)',
        "0",
        f"rtrl-leaky_rnn-{SHALLOW}",
    ),
    Mutant(
        "influence not fed",
        "engine/influence_torch.py",
        "updated.flatten(1, 3).baddbmm_",
        "updated.clone().flatten(1, 3).baddbmm_",
        f"rtrl-leaky_rnn-{SHALLOW}",
    ),
    Mutant(
        "influence not read",
        "algorithms/exact/rtrl_torch.py",
        "within[k] + influence.step(",
        "within[k] + 0 * influence.step(",
        f"rtrl-gru-{SHALLOW}",
    ),
    Mutant(
        "adjoints of the wrong layer's states",
        "engine/adjoint_jax.py",
        "jnp.eye(above + S * N, S * N, -above, s.dtype)",
        "jnp.eye(above + S * N, S * N, -1, s.dtype)",
        f"rtrl-leaky_rnn-{DEEP}",
    ),
    Mutant(
        "adjoints of the wrong layer's states",
        "engine/adjoint_torch.py",
        "torch.eye(above + S * N, **like)[:, above:]",
        "torch.eye(above + S * N, **like)[:, : S * N]",
        f"rtrl-alif-{DEEP}",
    ),
    Mutant(
        "P transposed",
        "engine/influence_torch.py",
        "(P @ M_n.flatten(2))",
        "(P.mT @ M_n.flatten(2))",
        f"rtrl-gru-{SHALLOW}",
    ),
    # D-RTRL
    Mutant(
        "D transposed",
        "engine/adjoint_jax.py",
        "lam = neuronwise(lam, D)",
        "lam = neuronwise(lam, D.swapaxes(1, 2))",
        f"drtrl-alif-{SHALLOW}",
    ),
    Mutant(
        "D of the step before",
        "engine/adjoint_jax.py",
        "steps = (l, D, D_f) if",
        "steps = (l, jnp.roll(D, 1, 0), D_f) if",
        f"drtrl-gru-{SHALLOW}",
    ),
    Mutant(
        "signals not summed over time",
        "engine/adjoint_torch.py",
        "lam[:, :m].add_(l_before)",
        "lam[:, :m].copy_(l_before)",
        f"bptt-alif-{SHALLOW}",
    ),
    Mutant(
        "signals not summed over time where a neuron has one state",
        "engine/adjoint_torch.py",
        "torch.addcmul(l_before, lam, D_t)",
        "torch.addcmul(l_before, lam, 0 * D_t)",
        f"bptt-gru-{SHALLOW}",
    ),
    Mutant(
        "signals not summed over time where nothing couples neurons of one state",
        "engine/adjoint_torch.py",
        "before.addcmul_(now, D_t)",
        "before.addcmul_(now, 0 * D_t)",
        f"drtrl-lif_soft-{SHALLOW}",
    ),
    Mutant(
        "adjoint at a block's start without the first step's Jacobian",
        "engine/adjoint_torch.py",
        "start = adjoints[0] * D[0]",
        "start = adjoints[0] * 1",
        f"drtrl-lif_soft-{SHALLOW}",
    ),
    Mutant(
        "trace not read", "engine/trace_torch.py", "return contracted", "return 0 * contracted", f"drtrl-gru-{SHALLOW}"
    ),
    Mutant(
        "P not applied to the trace",
        "engine/trace_jax.py",
        "neuronwise(P_b[:, None], tile) + outer",
        "tile + outer",
        f"drtrl-leaky_rnn-{SHALLOW}",
    ),
    Mutant(
        "factors one step late",
        "engine/adjoint_torch.py",
        'k != "x"}, dy_carry',
        'k != "x"}, dy_carry.roll(1, 0)',
        f"drtrl-alif-{SHALLOW}",
    ),
    Mutant(
        "presynaptic activity one step late",
        "engine/adjoint_torch.py",
        "cell, residuals[layer].previous, residuals[layer].inputs)",
        "cell, residuals[layer].states, residuals[layer].inputs)",
        f"drtrl-lif_soft-{SHALLOW}",
    ),
    Mutant(
        "in-step path g -> V counted twice",
        "engine/adjoint_torch.py",
        "locally = (D, D_f, recurrent, recursion)",
        "l[..., -1, :] += 0.2 * l[..., 0, :] if cell.S == 3 else 0; locally = (D, D_f, recurrent, recursion)",
        f"drtrl-alif-{SHALLOW}",
    ),
    Mutant(
        "signal from other layers' pasts",
        "engine/adjoint_jax.py",
        "neuronwise(l, D_f) if rule.loss == DIAGONAL",
        "dy[:, :, :1] if rule.loss == DIAGONAL",
        f"drtrl-leaky_rnn-{DEEP}",
    ),
    Mutant(
        "no signal to the layers below",
        "engine/adjoint_torch.py",
        "neuronwise(l, D_f) if rule.loss == DIAGONAL",
        "0 * neuronwise(l, D_f) if rule.loss == DIAGONAL",
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
    Mutant(
        "standardised with the sum of squares",
        "cells/cells_torch.py",
        "(u**2).mean(",
        "(u**2).sum(",
        zoo("bptt", "gif"),
    ),
    Mutant("forget gate without its 1", "cells/cells_jax.py", "I_f + 1", "I_f", zoo("drtrl", "lstm")),
    Mutant(
        "rotation the wrong way",
        "cells/cells_torch.py",
        "by_re * re - by_im * im",
        "by_re * re + by_im * im",
        zoo("bptt", "lru"),
    ),
    Mutant(
        "mask not applied",
        "engine/network_torch.py",
        "v * derivative[k] if k in derivative else v",
        "v",
        zoo("bptt", "ei_gif"),
    ),
    Mutant(
        "gradient of masked weights",
        "engine/network_jax.py",
        "{k: g * d.get(k, 1) for k, g",
        "{k: g for k, g",
        zoo("drtrl", "lif_masked"),
    ),
    Mutant(
        "weight on itself transposed away",
        "algorithms/approximate/snap1_jax.py",
        '"tbsgn,ngn->tbsn"',
        '"tbsgn,mgn->tbsn"',
        zoo("snap1", "lif_delta"),
    ),
    Mutant(
        "Jacobian of the recurrent output forgotten",
        "algorithms/approximate/snap1_torch.py",
        "dr[..., None, :] * output_jacobian(cell, residuals.previous)[:, :, None]",
        "dr[..., None, :]",
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
        "time not counted on",
        "algorithms/approximate/es_drtrl_torch.py",
        "eps_f, carry.time + len(inputs))",
        "eps_f, carry.time)",
        zoo("es_drtrl", "gru"),
    ),
    Mutant(
        "normalised presynaptic filter",
        "algorithms/approximate/es_drtrl_torch.py",
        "eps_x = torch.add(z_t, eps_x, alpha=a, out=eps_x_t)",
        "eps_x = torch.add((1 - a) * z_t, eps_x, alpha=a, out=eps_x_t)",
        zoo("es_drtrl", "gru"),
    ),
    Mutant(
        "trace not read at the window's start",
        "engine/adjoint_jax.py",
        "jnp.concatenate([lam_0, P_0], axis=1)",
        "jnp.concatenate([0 * lam_0, P_0], axis=1)",
        zoo("drtrl_window", "gru"),
    ),
    Mutant(
        "later segments forgotten",
        "engine/blocks_torch.py",
        "execution.backward(rule, net, params, residuals, error, adjoints)",
        "execution.backward(rule, net, params, residuals, error, [0 * a for a in adjoints])",
        zoo("bptt_checkpointed", "gru"),
    ),
    Mutant(
        "segment run again from other states",
        "engine/blocks_torch.py",
        "[torch.cat(of_layer) for of_layer",
        "[0 * torch.cat(of_layer) for of_layer",
        zoo("bptt_checkpointed", "gru"),
    ),
    Mutant(
        "segments side by side with each other's inputs",
        "engine/blocks_torch.py",
        "(len(firsts), -1)).transpose(0, 1)",
        "(-1, len(firsts)))",
        "side-by-side",
    ),
    Mutant(
        "samples of segments side by side in the order of steps",
        "engine/blocks_torch.py",
        "(-1, B)).transpose(0, 1)",
        "(-1, B))",
        "side-by-side",
    ),
    Mutant(
        "segments side by side start all at the first",
        "engine/blocks_jax.py",
        "return run(net, params, states, x, layer)[1], states",
        "return run(net, params, states, x, layer)[1], [0 * s for s in states]",
        "side-by-side",
    ),
    Mutant(
        "segments side by side are not put back in order",
        "engine/blocks_jax.py",
        "return a.swapaxes(0, 1).reshape(-1, B,",
        "return a.reshape(-1, B,",
        "side-by-side",
    ),
    Mutant(
        "later blocks forgotten",
        "engine/blocks_torch.py",
        "adjoints, grads, new = execution.backward(",
        "_, grads, new = execution.backward(",
        blocks("bptt", 11),
    ),
    Mutant(
        "first states of another block",
        "engine/blocks_jax.py",
        "with_inputs(net, firsts, states_and_currents, x)",
        "with_inputs(net, [0 * s for s in firsts], states_and_currents, x)",
        blocks("bptt", 11),
    ),
    Mutant(
        "adjoints of the last block not passed on",
        "engine/blocks_jax.py",
        "adjoints, sums, rest = backward_(",
        "_, sums, rest = backward_(",
        blocks("rtrl", 5),
    ),
    Mutant(
        "factors of the blocks in the wrong order",
        "engine/blocks_torch.py",
        "a[start : start + len(b)] = b",
        "a[K - start - len(b) : K - start] = b",
        blocks("drtrl", 8),
    ),
    Mutant(
        "the last, shorter block updates nothing",
        "engine/blocks_jax.py",
        "jnp.concatenate([a, b]), factors, rest)",
        "jnp.concatenate([a, 0 * b]), factors, rest)",
        blocks("drtrl", 5),
    ),
    Mutant(
        "random weights of another layer",
        "algorithms/approximate/random_feedback_jax.py",
        "random_feedback_weights(below,",
        "random_feedback_weights(below + 1,",
        zoo("random_feedback", "gru"),
    ),
    # e-prop
    Mutant(
        "filtered output without its leak",
        "algorithms/further/eprop_jax.py",
        "self.kappa * s[..., -1, :] + ",
        "0 * s[..., -1, :] + ",
        zoo("eprop", "lif_delta"),
    ),
    Mutant(
        "leak of the first class for all",
        "algorithms/further/eprop_torch.py",
        "D[0, 0, 0, 0].mean()",
        "D[0, 0, 0, 0, 0]",
        zoo("eprop", "lif_delta"),
    ),
    Mutant(
        "filter of the output of the step before",
        "algorithms/further/eprop_torch.py",
        "self.own_output(after)",
        "self.own_output(s[..., :-1, :])",
        zoo("eprop", "gru"),
    ),
    Mutant(
        "filtered output not standardised",
        "algorithms/further/eprop_jax.py",
        "return cells.standardised(o) if isinstance(self.cell, cells.GIF | cells.EIGIF) else o",
        "return cells.standardised(lax.stop_gradient(o)) + o - lax.stop_gradient(o)",
        zoo("eprop", "gif"),
    ),
    # SnAp-2
    Mutant(
        "neurons that feed, in place of those that are fed",
        "algorithms/further/snap2_jax.py",
        "[index[:, :, None], :, index[:, None, :]]",
        "[index[:, None, :], :, index[:, :, None]]",
        zoo("snap2", "gru"),
    ),
    Mutant(
        "a step's own part at no neuron of its own",
        "algorithms/further/snap2_jax.py",
        "after[k] = M_new.at[:, :, 0].add(own)",
        "after[k] = M_new.at[:, :, -1].add(own)",
        zoo("snap2", "lif_delta_hard"),
    ),
    Mutant(
        "the influence lost between blocks",
        "algorithms/further/snap2_jax.py",
        "carry.influences[layer], execution.unroll",
        "jax.tree.map(jnp.zeros_like, carry.influences[layer]), execution.unroll",
        zoo("snap2", "gru"),
    ),
    Mutant(
        "padding not left out",
        "algorithms/further/snap2_torch.py",
        "a[..., index] * exists for a in",
        "a[..., index] for a in",
        zoo("snap2", "lif_masked"),
    ),
    Mutant(
        "no path through other neurons",
        "algorithms/further/snap2_torch.py",
        "M_new += torch.einsum(",
        "M_new += 0 * torch.einsum(",
        zoo("snap2", "gru"),
    ),
    Mutant(
        "recurrent outputs of the neuron itself",
        "algorithms/further/snap2_torch.py",
        '"bsne,bnesgj->bnegj", now.R, M_k)',
        '"bsne,bnesgj->bnegj", steps.R[t][..., None].expand(now.R.shape), M_k)',
        zoo("snap2", "lif_delta_hard"),
    ),
    # OTTT and UORO
    Mutant(
        "a bias has a trace",
        "algorithms/further/ottt_jax.py",
        'TRACED = ("x", "r")',
        'TRACED = ("x", "r", "b")',
        zoo("ottt", "lif_delta"),
    ),
    Mutant(
        "a trained leak taken for its logarithm",
        "algorithms/further/ottt_torch.py",
        "torch.exp(-torch.exp(-",
        "torch.exp(-torch.exp(",
        zoo("ottt", "leaky_rnn"),
    ),
    Mutant(
        "the trace's decay is that of no layer",
        "algorithms/further/ottt_torch.py",
        "torch.add(z_t, a * zhat, out=zhat_t)",
        "torch.add(z_t, zhat, out=zhat_t)",
        zoo("ottt", "lif_std"),
    ),
    Mutant(
        "no perturbation by recurrent weights",
        "algorithms/further/uoro_jax.py",
        "(now.R * p_layer).sum(1)",
        "0 * (now.R * p_layer).sum(1)",
        zoo("uoro", "gru"),
    ),
    Mutant(
        "weights below are not perturbed by the layers above",
        "algorithms/further/uoro_torch.py",
        "nu[:, :, None] if dX_do is None else nu[:, :, None] + learning_signals(cell, s, dX_do)",
        "nu[:, :, None]",
        zoo("uoro", "gru"),
    ),
    Mutant(
        "signs of every block are the first's",
        "algorithms/further/uoro_torch.py",
        "q, carry.time + len(inputs))",
        "q, carry.time)",
        zoo("uoro", "lif_delta"),
    ),
    Mutant(
        "signs of the states not scaled",
        "algorithms/further/uoro_jax.py",
        "over(rho1) * b for",
        "b for",
        zoo("uoro", "lif_delta"),
    ),
    Mutant(
        "a step's signal in the next step",
        "engine/adjoint_torch.py",
        "return neuronwise(l, D_f), torch.zeros_like(lam)",
        "return neuronwise(l.roll(1, 0), D_f), torch.zeros_like(lam)",
        zoo("no_trace", "gru"),
    ),
    # the rows of the table
    Mutant(
        "the window's adjoint without recurrent paths",
        "algorithms/approximate/drtrl_window_jax.py",
        "Rule(loss=FULL, carry=DIAGONAL)",
        "Rule(loss=DIAGONAL, carry=DIAGONAL)",
        zoo("drtrl_window", "gru"),
    ),
    Mutant(
        "a path through time in the control without",
        "algorithms/approximate/no_trace_torch.py",
        "Rule(loss=NONE)",
        'Rule(loss="DIAGONAL")',
        zoo("no_trace", "gru"),
    ),
    Mutant(
        "D-RTRL's loss by all paths",
        "algorithms/approximate/drtrl_torch.py",
        "Rule(loss=DIAGONAL,",
        'Rule(loss="FULL",',
        f"drtrl-gru-{SHALLOW}",
    ),
    # the adjoint recursion
    Mutant(
        "path through weights cut",
        "engine/adjoint_jax.py",
        "lam = lam + dr[:, :, None] * R[0][:, None]",
        "lam = lam",
        f"bptt-gru-{SHALLOW}",
    ),
    Mutant(
        "Jacobian of the recurrent output of another step",
        "engine/adjoint_torch.py",
        "recurrent[1].unsqueeze(2)",
        "recurrent[1].roll(1, 0).unsqueeze(2)",
        f"bptt-lif_soft-{SHALLOW}",
    ),
    Mutant(
        "recurrent weights transposed",
        "engine/adjoint_torch.py",
        "recurrent[0].flatten(1).T",
        "recurrent[0].transpose(0, 2).flatten(1).T",
        f"rtrl-leaky_rnn-{SHALLOW}",
    ),
    Mutant(
        "a sample's tile updated by another's P",
        "engine/trace_jax.py",
        "neuronwise(P_b[:, None], tile)",
        "neuronwise(P[:1, None], tile)",
        f"drtrl-gru-{SHALLOW}",
    ),
    Mutant(
        "a short chunk's products summed over samples",
        "engine/trace_jax.py",
        "tbj,tbsgn->bjsgn",
        "tcj,tbsgn->bjsgn",
        f"drtrl-gru-{SHALLOW}",
    ),
    Mutant(
        "a sample's product taken of the first's in a long chunk",
        "engine/trace_jax.py",
        "tensordot(z[:, b], dy[:, b],",
        "tensordot(z[:, b], dy[:, 0],",
        blocks("drtrl", 5),
    ),
    Mutant(
        "adjoints of an upper layer not joined",
        "engine/adjoint_jax.py",
        "jnp.concatenate([above, lam], axis=-1)",
        "jnp.concatenate([0 * above, lam], axis=-1)",
        f"rtrl-gru-{DEEP}",
    ),
    # BPTT by the framework itself
    Mutant(
        "forget gate of torch.nn's LSTM without its 1",
        "algorithms/exact/bptt_native_torch.py",
        "one[1] = 1",
        "one[1] = 0",
        zoo("bptt_native", "lstm"),
    ),
    Mutant(
        "gates of torch.nn's LSTM in our order",
        "algorithms/exact/bptt_native_torch.py",
        "[0, 2, 1, 3]",
        "[0, 1, 2, 3]",
        zoo("bptt_native", "lstm"),
    ),
    Mutant(
        "bias of the GRU's recurrent product outside the reset gate",
        "algorithms/exact/bptt_native_torch.py",
        "b_x, torch.stack([zero, zero, b_nr])",
        "b_x + torch.stack([zero, zero, b_nr]), torch.zeros_like(b_x)",
        f"bptt_native-gru-{SHALLOW}",
    ),
    Mutant(
        "recurrent weights of torch.nn's RNN transposed",
        "algorithms/exact/bptt_native_torch.py",
        "w_r.mT.flatten(0, 1)",
        "w_r.flatten(0, 1)",
        zoo("bptt_native", "tanh_rnn"),
    ),
    Mutant(
        "surrogate derivative at another potential",
        "algorithms/exact/bptt_native_torch.py",
        "cells.psi(ctx.cell, V - 1)",
        "cells.psi(ctx.cell, V)",
        f"bptt_native-lif_soft-{SHALLOW}",
    ),
    Mutant(
        "a hard reset taken for a soft one",
        "algorithms/exact/bptt_native_torch.py",
        "V - cells.lost(cell, V, spikes)",
        "V - spikes",
        f"bptt_native-lif_hard-{SHALLOW}",
    ),
    Mutant(
        "a readout without its leak",
        "algorithms/exact/bptt_native_torch.py",
        "torch.add(I, rho, alpha=a)",
        "torch.add(I, rho)",
        f"bptt_native-alif-{DEEP}",
    ),
    Mutant(
        "negative targets taken for the first class",
        "algorithms/exact/bptt_native_torch.py",
        "clamp(min=-1)",
        "clamp(min=0)",
        f"bptt_native-gru-{SHALLOW}",
    ),
    Mutant(
        "the last checkpointed segment lost",
        "algorithms/exact/bptt_native_torch.py",
        "zip(inputs.split(length), targets.split(length), strict=True)",
        "zip(inputs.split(length)[:1], targets.split(length)[:1], strict=True)",
        segments("bptt_native", 2),
    ),
    Mutant(
        "the last, shorter segment lost",
        "algorithms/exact/bptt_native_jax.py",
        "if whole < K:",
        "if whole > K:",
        segments("bptt_native", 2),
    ),
    Mutant(
        "a checkpointed step from the first states",
        "algorithms/exact/bptt_native_jax.py",
        "        more, states = segment(params, states, *data)",
        "        more, _ = segment(params, states, *data)",
        segments("bptt_native", 7),
    ),
    Mutant(
        "no gradient through the recurrent output",
        "algorithms/exact/bptt_native_jax.py",
        'cell.emit(s), w["r"]',
        'lax.stop_gradient(cell.emit(s)), w["r"]',
        f"bptt_native-gru-{SHALLOW}",
    ),
    # derivatives in closed form
    Mutant(
        "a gate's derivative without the gate",
        "cells/closed_torch.py",
        "torch.mul(z - z * z, h - n",
        "torch.mul(z, h - n",
        f"drtrl-gru-{SHALLOW}",
    ),
    Mutant(
        "the cell read before its update",
        "cells/closed_torch.py",
        "t = torch.tanh(s[..., 1, :])",
        "t = torch.tanh(c)",
        "drtrl-lstm-2layers",
    ),
]


OFTEN = 10
"""Every how many of the mutants one always runs."""


def copy(to: Path) -> Path:
    """What the contract needs, away from the repository."""
    copied(to)
    for file in (
        "pyproject.toml",
        "tests/conftest.py",
        "tests/support/genuine.py",
        "tests/support/problems.py",
        "tests/implementations/test_contract.py",
        "tests/implementations/test_zoo.py",
    ):
        (to / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, to / file)
    return to


def contract(at: Path, *tests: str) -> CompletedProcess[str]:
    """Runs tests of a copy up to the first that fails."""
    return forked.tests(at, "-x", "-p", "no:cacheprovider", *tests)


def edited(mutant: Mutant) -> str:
    """The source of its file with the error."""
    source = (ROOT / "implementations" / mutant.file).read_text(encoding="utf-8")
    assert source.count(mutant.old) == 1, f"{mutant.file} has this {source.count(mutant.old)} times: {mutant.old}"
    return source.replace(mutant.old, mutant.new)


def test_every_mutant_has_its_place() -> None:
    for mutant in MUTANTS:
        assert edited(mutant) != (ROOT / "implementations" / mutant.file).read_text(encoding="utf-8"), mutant


def test_what_notices_an_error_always_runs() -> None:
    for mutant in MUTANTS:
        first, *others = mutant.case.split("-")
        if others[-1] == "2layers":
            assert fast(mutant.framework, first, others[0], 2), mutant


@pytest.mark.parametrize("nth", [OFTEN, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("installed", [pytest.param(f, marks=needs(f)) for f in FRAMEWORKS])
def test_no_mutant_passes(installed: str, nth: int, tmp_path: Path) -> None:
    """Nor do the tests fail in a copy without an edit."""
    tests = sorted({m.test for m in MUTANTS[::nth] if m.framework == installed})
    done = contract(copy(tmp_path), *tests)
    assert done.returncode == 0, done.stdout
    assert f"{len(tests)} passed" in done.stdout


def marks(nth: int, mutant: Mutant) -> tuple[pytest.MarkDecorator, ...]:
    """Every `OFTEN`th runs always, so that what runs them is tried; the others take minutes."""
    return (needs(mutant.framework), *([pytest.mark.slow] if nth % OFTEN else []))


@pytest.mark.parametrize(
    "mutant", [pytest.param(m, id=f"{m.file}: {m.error}", marks=marks(nth, m)) for nth, m in enumerate(MUTANTS)]
)
def test_mutant_fails(mutant: Mutant, tmp_path: Path) -> None:
    (copy(tmp_path) / "implementations" / mutant.file).write_text(edited(mutant), encoding="utf-8")
    done = contract(tmp_path, mutant.test)
    assert done.returncode == 1, done.stdout
    assert "1 failed" in done.stdout
    assert re.search(r"^> +assert (not wrong|found\[0\] ==)", done.stdout, re.MULTILINE), f"it crashed:\n{done.stdout}"
