"""The cost model that picks K, the floors it stands on, and what a case may not ask for."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drtrl_bench import plan as plans
from drtrl_bench import registry
from drtrl_bench.case import Case
from drtrl_bench.cost import chunk
from drtrl_bench.cost.flops import LowerBound, lower_bound
from drtrl_bench.cost.footprint import Footprint, footprint
from drtrl_bench.cost.sizes import longest_block, sizes

HEADLINE = Case(dataset="bernoulli", features=64, neurons=256, batch=16, steps=512)
SIZES = (64, 10)


def best(case: Case) -> int:
    return chunk.best(sizes(case, *SIZES), case.device, case.framework, case.limit_mib)


def seconds(case: Case) -> float:
    return chunk.seconds(sizes(case, *SIZES), case.device, case.framework)


def read(folder: Path, text: str) -> tuple[Case, ...]:
    path = folder / "plan.toml"
    path.write_text(text)
    return plans.read(str(path)).cases


def test_auto_is_resolved_in_the_plan(tmp_path: Path) -> None:
    (found,) = read(tmp_path, '[[grid]]\ndataset = "bernoulli"\nsteps = 512\nchunk = "auto"\n')
    assert found.auto
    assert found.chunk == best(found)
    assert 1 < found.chunk <= 512


def test_auto_is_chosen_for_the_lines_that_the_plan_gives(tmp_path: Path) -> None:
    """Four thousand lines of traces leave less of the same memory to a chunk than the data set's own 64."""
    text = 'dataset = "bernoulli"\nsteps = 4096\nchunk = "auto"\nneurons = 32\nbatch = 4\nlimit_mib = 4\n'
    picked = {}
    for features in (64, 4096):
        (found,) = read(tmp_path, f"[[grid]]\n{text}features = {features}\n")
        picked[features] = found.chunk
        assert footprint(sizes(found, features, 10)).total <= 4 * 2**20
    assert picked[4096] < picked[64]


def test_bptt_is_never_truncated() -> None:
    assert best(replace(HEADLINE, algorithm="bptt")) == 512


@pytest.mark.parametrize("algorithm", ["drtrl", "rtrl"])
@pytest.mark.parametrize("where", ["jax", "torch"])
def test_memory_limit_is_kept(algorithm: str, where: str) -> None:
    case = replace(HEADLINE, algorithm=algorithm, framework=where, neurons=64, cell="tanh_rnn", steps=1 << 14)
    least = footprint(sizes(replace(case, chunk=1), *SIZES)).total / 2**20
    tight = replace(case, limit_mib=1.2 * least)
    picked = best(tight)
    assert 1 <= picked < best(replace(case, limit_mib=1e6))
    assert footprint(sizes(replace(tight, chunk=picked), *SIZES)).total <= 1.2 * least * 2**20
    with pytest.raises(ValueError, match=r"needs .* MiB at K = 1"):
        best(replace(case, limit_mib=0.5 * least))


def test_forward_floor_is_that_of_its_products() -> None:
    assert lower_bound(sizes(HEADLINE, *SIZES)).forward_flops == 512 * 2 * 16 * ((64 + 256) * 256 + 256 * 10)


def test_floors_in_forward_passes() -> None:
    """1 + N/J + 1 for BPTT; 2 + S for D-RTRL where all but the last step move the trace, 2 where none does."""

    def passes(**changes: object) -> float:
        found: Any = lower_bound(sizes(replace(HEADLINE, **changes), *SIZES))
        return found.flops / found.forward_flops

    assert passes(algorithm="bptt", chunk=512) == pytest.approx(2 + 256 / 320 + 0.03, abs=0.03)
    assert passes(algorithm="bptt_checkpointed", chunk=512, segments=1) == passes(algorithm="bptt", chunk=512)
    twice = passes(algorithm="bptt_checkpointed", chunk=512, segments=2) - passes(algorithm="bptt", chunk=512)
    assert twice == pytest.approx(0.5)
    assert passes(chunk=512) == pytest.approx(2 + 0.03, abs=0.03)
    assert passes(chunk=1) == pytest.approx(3, abs=0.05)
    assert passes(chunk=1, cell="alif_expcu") == pytest.approx(5, abs=0.1)


def test_chunks_move_the_carry_less_often() -> None:
    moved: list[Any] = [lower_bound(sizes(replace(HEADLINE, chunk=K), *SIZES)).moved_bytes for K in (1, 64, 512)]
    assert moved[0] / moved[1] == pytest.approx(511 / 7)
    assert moved[2] == 0
    assert lower_bound(sizes(replace(HEADLINE, chunk=1, trace_dtype="bfloat16"), *SIZES)).moved_bytes == moved[0] / 2


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('mode = "compile"\nframework = "jax"', "always jitted"),
        ('mode = "cuda_graph"\nframework = "torch"', "needs device = 'gpu'"),
        ('mode = "cuda_graph"\nframework = "jax"\ndevice = "gpu"', "always jitted"),
        ('mode = "triton"\nframework = "jax"', "needs device = 'gpu'"),
        ('mode = "triton"\ndevice = "gpu"\ndtype = "float64"', "of float32 cases"),
        ('unroll = 4\nframework = "torch"', "unroll is JAX's"),
        ('trace_dtype = "bfloat16"\nalgorithm = "rtrl"', "carries no trace"),
        ("auto = true", 'chunk = "auto"'),
        ('chunk = "auto"\nlimit_mib = 0.001', "MiB at K = 1"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path: Path, line: str, why: str) -> None:
    with pytest.raises(plans.PlanError, match=why):
        read(tmp_path, f"[[grid]]\n{line}\n")


