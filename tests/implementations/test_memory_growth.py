"""Memory against the length of the sequence, from the deterministic meters: BPTT's grows, the others' does not."""

from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest
from conftest import resident
from support.problems import in_framework, network, problem

from drtrl_bench import registry
from drtrl_bench.case import Case
from drtrl_bench.cost.footprint import footprint
from drtrl_bench.cost.sizes import sizes
from drtrl_bench.measure import memory
from drtrl_bench.measure.problem import Problem, draw

NET = network("lif_soft", 1, "leaky")
K = 8


def working_bytes(framework: str, algorithm: str, T: int, N: int = 16) -> int:
    """Working memory of one gradient over T steps; BPTT in one chunk, the others in chunks of K."""
    p = problem(NET, T=T, B=2, I=8, N=N)
    net, chunk = in_framework(NET, framework), T if algorithm.startswith("bptt") else K
    subject = registry.ALGORITHMS[algorithm].module(algorithm, framework)
    gradient = import_module(f"drtrl_bench.implementations.engine.network_{framework}").gradient
    if framework == "jax":
        import jax

        def call(params: Any, inputs: Any, targets: Any) -> Any:
            return gradient(subject, net, params, inputs, targets, chunk)

        return memory.xla_bytes(jax.jit(call).lower(p.params, p.inputs, p.targets).compile())["working_bytes"]
    import torch

    params = [{k: torch.from_numpy(v) for k, v in w.items()} for w in p.params]
    inputs, targets = torch.from_numpy(p.inputs), torch.from_numpy(p.targets)
    gradient(subject, net, params, inputs, targets, chunk)
    return memory.torch_peak_bytes(lambda: gradient(subject, net, params, inputs, targets, chunk))


@pytest.mark.parametrize("algorithm", ["bptt", "bptt_native"])
def test_bptt_grows_linearly(framework: str, algorithm: str) -> None:
    small, middle, large = (working_bytes(framework, algorithm, T) for T in (512, 1024, 2048))
    assert middle > 1.5 * small
    assert (large - middle) / (middle - small) == pytest.approx(2, rel=0.1)
    states = 2 * 16 * 8  # one state of every neuron and sample, in float64
    assert (large - middle) / 1024 >= states


@pytest.mark.parametrize(
    "algorithm",
    [
        "drtrl",
        "rtrl",
        "es_drtrl",
        "snap1",
        "drtrl_window",
        "random_feedback",
        "snap2",
        "eprop",
        "ottt",
        "uoro",
        "no_trace",
    ],
)
def test_online_rules_stay_constant(framework: str, algorithm: str) -> None:
    small, large = (working_bytes(framework, algorithm, T) for T in (64, 512))
    assert large <= 1.01 * small


def test_filters_run_block_by_block_however_long_the_chunk(framework: str) -> None:
    """Nothing of ES-D-RTRL grows with K: there is no chunk to keep, and the formula says so, too."""
    case = Case(framework=framework, dataset="bernoulli", features=64, algorithm="es_drtrl", neurons=64, threads=1)
    whole = [replace(case, steps=K, chunk=K) for K in (64, 512)]
    small, large = (measured(each) for each in whole)
    assert large <= 1.01 * small
    assert small < footprint(sizes(whole[0], 64, 10)).total == footprint(sizes(whole[1], 64, 10)).total


def test_gradients_of_filters_are_summed_once(framework: str) -> None:
    """Shorter chunks of ES-D-RTRL take no second sum of gradients: in the table every K has the bytes of K = T."""
    case = Case(
        framework=framework, dataset="bernoulli", features=64, algorithm="es_drtrl", neurons=256, steps=256, threads=1
    )
    chunks, whole = (measured(replace(case, chunk=K)) for K in (64, 256))
    assert chunks <= 1.01 * whole
    gradient = 4 * ((256 + 64) * 256 + 256 * 10)
    assert 2 * gradient < chunks  # the sum, and a block's
    if framework == "jax":  # the arrays of a block, 16 steps of 8 samples, take two gradients more; PyTorch's have 32
        assert chunks < 4.3 * gradient


