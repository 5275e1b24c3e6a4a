"""Compute BPTT's gradient by PyTorch itself: its own modules and differentiation, as a user would write it.

    torch.nn.RNN, GRU, LSTM    compute the layers of these equations in one call; on a GPU that is cuDNN
    autograd over a loop       computes all other layers; one GEMM a chunk multiplies the inputs with their weights

The gradient is that of `bptt_torch.py`, and what is kept for it is PyTorch's choice. Carried across a chunk boundary:
the states. With `segments`, torch.utils.checkpoint keeps the states before each segment and runs the segment twice
(Chen et al. 2016, arXiv 1604.06174). Symbols and shapes: `implementations/README.md`.
"""

import math
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from drtrl_bench.implementations.algorithms.exact import bptt_torch as bptt
from drtrl_bench.implementations.cells import cells_torch as cells
from drtrl_bench.implementations.engine.adjoint_torch import as_written
from drtrl_bench.implementations.engine.execution_torch import PLAIN, Execution
from drtrl_bench.implementations.engine.network_torch import Params, PerWeight, States

Carry, init = bptt.Carry, bptt.init
Forward = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""A layer's forward pass: states [B, S, N] before the steps, inputs [K, B, I] -> outputs, states after the steps."""
Loop = Callable[[Any, PerWeight, Tensor, Tensor], tuple[Tensor, Tensor]]
"""The forward pass of a cell with its weights: arguments and results as those of `Forward`."""


def advance(
    net: Any,
    params: Params,
    carry: Carry,
    inputs: Tensor,
    targets: Tensor,
    *,
    last: bool = False,
    segments: int = 0,
    execution: Execution = PLAIN,
) -> tuple[Carry, Tensor, Params]:
    """Advance K steps: inputs [K, B, I], targets [K, B] -> the carry, the loss of the chunk, its gradient.

    segments: 0 keeps what the differentiation needs of all K steps; K checkpoints every step.
    """
    with torch.enable_grad():
        leaves = [{k: v.detach().requires_grad_() for k, v in w.items()} for w in params]
        layers = [forward_of(cell, w, execution) for cell, w in zip(net, leaves, strict=True)]
        states, loss = carry, inputs.new_zeros(())
        length = math.ceil(len(inputs) / (segments or 1))
        for x, t in zip(inputs.split(length), targets.split(length), strict=True):
            if segments:
                more, *states = checkpoint(run, layers, states, x, t, use_reentrant=False, preserve_rng_state=False)
            else:
                more, *states = run(layers, states, x, t)
            loss = loss + more
        flat = [v for w in leaves for v in w.values()]
        grads = iter(torch.autograd.grad(loss, flat, materialize_grads=True))
    return [s.detach() for s in states], loss.detach(), [{k: next(grads) for k in w} for w in leaves]


def run(layers: list[Forward], states: States, x: Tensor, targets: Tensor) -> list[Tensor]:
    """Run some steps of the network: the loss, and the last states of every layer."""
    ends = []
    for forward, s in zip(layers, states, strict=True):
        x, s = forward(s, x)
        ends.append(s)
    # A step whose target is negative has no loss.
    labels = targets.flatten().clamp(min=-1)
    loss = functional.cross_entropy(x.flatten(0, 1), labels, ignore_index=-1, reduction="sum") / targets.shape[1]
    return [loss, *ends]


def forward_of(cell: Any, w: PerWeight, execution: Execution) -> Forward:
    """Choose the forward pass of a layer: torch.nn's where it has the cell, or a loop over the steps."""
    if w.keys() == {"x", "r", "b"} and (own := next((own for kind, own in MODULES.items() if has(cell, kind)), None)):
        return own(w)
    loop = lean(cell, w) or steps
    if execution.compiled is as_written:
        return partial(loop, cell, w)
    return partial(in_blocks, partial(execution.compiled(loop), cell, w), execution.block)


def has(cell: Any, kind: type) -> bool:
    """Tell whether a cell has the equations of a kind, and not those of a class derived from it."""
    parts = ("emit", "dynamics", "output", "spikes")
    return all(getattr(type(cell), part, None) is getattr(kind, part, None) for part in parts)


