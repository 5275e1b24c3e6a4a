"""PyTorch's closed forms against each cell's equations and automatic differentiation, in float64."""

from typing import Any

import pytest
from support.problems import needs

from drtrl_bench import lookup, registry

pytestmark = needs("torch")
KNOWN = {"tanh_rnn", "gru", "lstm", "if_delta", "lif_delta"}


def cells(name: str) -> list[Any]:
    """A cell and the leaky readout."""
    return list(lookup.network(name, "leaky", 1, "torch"))


def test_the_cells_with_a_closed_form_are_known() -> None:
    from drtrl_bench.implementations.cells.closed_torch import closed

    assert {name for name in registry.CELLS if closed(cells(name)[0]) is not None} == KNOWN
    assert closed(cells("gru")[1]) is not None


def test_a_cell_of_ones_own_has_none() -> None:
    """Also one that inherits from a cell with a closed form: its equations may be others."""
    from drtrl_bench.implementations.cells import cells_torch
    from drtrl_bench.implementations.cells.closed_torch import closed

    class Slower(cells_torch.TanhRNN):
        def dynamics(self, s: Any, y: Any) -> Any:
            return 0.5 * s + super().dynamics(s, y)

    assert closed(Slower()) is None
    others: list[dict[str, Any]] = [{"smooth": True}, {"reset": "hard"}, {"reset": "multiply"}, {"detach_reset": True}]
    for options in others:
        assert closed(cells_torch.LIF(**options)) is None, options
    assert closed(cells_torch.LIF(trainable=("tau",))) is None


@pytest.mark.parametrize("name", sorted(KNOWN))
@pytest.mark.parametrize("layer", ["hidden", "readout"])
def test_a_closed_form_is_what_automatic_differentiation_gives(name: str, layer: str) -> None:
    import torch
    from torch.autograd import functional

    from drtrl_bench.implementations.cells.closed_torch import closed

    jacobian: Any = functional.jacobian
    cell, generator = cells(name)[layer == "readout"], torch.Generator().manual_seed(3)
    K, B, Q, N, S, G = 3, 2, 2, 4, cell.S, cell.G

    def draw(*shape: int) -> Any:
        return torch.randn(shape, generator=generator, dtype=torch.float64) + 0.5

    s, y, dX_do = draw(K, B, S, N), draw(K, B, G, N), draw(K, B, Q, N)
    known: Any = closed(cell)
    after = cell.dynamics(s, y)
    D, D_f = (each.expand(K, B, S, -1, N) for each in known.jacobians(s, after, y))
    R, l = known.recurrent_output(s) if cell.reads.get("r") else None, known.learning_signal(s, dX_do)
    assert D_f.shape == (K, B, S, G, N)
    assert D_f.any()
    for t in range(K):
        for b in range(B):
            for n in range(N):
                one, into = s[t, b, :, n : n + 1], y[t, b, :, n : n + 1]
                by_s, by_y = jacobian(cell.dynamics, (one, into))
                assert torch.allclose(D[t, b, :, :, n], by_s[:, 0, :, 0], rtol=1e-12, atol=1e-14)
                assert torch.allclose(D_f[t, b, :, :, n], by_y[:, 0, :, 0], rtol=1e-12, atol=1e-14)
                if R is not None:
                    assert torch.allclose(R[t, b, :, n], jacobian(cell.emit, one)[0, :, 0], rtol=1e-12, atol=1e-14)
                by_o = jacobian(cell.output, one)[0, :, 0]
                assert torch.allclose(l[t, b, :, :, n], dX_do[t, b, :, n, None] * by_o, rtol=1e-12, atol=1e-14)
    assert l.any()


@pytest.mark.parametrize("name", sorted(KNOWN))
@pytest.mark.parametrize("layer", ["hidden", "readout"])
def test_a_layer_runs_by_its_cell_s_equations(name: str, layer: str) -> None:
    """Step by step in `emit` and `dynamics`, the recurrent weights written as a sum over neurons."""
    import torch

    from drtrl_bench.implementations.engine import network_torch

    generator = torch.Generator().manual_seed(4)
    cell, K, B, N, I = cells(name)[layer == "readout"], 5, 2, 4, 3

    def draw(*shape: int) -> Any:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    wide = {k: len(range(*reads.indices(cell.G))) for k, reads in cell.reads.items()}
    w = {k: draw({"x": I, "r": N}.get(k, 1), gates, N) for k, gates in wide.items()}
    s, x = draw(B, cell.S, N) + 0.5, draw(K, B, I)
    states, currents = network_torch.layer(cell, w, s, x)
    assert torch.equal(states[0], s)
    fired = torch.zeros(())
    for t in range(K):
        y = torch.zeros(B, cell.G, N, dtype=torch.float64)
        y[:, cell.reads["x"]] += torch.einsum("bi,ign->bgn", x[t], w["x"])
        if "b" in w:
            y[:, cell.reads["b"]] += w["b"]
        if "r" in w:
            y[:, cell.reads["r"]] += torch.einsum("bj,jgn->bgn", cell.emit(s), w["r"])
            fired += cell.emit(s).abs().sum()
        s = cell.dynamics(s, y)
        assert torch.allclose(currents[t], y, rtol=1e-12, atol=1e-14)
        assert torch.allclose(states[t + 1], s, rtol=1e-12, atol=1e-14)
    assert fired > 0 or "r" not in w


def test_a_spike_needs_the_threshold_reached() -> None:
    """V = 1 spikes, the number below it does not; a threshold divides the current: V' = a (V - s) + I / 2."""
    import math

    import torch

    cell: Any = cells("lif_delta")[0]
    cell = type(cell)(threshold=2.0, tau=10.0)
    from drtrl_bench.implementations.cells.closed_torch import closed

    states = torch.zeros(2, 1, 1, 2, dtype=torch.float64)
    states[0, 0, 0] = torch.tensor([1.0, math.nextafter(1.0, 0.0)], dtype=torch.float64)
    currents = torch.tensor([[[[0.5, 0.5]]]], dtype=torch.float64)
    known: Any = closed(cell)
    known.run(states, currents, torch.zeros(2, 2, dtype=torch.float64))
    a = math.exp(-0.1)
    assert states[1, 0, 0].tolist() == pytest.approx([0.25, 0.25 + a], rel=1e-15)
