"""How a carry is cut into tiles in JAX: what XLA updates one after another, and so does not hold twice."""

import pytest
from support.problems import needs

pytestmark = [needs("jax"), pytest.mark.xdist_group("jax")]


@pytest.mark.parametrize(
    ("on_cpu", "size", "MiB", "tiles"),
    [
        (True, 32, 1 / 4, [2] * 16),
        (True, 5, 1 / 4, [1] * 5),
        (True, 5, 1 / 8, [3, 2]),
        (False, 32, 1, [32]),
        (False, 32, 4, [16, 16]),
        (False, 5, 32, [3, 2]),
        (False, 32, 64, [2] * 16),
    ],
)
def test_tiles_are_few_and_not_small(
    on_cpu: bool, size: int, MiB: float, tiles: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """16 at most, of a quarter of a MiB at least and, on a GPU, of 64 MiB: each is a launch there."""
    from drtrl_bench.implementations.engine import xla_jax

    monkeypatch.setattr(xla_jax, "on_cpu", lambda: on_cpu)
    assert xla_jax.tiles(size, int(MiB * 2**20)) == tiles