@pytest.mark.xdist_group("torch")
@pytest.mark.parametrize(
    "algorithm", ["drtrl", "rtrl", "es_drtrl", "snap1", "snap2", "ottt", "uoro", "no_trace", "bptt_checkpointed"]
)
def test_what_is_carried_keeps_nothing_else(algorithm: str) -> None:
    """A view of a chunk's last step would keep the arrays of all its steps, until the next chunk is done."""
    torch = pytest.importorskip("torch")
    p, net = problem(NET, T=K, B=2, I=8, N=16), in_framework(NET, "torch")
    params = [{k: torch.from_numpy(v) for k, v in w.items()} for w in p.params]
    subject = registry.ALGORITHMS[algorithm].module(algorithm, "torch")
    carry = subject.init(net, params, 2)
    carry, _, _ = subject.advance(net, params, carry, torch.from_numpy(p.inputs), torch.from_numpy(p.targets))
    found = tensors(carry)
    assert len(found) >= 2
    assert [a.untyped_storage().nbytes() for a in found] == [a.nbytes for a in found]


def tensors(carried: Any) -> list[Any]:
    """All tensors of a carry, which is made of tuples, lists and dicts."""
    if hasattr(carried, "untyped_storage"):
        return [carried]
    return [a for each in (carried.values() if isinstance(carried, dict) else carried) for a in tensors(each)]


def measured(case: Case) -> int:
    """Working memory of a case, as a record has it."""
    posed = Problem(*draw(case), gradient=[], spikes=[])
    subject = import_module(f"drtrl_bench.measure.backend_{case.framework}").Backend(case, posed, "float32")
    return subject.measure_memory()["working_bytes"]


def test_one_influence_and_a_chunk(framework: str) -> None:
    """RTRL holds its influence once: tiles that are not updated one after another would be there twice."""
    case = Case(framework=framework, dataset="bernoulli", features=64, algorithm="rtrl", cell="tanh_rnn", threads=1)
    case = replace(case, neurons=64, batch=4, steps=36, chunk=12)
    held = footprint(sizes(case, 64, 10))
    assert held.carry > 0.6 * held.total
    assert measured(case) <= 1.3 * held.total


def test_inputs_of_upper_layers_are_not_kept(framework: str) -> None:
    """Of a layer BPTT keeps states and currents; what the layer above reads is computed anew, a block at a time."""
    case = Case(framework=framework, dataset="bernoulli", features=64, algorithm="bptt", layers=3, threads=1)
    case = replace(case, neurons=64, batch=8, steps=512, chunk=512)
    assert measured(case) <= 1.1 * footprint(sizes(case, 64, 10)).total


@pytest.mark.xdist_group("jax")
def test_the_last_segment_runs_once() -> None:
    """Of 4 segments of 2 steps, XLA loops over 3, there and back; the last is run outside, forward once."""
    jax = pytest.importorskip("jax")
    from drtrl_bench.implementations.engine import network_jax

    p, net = problem(NET, T=8, B=2, I=8, N=16), in_framework(NET, "jax")
    subject = registry.ALGORITHMS["bptt_checkpointed"].module("bptt_checkpointed", "jax")

    class FourSegments:
        init = staticmethod(subject.init)

        @staticmethod
        def advance(*arguments: Any, **options: Any) -> Any:
            return subject.advance(*arguments, **options, segments=4)

    text = jax.make_jaxpr(lambda *a: network_jax.gradient(FourSegments, net, *a, chunk=8))(
        p.params, p.inputs, p.targets
    )
    lengths = [eqn.params["length"] for eqn in text.eqns if eqn.primitive.name == "scan"]
    assert lengths.count(3) == 2, "over segments, there and back"
    assert 4 not in lengths


def test_short_segments_take_the_states_between_and_a_block(framework: str) -> None:
    """128 segments: their first states, and in use no more steps than the root of all, by bytes and by the formula."""
    case = Case(framework=framework, dataset="bernoulli", features=64, algorithm="bptt_checkpointed", cell="gru")
    case = replace(case, neurons=64, batch=16, steps=512, chunk=512, segments=128, threads=1)
    states = 128 * 16 * 64 * 4
    assert states < measured(case) < 1.1 * footprint(sizes(case, 64, 10)).total
    assert footprint(sizes(case, 64, 10)).total < 0.5 * footprint(sizes(replace(case, algorithm="bptt"), 64, 10)).total


def test_checkpointed_bptt_grows_with_the_root(framework: str) -> None:
    small, large = (working_bytes(framework, "bptt_checkpointed", T) for T in (256, 1024))
    assert large < 2.4 * small
    assert large < 0.3 * working_bytes(framework, "bptt", 1024)


def test_filters_are_smaller_than_a_trace(framework: str) -> None:
    filters, trace = (working_bytes(framework, algorithm, 64, N=64) for algorithm in ("es_drtrl", "drtrl"))
    assert filters < 0.8 * trace


