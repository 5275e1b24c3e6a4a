"""The scales: peak working memory by each framework's own exact meter, of the process, and by formula."""

import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drtrl_bench import registry
from drtrl_bench.case import Case

STATUS = Path("/proc/self/status")
MEMINFO = Path("/proc/meminfo")
CONTROL_GROUP = Path("/sys/fs/cgroup")
SETTING = "DRTRL_BENCH_MEMORY_GIB"
"""The environment variable with which a user says how much memory a case may take."""
FRAMEWORK, INTERPRETER = 2**30, 2**26
"""Bytes that a framework and its compiler take besides the case's own arrays, and that Python and NumPy do."""


def xla_bytes(compiled: Any) -> dict[str, Any]:
    """Exact, static memory of a compiled JAX function. Working memory is everything but the arguments.

    `peak_memory_in_bytes` is not used: on the CPU it leaves out what a scan keeps for its backward pass.
    """
    analysis = compiled.memory_analysis()
    temp, output = analysis.temp_size_in_bytes, analysis.output_size_in_bytes - analysis.alias_size_in_bytes
    return {
        "meter": "xla_temp_bytes + xla_output_bytes",
        "working_bytes": temp + output,
        "xla_temp_bytes": temp,
        "xla_output_bytes": output,
        "xla_argument_bytes": analysis.argument_size_in_bytes,
    }


def torch_peak_bytes(call: Callable[[], Any], device: str = "cpu") -> int:
    """Most bytes PyTorch's allocator held during a call beyond what it held before.

    On the CPU: the running sum of the profiler's allocation events, the same on every run. They are read from
    the profiler's raw events because its tables fold them into the operators. `torch.profiler.profile` would do, too,
    but it refers to itself: its events, hundreds of MiB of a long sequence, stay until Python looks for such cycles.
    """
    import torch

    if device != "cpu":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        call()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with torch.autograd.profiler.profile(profile_memory=True) as profile:
        call()
    results: Any = profile
    raw = results.kineto_results.events()
    events = sorted((event.start_ns(), event.nbytes()) for event in raw if event.name() == "[memory]")
    if not events:
        raise RuntimeError("the profiler reported no allocation; this PyTorch version needs another meter")
    held = peak = 0
    for _, change in events:
        held += change
        peak = max(peak, held)
    return peak


def reset_rss_peak() -> bool:
    """Starts the process's peak anew (Linux); False where the system does not allow it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def rss_peak_bytes() -> int | None:
    """Peak resident memory of this process since `reset_rss_peak`, from VmHWM.

    Not `ru_maxrss`, which a child inherits from its parent across exec.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text()) if STATUS.exists() else None
    return int(found[1]) * 1024 if found else None


def available_bytes() -> int:
    """Memory a new process may still take: what the user says, or the kernel, or the control group's limit if lower.

    Raises OSError if the user's setting is no number.
    """
    if said := os.environ.get(SETTING):
        try:
            if (gib := float(said)) >= 0:
                return int(gib * 2**30)
        except (ValueError, OverflowError):
            pass
        raise OSError(f"{SETTING} is {said[:60]!r}; it must be a number of GiB, as 1.5")
    found = re.search(r"MemAvailable:\s+(\d+) kB", MEMINFO.read_text())
    free = int(found[1]) * 1024 if found else 0
    files = [CONTROL_GROUP / f"memory.{name}" for name in ("max", "current", "stat")]
    if all(file.exists() for file in files) and (limit := files[0].read_text().strip()) != "max":
        cached = re.search(r"^inactive_file (\d+)$", files[2].read_text(), re.MULTILINE)  # given back when needed
        free = min(free, int(limit) - int(files[1].read_text()) + (int(cached[1]) if cached else 0))
    return free


def said(count: int) -> str:
    """A number of bytes in the unit that suits it, to three digits: "24.1 MiB"."""
    units = {2**60: "EiB", 2**50: "PiB", 2**40: "TiB", 2**30: "GiB", 2**20: "MiB"}
    unit, name = next(((u, n) for u, n in units.items() if count >= u), (2**10, "KiB"))
    value = count / unit
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {name}"


