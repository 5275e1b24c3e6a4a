"""Measure memory: the peak of a gradient by each framework's exact meter, of the process, and what is available."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")
MEMINFO = Path("/proc/meminfo")
CONTROL_GROUP = Path("/sys/fs/cgroup")
SETTING = "DRTRL_BENCH_MEMORY_GIB"
"""The environment variable by which a user sets how much memory a case may take."""


def xla_bytes(compiled: Any) -> dict[str, Any]:
    """Return the exact, static memory of a compiled JAX function; working memory is all but the arguments.

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
    """Return the peak of the bytes that PyTorch's allocator holds during a call, beyond those it held before.

    On the CPU this is the largest running sum of the profiler's allocation events, the same on every run. They are
    read from the profiler's raw events, because its tables fold them into the operators. `torch.profiler.profile` is
    not used, because it refers to itself: its events, hundreds of MiB for a long sequence, would stay in memory until
    Python's collector looks for such cycles. Raises RuntimeError if the profiler reports no allocation.
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
    allocated = peak = 0
    for _, change in events:
        allocated += change
        peak = max(peak, allocated)
    return peak


def reset_rss_peak() -> bool:
    """Reset the process's peak of resident memory (Linux); False where the system does not allow it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def rss_peak_bytes() -> int | None:
    """Return the peak resident memory of this process since `reset_rss_peak`, from VmHWM.

    Not `ru_maxrss`, which a child inherits from its parent across exec.
    """
    match = re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text()) if STATUS.exists() else None
    return int(match[1]) * 1024 if match else None


def available_bytes() -> int:
    """Return the bytes that a new process may still take.

    They are what the user set, else the kernel's estimate, or what is left of the control group's limit if that is
    lower. Raises OSError if the user's setting is no number of GiB.
    """
    if setting := os.environ.get(SETTING):
        try:
            if (gib := float(setting)) >= 0:
                return int(gib * 2**30)
        except (ValueError, OverflowError):
            pass
        raise OSError(f"{SETTING} is {setting[:60]!r}; it must be a number of GiB, as 1.5")
    match = re.search(r"MemAvailable:\s+(\d+) kB", MEMINFO.read_text())
    free = int(match[1]) * 1024 if match else 0
    files = [CONTROL_GROUP / f"memory.{name}" for name in ("max", "current", "stat")]
    if all(file.exists() for file in files) and (limit := files[0].read_text().strip()) != "max":
        cached = re.search(r"^inactive_file (\d+)$", files[2].read_text(), re.MULTILINE)  # given back when needed
        free = min(free, int(limit) - int(files[1].read_text()) + (int(cached[1]) if cached else 0))
    return free


def in_words(count: int) -> str:
    """Write a number of bytes in the unit that suits it, to three digits: "24.1 MiB"."""
    units = {2**60: "EiB", 2**50: "PiB", 2**40: "TiB", 2**30: "GiB", 2**20: "MiB"}
    unit, name = next(((u, n) for u, n in units.items() if count >= u), (2**10, "KiB"))
    value = count / unit
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {name}"
