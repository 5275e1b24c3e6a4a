"""The scales: peak working memory by each framework's own exact meter, of the process, and by formula."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import registry
from bench.case import Case

STATUS = Path("/proc/self/status")


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
    the profiler's raw events because its tables fold them into the operators.
    """
    import torch

    if device != "cpu":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        call()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        call()
    results: Any = profile.profiler
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
    """Memory a new process may still take: what the kernel says, or the control group's limit if lower."""
    found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    free = int(found[1]) * 1024 if found else 0
    group = Path("/sys/fs/cgroup")
    files = [group / f"memory.{name}" for name in ("max", "current", "stat")]
    if all(file.exists() for file in files) and (limit := files[0].read_text().strip()) != "max":
        cached = re.search(r"^inactive_file (\d+)$", files[2].read_text(), re.MULTILINE)  # given back when needed
        free = min(free, int(limit) - int(files[1].read_text()) + (int(cached[1]) if cached else 0))
    return free


def analytic_bytes(case: Case, features: int, classes: int) -> int:
    """What the algorithm must hold: its carry, and the states, drives and emitted values of one chunk.

    Carry, in numbers per weight of J lines, G drives and N neurons: none for BPTT, B J G N S for D-RTRL and its
    relatives, B J and B G N S for ES-D-RTRL, and B n J G N for RTRL, n being the states of the weight's layer and of
    all above. Checkpointed BPTT keeps the tape of one segment and the states before each.
    """
    net = registry.network(case.cell, case.readout, case.layers)
    sizes = [case.neurons] * case.layers + [classes]
    inputs = [features, *sizes[:-1]]
    states = [cell.S * N for cell, N in zip(net, sizes, strict=True)]
    carried = registry.ALGORITHMS[case.algorithm].carry
    carry = tape = 0
    kept = case.chunk
    if case.algorithm == "bptt_checkpointed":
        kept = math.ceil(case.chunk / (case.segments or round(math.sqrt(case.chunk))))
        carry += case.batch * sum(states) * math.ceil(case.chunk / kept)
    for layer, (cell, I, N) in enumerate(zip(net, inputs, sizes, strict=True)):
        tape += kept * case.batch * N * (cell.S + cell.G + ("r" in cell.reads))
        carry += case.batch * cell.S * N * (1 + cell.G if carried == "filters" else 1)
        for kind, reads in cell.reads.items():
            weights = cell.fan_in(kind, I, N) * (reads.stop - reads.start) * N
            rows = {"influence": sum(states[layer:]), "trace": cell.S}
            carry += case.batch * weights * rows.get(carried, 0)
            carry += case.batch * cell.fan_in(kind, I, N) if carried == "filters" and kind in "xr" else 0
    return (carry + tape) * (8 if case.dtype == "float64" else 4)