def block(case: Case) -> int:
    """Steps of a chunk that are at work at a time: a block of its `Execution`, a segment, or all.

    Compiled, blocks are unrolled, which takes torch.compile a second or two for each step.
    """
    if segmented(case):
        return segment(case, case.chunk)
    if not blockwise(case):
        return case.chunk
    if case.mode == "compile":
        return min(case.chunk, 16)
    return min(case.chunk, 256 if case.device == "gpu" and (case.framework == "jax" or case.mode == "triton") else 64)


def blockwise(case: Case) -> bool:
    """Whether the algorithm goes through a chunk in blocks that are no segments."""
    return registry.ALGORITHMS[case.algorithm].blockwise and not segmented(case)


def segmented(case: Case) -> bool:
    """Whether the algorithm runs the segments of a chunk twice."""
    return "segments" in registry.ALGORITHMS[case.algorithm].options


def segment(case: Case, steps: int) -> int:
    """Steps between two states that checkpointed BPTT keeps in a chunk of `steps`."""
    return math.ceil(steps / (case.segments or round(math.sqrt(steps))))


def twice(case: Case, steps: int) -> int:
    """Steps that checkpointed BPTT runs twice in a chunk of `steps`: all but the last segment's."""
    length = segment(case, steps)
    return (steps - 1) // length * length


@dataclass(frozen=True)
class Held:
    """Bytes that an algorithm must hold."""

    carry: int
    gradient: int
    chunk: int
    """The arrays of a chunk: of the steps that are kept, and of those at work at a time."""

    @property
    def total(self) -> int:
        return self.carry + self.gradient + self.chunk


def held(case: Case, features: int, classes: int) -> Held:
    """What the algorithm must hold, by formula, beyond its arguments.

    Carry, in numbers per weight of J lines, G drives and N neurons: none for BPTT, B J G N S for D-RTRL and its
    relatives, B J and B G N S for ES-D-RTRL, and B n J G N for RTRL, n being the states of the weight's layer and of
    all above; checkpointed BPTT keeps the states before each segment. Gradient: of this chunk and of all so far. A step
    kept: of every layer the states and the drives (which XLA leaves out where no derivative depends on them); and, of a
    chunk of several blocks after which a carry moves, p of the carry's rows and the presynaptic values but the inputs.
    A step at work: of every layer the emitted values, the outputs, p of the carry's rows and, of a block, the states
    before; of one layer D, F, R, and l and q of the loss's row and, for RTRL, l of those from above. At K = T no carry
    moves, and no row but the loss's is pulled back.
    """
    net = registry.network(case.cell, case.readout, case.layers)
    sizes = [case.neurons] * case.layers + [classes]
    inputs = [features, *sizes[:-1]]
    states = [cell.S * N for cell, N in zip(net, sizes, strict=True)]
    algorithm = registry.ALGORITHMS[case.algorithm]
    carried = algorithm.carry
    size = 8 if case.dtype == "float64" else 4
    stored = 2 if case.trace_dtype == "bfloat16" else size
    moving = case.chunk < case.steps or not blockwise(case)
    carry, weights, kept, moves, derived, work = 0, 0, 0, 0, 0, [0]
    for layer, (cell, I, N) in enumerate(zip(net, inputs, sizes, strict=True)):
        above, recurrent = sum(states[layer + 1 :]), "r" in cell.reads
        rows = {"influence": above + states[layer], "trace": cell.S}.get(carried, 0)
        signals = 1 + (above if carried == "influence" and moving else 0)
        carry += size * case.batch * cell.S * N * (1 + cell.G if carried == "filters" else 1)
        for kind, reads in cell.reads.items():
            J = cell.fan_in(kind, I, N)
            weights += J * (reads.stop - reads.start) * N
            carry += case.batch * J * (reads.stop - reads.start) * N * rows * stored
            carry += size * case.batch * J if carried == "filters" and kind in "xr" else 0
        kept += N * (cell.S + cell.G)
        if carried != "states":
            moves += rows * cell.G * N + N * recurrent + I * (layer > 0)
        derived += N * recurrent + N * (layer < len(net) - 1)
        if blockwise(case):
            derived += N * cell.S
        if moving:
            derived += rows * cell.G * N
        blocks = cell.S + cell.G + cell.S * cell.S + cell.S * cell.G
        coupled = cell.S if recurrent and not algorithm.pulls("none") else 0
        filtered = sum(cell.fan_in(kind, I, N) for kind in cell.reads if kind in "xr") + cell.S * cell.G * N
        work.append(N * (blocks + coupled + signals * cell.S + cell.G) + (filtered if carried == "filters" else 0))
    steps = case.chunk
    if segmented(case):
        steps = segment(case, case.chunk)
        carry += size * case.batch * sum(states) * math.ceil(case.chunk / steps)
    if carried == "filters":  # forward in time, a block after the other
        steps = block(case)
    if moving and block(case) < steps:
        kept += moves
    chunk = size * case.batch * (steps * kept + block(case) * (derived + max(work)))
    return Held(carry, 2 * size * weights, chunk)


