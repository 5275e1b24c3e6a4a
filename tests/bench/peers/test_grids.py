"""Plans of a comparison with peers: the cells and sizes they name, and what is said of one that cannot be compared."""

from pathlib import Path

import pytest

from drtrl_bench.peers import grids
from drtrl_bench.peers.grids import Sizes
from drtrl_bench.plan import PlanError


def test_every_combination_is_a_point() -> None:
    assert grids.points({}) == [("lif_delta", Sizes(batch=16, features=64, neurons=256, steps=512))]
    assert grids.points({"cell": ["gru", "lstm"], "steps": [1, 2], "neurons": 8}) == [
        ("gru", Sizes(neurons=8, steps=1)),
        ("gru", Sizes(neurons=8, steps=2)),
        ("lstm", Sizes(neurons=8, steps=1)),
        ("lstm", Sizes(neurons=8, steps=2)),
    ]


def test_the_plan_that_comes_along_has_the_usual_sizes_other_cells_lengths_and_neurons() -> None:
    assert [(cell, sizes.neurons, sizes.steps) for cell, sizes in grids.read("peers")] == [
        ("lif_delta", 256, 512),
        ("tanh_rnn", 256, 512),
        ("gru", 256, 512),
        ("lif_delta", 256, 128),
        ("lif_delta", 256, 2048),
        ("lif_delta", 64, 512),
        ("lif_delta", 1024, 512),
    ]


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("grid = 3", "a plan of peers has one or more tables [[grid]], and nothing else"),
        ("", "one or more tables [[grid]]"),
        ("rounds = 2\n[[grid]]\nsteps = 3", "and nothing else"),
        ("[[grid]]\nsteps = [3, 0]", "steps = 0: it must be a whole number from 1"),
        ("[[grid]]\nneurons = true", "neurons = True: it must be a whole number from 1"),
        ("[[grid]]\nneurons = [2.5]", "neurons = 2.5: it must be a whole number from 1"),
        ("[[grid]]\ncell = 'lif'", "cell lif: unknown; did you mean lif_delta"),
        ("[[grid]]\nneuron = 2", "neuron: unknown; did you mean neurons?"),
        ("[[grid]", "mine.toml"),
    ],
)
def test_what_cannot_be_compared_is_said(text: str, advice: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(PlanError) as error:
        grids.read(str(tmp_path / "mine.toml"))
    assert advice in str(error.value)
    assert "mine.toml" in str(error.value)