def test_what_goes_in_no_blocks_is_compiled_in_short_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In blocks, at most 16 steps are unrolled; without, the whole chunk is."""
    line = '[[grid]]\nmode = "compile"\nframework = "torch"\nalgorithm = "es_drtrl"\nchunk = 0\n'
    read(tmp_path, line)
    in_one = replace(registry.ALGORITHMS["es_drtrl"], blockwise=False)
    monkeypatch.setitem(registry.ALGORITHMS, "es_drtrl", in_one)
    with pytest.raises(plans.PlanError, match="at most 64 steps"):
        read(tmp_path, line)


@pytest.mark.parametrize(("algorithm", "neurons", "size"), [("drtrl", 256, 16), ("rtrl", 64, 4)])
def test_auto_does_not_take_the_whole_sequence(algorithm: str, neurons: int, size: int) -> None:
    """It would be cheapest, as no carry is moved, but only of this length."""
    case = replace(HEADLINE, algorithm=algorithm, cell="tanh_rnn", neurons=neurons, batch=size)
    whole = replace(case, chunk=512)
    assert seconds(whole) == min(seconds(replace(case, chunk=K)) for K in (32, 128, 512))
    assert best(case) == best(replace(case, steps=4096)) < 512
    assert best(replace(case, limit_mib=1e6)) == 512


def test_without_a_limit_memory_is_constant_in_time() -> None:
    assert len({best(replace(HEADLINE, steps=T)) for T in (512, 4096, 16384)}) == 1


def test_a_limit_is_in_mib(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step of a chunk takes a MiB, and the longest chunk is the cheapest."""
    monkeypatch.setattr(chunk, "footprint", lambda sizes: Footprint(0, 0, sizes.chunk * 1_048_576))
    monkeypatch.setattr(chunk, "seconds", lambda sizes, device, framework: -sizes.chunk)
    assert best(Case(steps=64, limit_mib=4.0)) == 4


@pytest.mark.parametrize(
    ("arrays", "expected"), [(1000, 0.00016), (8_388_608, 0.00016), (8_388_608 + 3_000_000, 0.00216)]
)
def test_only_what_the_cache_does_not_hold_goes_through_memory(
    arrays: int, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four chunks start in 40 us each; 3 MB of each go through memory twice, at 12 GB/s."""
    monkeypatch.setattr(chunk, "footprint", lambda sizes: Footprint(0, 0, arrays))
    monkeypatch.setattr(chunk, "lower_bound", lambda sizes: LowerBound(0, 0, 0))
    assert seconds(Case(steps=64, chunk=16, framework="jax")) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("line", "how"),
    [
        ('framework = "jax"', ("triton", 16)),
        ('framework = "torch"', ("triton", 1)),
        ('framework = "torch"\nmode = "cuda_graph"', ("cuda_graph", 1)),
        ('framework = "jax"\nmode = "plain"\nunroll = 1', ("plain", 1)),
        ('framework = "jax"\ndtype = "float64"', ("plain", 16)),
    ],
)
def test_a_gpu_runs_a_case_its_fastest_way_unless_the_plan_says_how(
    tmp_path: Path, line: str, how: tuple[str, int]
) -> None:
    (found,) = read(tmp_path, f'[[grid]]\ndevice = "gpu"\n{line}\n')
    assert (found.mode, found.unroll) == how
    (on_cpu,) = read(tmp_path, "[[grid]]\nsteps = 8\n")
    assert (on_cpu.mode, on_cpu.unroll) == ("plain", 1)


def test_a_gpu_takes_longer_chunks() -> None:
    """Its cache of 50 MiB holds a longer chunk's arrays than a CPU's of 8; but its blocks are longer, too."""
    on_gpu = replace(HEADLINE, device="gpu", mode="triton")
    assert [best(case) for case in (HEADLINE, on_gpu)] == [128, 512]
    larger = replace(on_gpu, neurons=512, batch=32)
    assert [best(replace(larger, device=where)) for where in ("cpu", "gpu")] == [256, 128]


@pytest.mark.parametrize(
    ("where", "batch", "steps"),
    [
        ("jax", 1, 64),
        ("jax", 16, 32),
        ("jax", 32, 16),
        ("jax", 256, 16),
        ("torch", 1, 64),
        ("torch", 16, 32),
        ("torch", 64, 32),
    ],
)
def test_blocks_are_shorter_where_the_batch_is_larger(where: str, batch: int, steps: int) -> None:
    """A GEMM over a block has 512 rows, steps times samples, and a block 16 steps at least, in PyTorch 32."""
    assert longest_block(replace(HEADLINE, framework=where, batch=batch)) == steps


@pytest.mark.parametrize(("batch", "steps"), [(1, 32), (2, 32), (4, 32), (8, 16), (16, 8), (64, 8)])
@pytest.mark.parametrize("rule", ["es_drtrl", "ottt"])
def test_blocks_of_filters_are_as_short_as_128_rows_allow(rule: str, batch: int, steps: int) -> None:
    """And no shorter than 8 steps, no longer than 32."""
    assert longest_block(replace(HEADLINE, framework="jax", algorithm=rule, batch=batch)) == steps


@pytest.mark.parametrize(
    ("where", "how", "steps"),
    [
        ("jax", {"algorithm": "es_drtrl"}, 8),
        ("torch", {"algorithm": "es_drtrl"}, 32),
        ("torch", {"mode": "compile"}, 16),
        ("jax", {"device": "gpu"}, 256),
        ("torch", {"device": "gpu", "mode": "triton"}, 256),
        ("torch", {"device": "gpu", "mode": "cuda_graph"}, 64),
    ],
)
def test_blocks_are_as_long_as_the_way_a_case_is_run_asks_for(where: str, how: dict[str, Any], steps: int) -> None:
    assert longest_block(replace(HEADLINE, framework=where, **how)) == steps
