"""Streams: the whole sequence in chunks, its gradient, and memory that stops growing with it."""

import gc
import tracemalloc
from collections import deque
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import prepare
from support.problems import READOUTS, ZOO, implementation, in_framework, needs, network, problem
from test_contract import assert_same
from test_zoo import true_gradient

from drtrl_bench import data, registry
from drtrl_bench.experiments import stream
from drtrl_bench.measure import memory

NET = network("lif_soft", 1, "leaky")


@pytest.fixture(scope="module", autouse=True)
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRTRL_BENCH_CACHE", str(folder))
        patch.delenv("DRTRL_BENCH_DATA", raising=False)
        what = data.events("nmnist").published
        data.module("events.make_stand_in").make(what, lambda *_: None, {"train": 2, "test": 1})
        yield folder


def joined(name: str, *sizes: int, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    parts = list(stream.chunks(name, *sizes, **options))
    return np.concatenate([x for x, _ in parts]), np.concatenate([t for _, t in parts])


@pytest.mark.parametrize("name", ["nmnist", "dms", "bernoulli"])
@pytest.mark.parametrize("chunk", [1, 7, 60, 100])
def test_a_stream_of_a_period_is_the_batch(name: str, chunk: int) -> None:
    inputs, targets = joined(name, 60, 4, 3, chunk, 60)
    expected = data.dataset(name).batch(60, 4, 3)
    np.testing.assert_array_equal(inputs, expected[0])
    np.testing.assert_array_equal(targets, expected[1])


@pytest.mark.parametrize(("name", "options"), [("nmnist", {}), ("nmnist", {"features": 50}), ("copying", {})])
def test_chunks_cut_a_stream_anywhere(name: str, options: dict[str, Any]) -> None:
    sequence = joined(name, 100, 3, 1, 100, 24, **options)
    assert sequence[0].shape[:2] == sequence[1].shape == (100, 3)
    for chunk in (1, 10, 24, 30, 77):
        parts = list(stream.chunks(name, 100, 3, 1, chunk, 24, **options))
        assert {len(x) for x, _ in parts[:-1]} <= {chunk}
        for a, b in zip(joined(name, 100, 3, 1, chunk, 24, **options), sequence, strict=True):
            np.testing.assert_array_equal(a, b)
    assert not np.array_equal(sequence[0][:24], sequence[0][24:48])


@pytest.mark.parametrize(("name", "dtype"), [("nmnist", np.uint8), ("bernoulli", np.uint8), ("dms", np.float32)])
def test_spikes_wait_on_the_host_as_bytes_and_the_rest_as_floats(name: str, dtype: Any) -> None:
    inputs, _ = next(stream.chunks(name, 50, 4, 0, 10, 50))
    assert inputs.dtype == dtype


def test_counts_that_do_not_fit_a_byte_are_no_silent_overflow() -> None:
    with pytest.raises(ValueError, match="take more steps"):
        next(stream.chunks("nmnist", 1, 2, 0, 1, 1, features=2))
    assert next(stream.chunks("nmnist", 1, 2, 0, 1, 1, features=2, binary=True))[0].max() == 1


@pytest.mark.parametrize("sizes", [(0, 1, 0, 1, 1), (5, 1, 0, 0, 1), (5, 1, 0, 1, 0)])
def test_impossible_sizes(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        next(stream.chunks("dms", *sizes))


@pytest.mark.parametrize(("algorithm", "chunk"), [("drtrl", 4), ("drtrl", 40), ("rtrl", 9), ("es_drtrl", 9)])
def test_gradient_is_that_of_the_whole_sequence(framework: str, algorithm: str, chunk: int) -> None:
    p = problem(NET, T=27, B=3, I=5, N=6)
    net, rule = in_framework(NET, framework), registry.ALGORITHMS[algorithm].module(algorithm, framework)
    params, inputs, targets = arrays(framework, p.params, p.inputs, p.targets)
    sequence = import_module(f"drtrl_bench.implementations.engine.network_{framework}").gradient(
        rule, net, params, inputs, targets, chunk
    )
    fold = import_module(f"drtrl_bench.implementations.training.stream_{framework}").streaming(rule, net)
    cut = [(p.inputs[i : i + chunk], p.targets[i : i + chunk]) for i in range(0, 27, chunk)]
    loss, grads = fold(params, iter(cut))
    np.testing.assert_allclose(loss, sequence[0], rtol=1e-12)
    for ours, theirs in zip(grads, sequence[1], strict=True):
        for k in ours:
            np.testing.assert_allclose(ours[k], theirs[k], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("algorithm", ["bptt", "drtrl", "es_drtrl"])
def test_masks_and_signs_in_a_stream(framework: str, algorithm: str) -> None:
    """Of weights that act by their absolute value, and of which half are not there: NumPy's gradient of the whole."""
    net = (ZOO["lif_masked"], READOUTS["trained"])
    p = problem(net, T=27, B=3, I=5, N=6)
    assert (p.params[0]["r"] < 0).any()
    rule = registry.ALGORITHMS[algorithm].module(algorithm, framework)
    fold = import_module(f"drtrl_bench.implementations.training.stream_{framework}").streaming(
        rule, in_framework(net, framework)
    )
    loss, grads = fold(
        arrays(framework, p.params)[0], [(p.inputs[i : i + 9], p.targets[i : i + 9]) for i in (0, 9, 18)]
    )
    gradients: Any = [{k: np.asarray(g) for k, g in w.items()} for w in grads]
    assert_same((float(loss), gradients), true_gradient(algorithm, p, 9))
    there = net[0].mask("r", 6, 6)
    assert there is not None
    assert (gradients[0]["r"][there == 0] == 0).all()


def test_the_last_chunk_alone_is_called_the_last(framework: str) -> None:
    """After it nobody needs the carry, so a rule leaves its work out; JAX compiles once for all chunks before it."""
    rule = import_module(f"drtrl_bench.implementations.algorithms.approximate.drtrl_{framework}")
    told: list[bool] = []
    watched = SimpleNamespace(
        init=rule.init, advance=lambda *arguments, last: told.append(last) or rule.advance(*arguments, last=last)
    )
    fold = import_module(f"drtrl_bench.implementations.training.stream_{framework}").streaming(
        watched, in_framework(NET, framework)
    )
    p = problem(NET, T=9, B=2, I=3, N=4)
    fold(arrays(framework, p.params)[0], [(p.inputs[i : i + 3], p.targets[i : i + 3]) for i in (0, 3, 6)])
    assert told == {"jax": [False, True], "torch": [False, False, True]}[framework]


def test_no_chunk_is_an_error(framework: str) -> None:
    rule = import_module(f"drtrl_bench.implementations.algorithms.approximate.drtrl_{framework}")
    fold = import_module(f"drtrl_bench.implementations.training.stream_{framework}").streaming(
        rule, in_framework(NET, framework)
    )
    with pytest.raises(ValueError, match="at least one chunk"):
        fold(arrays(framework, problem(NET, T=2, B=1, I=2, N=2).params)[0], [])


def arrays(framework: str, *trees: Any) -> list[Any]:
    """NumPy arrays, or lists of dicts of them, as the framework's."""
    if framework == "jax":
        return list(trees)
    torch = import_module("torch")
    return [
        [{k: torch.from_numpy(v.copy()) for k, v in w.items()} for w in tree]
        if isinstance(tree, list)
        else torch.from_numpy(tree)
        for tree in trees
    ]


def test_memory_of_the_loader_stops_at_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """From a cold start, with twice as many recordings as may be kept."""
    recordings = data.module("events.recordings")
    all_recordings, available = data.events("nmnist").recordings("train")
    everything = sum(recordings.size(all_recordings[i]) for i in available)
    budget = everything // 2
    monkeypatch.setattr(recordings, "BUDGET", budget)

    def cold(steps: int) -> tuple[int, int]:
        """Bytes at the most, and bytes that stay."""
        all_recordings.forget()
        gc.collect()
        tracemalloc.start()
        deque(stream.chunks("nmnist", steps, 4, 0, 20, 100), maxlen=0)
        gc.collect()
        stay, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak, stay

    (full, _), (long, stay) = cold(2000), cold(8000)
    # A fifth more, for keys and the arrays' headers.
    assert stay < 1.2 * budget
    assert long < 1.1 * full
    dense = 8000 * 4 * data.dataset("nmnist").FEATURES
    assert long < dense / 10


def test_spikes_drawn_at_random_are_kept_as_bits() -> None:
    """From the drawing on: all steps of a piece take a 32nd of what they would dense, and a chunk little more."""
    steps, size, features, chunk = 800, 4, 4096, 4
    dense = 4 * steps * size * features
    tracemalloc.start()
    deque(stream.chunks("bernoulli", steps, size, 0, chunk, steps, features=features), maxlen=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert dense / 32 < peak < dense / 20


@needs("jax")
@pytest.mark.xdist_group("jax")
def test_a_chunk_is_done_before_the_one_after_the_next_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or chunks would queue up on the device. The next one is drawn already: the last is not known before the end."""
    prepare("jax")
    jax = import_module("jax")
    happened: list[str] = []
    wait = jax.block_until_ready
    monkeypatch.setattr(jax, "block_until_ready", lambda what: happened.append("waited") or wait(what))
    rule, streams = (implementation(name, "jax") for name in ("drtrl", "stream"))
    p = problem(NET, T=8, B=3, I=5, N=6)

    def chunks() -> Iterator[Any]:
        for start in range(0, 8, 2):
            happened.append("drawn")
            yield p.inputs[start : start + 2], p.targets[start : start + 2]

    streams.streaming(rule, in_framework(NET, "jax"))(p.params, chunks())
    assert happened == ["drawn", "drawn", "waited", "drawn", "waited", "drawn", "waited"]


def test_memory_of_the_fold_is_constant(framework: str) -> None:
    """A sequence 16 times as long takes no more, by the framework's own count."""
    net = in_framework(NET, framework)
    rule = import_module(f"drtrl_bench.implementations.algorithms.approximate.drtrl_{framework}")
    fold = import_module(f"drtrl_bench.implementations.training.stream_{framework}").streaming(rule, net)
    p = problem(NET, T=8, B=3, I=5, N=6)
    (params,) = arrays(framework, p.params)

    def peak(repeats: int) -> int:
        chunks = ((p.inputs, p.targets) for _ in range(repeats))
        if framework == "torch":
            return memory.torch_peak_bytes(lambda: fold(params, chunks))
        import jax

        most = 0

        def watched() -> Iterator[Any]:
            nonlocal most
            for chunk in chunks:
                most = max(most, sum(a.nbytes for a in jax.live_arrays()))
                yield chunk

        fold(params, watched())
        return most

    peak(3)
    assert peak(64) <= 1.01 * peak(4)


def test_a_long_stream_is_nothing_special() -> None:
    """A recording of 100,000 steps: its dense inputs would take 1.7 GiB as floats."""
    (first, _), *_ = stream.chunks("nmnist", 64, 2, 0, 64, 100_000)
    assert first.shape == (64, 2, 2312)


@pytest.mark.parametrize(("seed", "seeds"), [(7, [7, 604133646, 596936635]), (8, [8, 90078207, 895360186])])
def test_the_seed_draws_every_piece(seed: int, seeds: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def sparse(period: int, size: int, seed: int) -> data.Dense:
        drawn.append(seed)
        return data.Dense(np.zeros((period, size, 1), np.float32), np.zeros((period, size), np.int32))

    monkeypatch.setattr(stream.data, "dataset", lambda name: SimpleNamespace(sparse=sparse))
    assert len(list(stream.chunks("dms", 6, 1, seed, 2, 2))) == 3
    assert drawn == seeds