def in_blocks(forward: Forward, block: int, s: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Run a compiled loop, which is unrolled, over blocks of steps."""
    outputs = []
    for part in x.split(block):
        o, s = forward(s, part)
        outputs.append(o)
    return torch.cat(outputs), s


def own_module(call: Any, w_x: Tensor, w_r: Tensor, b_x: Tensor, b_r: Tensor, states: int = 1) -> Forward:
    """Call what torch.nn.RNN, GRU or LSTM calls, with the weights [G, J, N] and [G, N] in their order of the gates."""
    weights = [w_x.mT.flatten(0, 1), w_r.mT.flatten(0, 1), b_x.flatten(), b_r.flatten()]

    def forward(s: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        first = [part[None].contiguous() for part in s.unbind(1)]
        with warnings.catch_warnings():  # cuDNN copies the weights, once a call, into one piece of memory, and says so
            warnings.filterwarnings("ignore", "RNN module weights are not part of single contiguous chunk")
            o, *ends = call(x, first if states > 1 else first[0], weights, True, 1, 0.0, True, False, False)
        return o, torch.stack([end[0] for end in ends], dim=1)

    return forward


def rnn(w: PerWeight) -> Forward:
    """Compute a layer of tanh neurons by what torch.nn.RNN calls."""
    w_x, w_r, b = (w[k].transpose(0, 1) for k in ("x", "r", "b"))
    return own_module(torch.rnn_tanh, w_x, w_r, b, torch.zeros_like(b))


def gru(w: PerWeight) -> Forward:
    """Compute a layer of GRU neurons by what torch.nn.GRU calls: r, z, n there; I_nx, I_r, I_z and I_nr here.

    I_nr, which the reset gate multiplies, has the bias of n that goes with the recurrent weights.
    """
    (x_n, x_r, x_z), (b_n, b_r, b_z, b_nr) = w["x"].unbind(1), w["b"].unbind(1)
    w_x, b_x = torch.stack([x_r, x_z, x_n]), torch.stack([b_r, b_z, b_n])
    zero = torch.zeros_like(b_nr)
    return own_module(torch.gru, w_x, w["r"].transpose(0, 1), b_x, torch.stack([zero, zero, b_nr]))


def lstm(w: PerWeight) -> Forward:
    """Compute a layer of LSTM neurons by what torch.nn.LSTM calls: i, f, g, o there; i, g, f and o here.

    The forget gate's 1 is a second bias, which torch.nn.LSTM has.
    """
    w_x, w_r, b = (w[k][:, [0, 2, 1, 3]].transpose(0, 1) for k in ("x", "r", "b"))
    one = torch.zeros_like(b)
    one[1] = 1
    return own_module(torch.lstm, w_x, w_r, b, one, states=2)


MODULES: dict[type, Callable[[PerWeight], Forward]] = {cells.TanhRNN: rnn, cells.GRU: gru, cells.LSTM: lstm}
"""The cells that torch.nn has."""


def external(cell: Any, w: PerWeight, x: Tensor) -> Tensor:
    """Compute the currents [K, B, G, N] from input, bias and parameters: one GEMM over all steps."""
    parts = {"x": (x @ w["x"].flatten(1)).unflatten(-1, w["x"].shape[1:])} | {k: w[k] for k in w.keys() & {"b", "p"}}
    u = torch.zeros((), dtype=x.dtype, device=x.device)
    for kind, part in parts.items():
        reads = cell.reads[kind]
        whole = reads == slice(0, cell.G)
        u = u + (part if whole else functional.pad(part, (0, 0, reads.start, cell.G - reads.stop)))
    return u


def steps(cell: Any, w: PerWeight, s: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Loop over the steps of any cell, by its own equations."""
    u, states = external(cell, w, x), []
    if "r" not in w:
        for y in u.unbind(0):
            s = cell.dynamics(s, y)
            states.append(s)
        return cell.output(torch.stack(states)), s
    W, reads, shape = w["r"].flatten(1), cell.reads["r"], w["r"].shape[1:]
    before, fed, after = u[:, :, : reads.start], u[:, :, reads].flatten(2), u[:, :, reads.stop :]
    for first, y_r, rest in zip(before.unbind(0), fed.unbind(0), after.unbind(0), strict=True):
        y = torch.addmm(y_r, cell.emit(s), W).unflatten(1, shape)
        s = cell.dynamics(s, y if shape[0] == cell.G else torch.cat([first, y, rest], dim=1))
        states.append(s)
    return cell.output(torch.stack(states)), s


class Spike(torch.autograd.Function):
    """A spike, with the surrogate derivative of its cell."""

    @staticmethod
    def forward(ctx: Any, V: Tensor, cell: Any) -> Tensor:
        ctx.save_for_backward(V)
        ctx.cell = cell
        return (V >= 1).to(V.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (V,) = ctx.saved_tensors
        return grads[0] * cells.psi(ctx.cell, V - 1), None


def lean(cell: Any, w: PerWeight) -> Loop | None:
    """Return a loop with fewer calls a step than `steps` has, for the cells that have one; or None."""
    if cell.trainable:
        return None
    if has(cell, cells.LeakyReadout):
        return leaky_readout
    if has(cell, cells.LinearReadout):
        return linear_readout
    if has(cell, cells.LIF) and cell.states == ("V",) and not cell.smooth and "r" in w:
        return lif
    return None


def lif(cell: Any, w: PerWeight, s: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Loop over the steps of leaky integrate-and-fire neurons whose only state is the potential."""
    a = math.exp(-1 / cell.tau)
    u, W = external(cell, w, x)[:, :, 0] / cell.threshold, w["r"][:, 0] / cell.threshold
    V, outputs = s[:, 0], []
    spikes = Spike.apply(V, cell)
    for I in u.unbind(0):
        left = V - cells.lost(cell, V, spikes)
        V = torch.add(torch.addmm(I, spikes, W), left, alpha=a)
        spikes = Spike.apply(V, cell)
        outputs.append(spikes)
    return torch.stack(outputs), V[:, None]


def leaky_readout(cell: Any, w: PerWeight, s: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Loop over the steps of a leaky readout."""
    a, rho, outputs = math.exp(-1 / cell.tau), s[:, 0], []
    for I in external(cell, w, x)[:, :, 0].unbind(0):
        rho = torch.add(I, rho, alpha=a)
        outputs.append(rho)
    return torch.stack(outputs), rho[:, None]


def linear_readout(cell: Any, w: PerWeight, s: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Compute a linear readout, which has no memory, of all steps at once."""
    u = external(cell, w, x)
    return u[:, :, 0], u[-1]
