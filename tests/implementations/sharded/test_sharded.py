"""D-RTRL on several devices: the NumPy reference's gradient, and a device's share of the memory."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

HERE = Path(__file__).parent
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), str(HERE.parents[2])])}


def started(script: str, *words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "ignore", str(HERE / script), *map(str, words)]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors[-2000:]
    return json.loads(out.splitlines()[-1])


@pytest.mark.parametrize(("cell", "layers"), [("lif_soft", 2), ("gru", 1), ("alif", 1)])
def test_four_devices_have_the_gradient_of_one_in_jax(cell: str, layers: int) -> None:
    """T = 7 in chunks of 3: the trace crosses two boundaries, and the last chunk is shorter."""
    pytest.importorskip("jax")
    found = answer(started("device_jax.py", 4, cell, layers, 8, 7, 3, 2, "float64"))
    assert found["error"] < 1e-12
    assert found["loss_error"] < 1e-12
    assert found["norm"] > 1e-4, "no gradient of a kind of weight is 0"
    assert found["devices"] == 4


def test_a_device_of_four_needs_a_quarter_of_the_memory() -> None:
    pytest.importorskip("jax")
    one, of_four = answer(started("device_jax.py", 4, "lif_soft", 1, 512, 32, 8, 4, "float32"))["bytes"]
    trace = 4 * 4 * 512 * (512 + 8)  # of the largest weights, in one device
    assert one > trace
    assert of_four <= 0.3 * one


@pytest.mark.parametrize(("cell", "layers"), [("lif_soft", 2), ("gru", 1), ("alif", 1)])
def test_two_processes_have_the_gradient_of_one_in_torch(cell: str, layers: int, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    processes = [started("process_torch.py", rank, 2, tmp_path / "meeting", cell, layers, 8, 3) for rank in (0, 1)]
    for found in [answer(process) for process in processes]:
        assert found["error"] < 1e-12
        assert found["loss_error"] < 1e-12
        assert found["norm"] > 1e-4
        if cell == "lif_soft":  # in float64, 2 samples: layers of 8 and 12 neurons, each with inputs, its own, a bias
            assert found["bytes"] == 8 * 2 * ((8 + 8 + 1) * 8 + (8 + 12 + 1) * 12) / 2


def test_what_cannot_be_divided_is_refused() -> None:
    pytest.importorskip("jax")
    import numpy as np
    from support.problems import in_framework, network, problem

    from drtrl_bench.implementations.sharded import drtrl_sharded_jax as sharded

    with pytest.raises(ValueError, match=r"99 devices are asked for.*--xla_force_host_platform_device_count=99"):
        sharded.devices_mesh(99)
    spec = network("gru", 1, "leaky")
    posed = problem(spec, T=7, B=2, I=8, N=5)
    mesh: Any = type("Mesh", (), {"devices": np.zeros(2)})()
    params, inputs, targets = cast(Any, posed[1:])
    with pytest.raises(ValueError, match="5 neurons cannot be divided among 2 devices"):
        sharded.sharded_gradient(mesh, in_framework(spec, "jax"), params, inputs, targets, 3)