@pytest.mark.parametrize("cell", ["lif_delta", "alif_expcu"])
def test_one_trace_and_a_chunk(framework: str, cell: str) -> None:
    """D-RTRL holds its trace once, and what the formula says of a chunk; a second copy of the trace would show."""
    case = Case(framework=framework, dataset="bernoulli", features=64, cell=cell, neurons=256, batch=16, threads=1)
    case = replace(case, steps=36, chunk=12)
    held = footprint(sizes(case, 64, 10))
    assert held.carry > 0.6 * footprint(sizes(case, 64, 10)).total
    posed = Problem(*draw(case), gradient=[], spikes=[])
    subject = import_module(f"drtrl_bench.measure.backend_{framework}").Backend(case, posed, "float32")
    assert subject.measure_memory()["working_bytes"] <= 1.2 * footprint(sizes(case, 64, 10)).total


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("algorithm", ["drtrl", "rtrl", "snap1"])
@pytest.mark.parametrize(("steps", "chunk"), [(192, 96), (96, 96)], ids=["moved", "whole"])
def test_carry_and_blocks_by_formula(framework: str, algorithm: str, layers: int, steps: int, chunk: int) -> None:
    """In chunks of two blocks, the second shorter. At K = T the carry is there, and nothing is kept to move it."""
    case = Case(framework=framework, dataset="bernoulli", features=64, cell="lif_delta", layers=layers, threads=1)
    case = replace(case, algorithm=algorithm, steps=steps, chunk=chunk, neurons=64, batch=8)
    case = replace(case, neurons=32, batch=2) if algorithm == "rtrl" else case
    posed = Problem(*draw(case), gradient=[], spikes=[])
    subject = import_module(f"drtrl_bench.measure.backend_{framework}").Backend(case, posed, "float32")
    share = subject.measure_memory()["working_bytes"] / footprint(sizes(case, 64, 10)).total
    assert share < (1.25 if framework == "torch" else 1.45)  # JAX joins what two blocks keep to move the carry


@pytest.mark.parametrize("cell", ["lif_delta", "gru"])
def test_bptt_keeps_states_and_drives(framework: str, cell: str) -> None:
    """What the formula says, or less: XLA sees that no derivative depends on a LIF neuron's currents, and PyTorch's
    closed forms store no derivative that is constant."""
    case = Case(framework=framework, dataset="bernoulli", features=64, cell=cell, neurons=128, batch=8, threads=1)
    case = replace(case, algorithm="bptt", steps=512, chunk=512)
    posed = Problem(*draw(case), gradient=[], spikes=[])
    subject = import_module(f"drtrl_bench.measure.backend_{framework}").Backend(case, posed, "float32")
    share = subject.measure_memory()["working_bytes"] / footprint(sizes(case, 64, 10)).total
    assert (0.8 if (framework, cell) != ("jax", "lif_delta") else 0.5) < share < 1.2


@pytest.mark.parametrize("segments", [0, 16])
@pytest.mark.parametrize("cell", ["lif_delta", "gru"])
def test_a_framework_keeps_more_than_the_formula_says(framework: str, cell: str, segments: int) -> None:
    """The formula has states and currents of each step, or of each of a segment. How much more is kept is the
    framework's choice: JAX's scan stacks a value of nearly every operation.
    """
    case = Case(framework=framework, dataset="bernoulli", features=64, cell=cell, neurons=128, batch=8, threads=1)
    case = replace(case, algorithm="bptt_native", steps=256, chunk=256, segments=segments)
    posed = Problem(*draw(case), gradient=[], spikes=[])
    subject = import_module(f"drtrl_bench.measure.backend_{framework}").Backend(case, posed, "float32")
    share = subject.measure_memory()["working_bytes"] / footprint(sizes(case, 64, 10)).total
    assert 1 < share < 4.5


@pytest.mark.xdist_group("torch")
def test_weighing_keeps_nothing() -> None:
    """The profiler's events of 15,000 steps take 250 MB; those of one call are gone before the next."""
    torch = pytest.importorskip("torch")

    def steps() -> None:
        x = torch.ones(2, 16)
        for _ in range(15_000):
            x = torch.tanh(x @ torch.eye(16))

    held = []
    for _ in range(4):
        memory.torch_peak_bytes(steps)
        held.append(resident())
    assert held[-1] - held[0] < 150e6
