"""JAX and PyTorch give the same gradients: each in a process of its own, exchanging `.npz`."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.problems import ALGORITHMS, FRAMEWORKS, RULES, needs

HERE = Path(__file__).parent
PATH = os.pathsep.join(map(str, (HERE, HERE.parent)))
"""Where a child finds the modules of tests."""
CHUNKS = (1, 3, 11)
SCRIPT = """
import sys
import numpy as np
from conftest import prepare
from support.problems import gradient, network, problem
from test_parity import compared
framework, path = sys.argv[1:]
prepare(framework)
found = {}
for cell, layers, dtype in CASES:
    p = problem(network(cell, layers, "leaky"), T=11)
    for algorithm, K in compared(cell):
        loss, grads = gradient(framework, algorithm, p, K, dtype)
        name = f"{cell}/{layers}/{dtype}/{algorithm}/{K}"
        found[name + "/loss"] = np.array(loss)
        found |= {f"{name}/{i}.{k}": g for i, w in enumerate(grads) for k, g in w.items()}
assert not {"jax", "torch"} <= set(sys.modules)
np.savez(path, **found)
"""
CASES = [("lif_soft", 1, "float64"), ("alif", 1, "float64"), ("gru", 2, "float32"), ("lstm", 2, "float32")]


def compared(cell: str) -> list[tuple[str, int]]:
    """Rules and chunk lengths: four rules, at every length with one cell; the others with two cells.

    Each framework is compared with the NumPy reference in every cell and at every length, too.
    """
    pairs = [(rule, K) for rule in ALGORITHMS for K in (CHUNKS if cell == "lif_soft" else CHUNKS[1:2])]
    others = [(rule, 3) for rule in RULES if rule not in ALGORITHMS]
    return pairs + (others if cell in ("alif", "gru") else [])


@pytest.fixture(scope="module")
def gradients(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, np.ndarray]]:
    folder = tmp_path_factory.mktemp("parity")
    script = SCRIPT.replace("CASES", repr(CASES)).replace("CHUNKS", repr(CHUNKS))
    paths = {framework: folder / f"{framework}.npz" for framework in FRAMEWORKS}
    command = [sys.executable, "-c", script]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (PATH, os.environ.get("PYTHONPATH"))))}
    children = [subprocess.Popen([*command, name, str(path)], env=env) for name, path in paths.items()]
    assert [child.wait() for child in children] == [0, 0]
    found = {}
    for framework, path in paths.items():
        with np.load(path, allow_pickle=False) as arrays:
            found[framework] = dict(arrays)
    return found


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="there are no workers")
@pytest.mark.xdist_group("jax")
def test_a_group_of_tests_stays_on_one_worker(request: pytest.FixtureRequest) -> None:
    """pytest-xdist names the group after the test, and sends all of that name to one worker."""
    assert request.node.nodeid.endswith("@jax")


@needs("jax")
@needs("torch")
@pytest.mark.xdist_group("jax")
@pytest.mark.parametrize(("cell", "layers", "dtype"), CASES)
def test_frameworks_agree(gradients: dict, cell: str, layers: int, dtype: str) -> None:
    limit = 1e-10 if dtype == "float64" else 1e-4
    for algorithm, K in compared(cell):
        prefix = f"{cell}/{layers}/{dtype}/{algorithm}/{K}/"
        names, others = ({name for name in found if name.startswith(prefix)} for found in gradients.values())
        assert names == others
        assert len(names) == 1 + 3 * layers + 1
        for name in names:
            ours, theirs = gradients["jax"][name], gradients["torch"][name]
            assert ours.dtype == theirs.dtype
            assert np.linalg.norm(theirs) > 0
            assert np.linalg.norm(ours - theirs) <= limit * np.linalg.norm(theirs), name