def analytic_bytes(case: Case, features: int, classes: int) -> Any:
    """`held` in all, a whole number; None for an algorithm that carries what no formula knows."""
    if registry.ALGORITHMS[case.algorithm].carry == "other":
        return None
    return held(case, features, classes).total


def reference_bytes(case: Case, features: int, classes: int) -> int:
    """What the float64 reference must hold of a case: by formula, like `held`, and a little less than it takes.

    The weights in float32 and float64, and their gradient. Over all steps the inputs in both, and of every layer the
    states, the drives, the recurrent lines, the lines of ones and the outputs; q of one layer twice, on the way back
    (implementations/reference/algorithms.py).
    """
    net = registry.network(case.cell, case.readout, case.layers)
    sizes = [case.neurons] * case.layers + [classes]
    inputs = [features, *sizes[:-1]]
    weights = sum(
        cell.fan_in(kind, I, N) * (reads.stop - reads.start) * N
        for cell, I, N in zip(net, inputs, sizes, strict=True)
        for kind, reads in cell.reads.items()
    )
    held = sum((cell.S + cell.G + 1 + ("r" in cell.reads)) * N for cell, N in zip(net, sizes, strict=True))
    ones = sum(kind not in ("x", "r") for cell in net for kind in cell.reads)
    back = max(2 * cell.G * N for cell, N in zip(net, sizes, strict=True))
    return 20 * weights + case.steps * case.batch * (4 * features + 8 * (features + held + ones + back))


def refusal(case: Case, features: int, classes: int) -> str | None:
    """Why a case is not started: the memory that it needs at least and what takes it, or None.

    The reference is computed on the CPU, in a process of its own, whatever the device of the case.
    """
    reference, free = reference_bytes(case, features, classes), available_bytes()
    own = analytic_bytes(case, features, classes) if case.device == "cpu" else None
    if own is not None and own + FRAMEWORK >= reference + INTERPRETER:
        arrays, base = own, FRAMEWORK
        parts = f"{said(arrays)} of arrays and {said(base)} for the framework and its compiler"
        advice = "choose fewer neurons, a smaller batch or another algorithm"
    else:
        arrays, base = reference, INTERPRETER
        parts = f"{said(arrays)} of arrays and {said(base)} for Python, of the float64 reference over all steps"
        advice = "choose fewer steps, a smaller batch or fewer neurons"
    if arrays + base <= free:
        return None
    if arrays <= FRAMEWORK:
        advice = f"end other programs, or try all the same: {SETTING}=2"
    return f"refused: needs at least {said(arrays + base)}, {said(free)} available ({parts}); {advice}"
