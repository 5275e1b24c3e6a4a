"""The meters of memory: peak working memory by each framework's own exact meter, of the process, and of the machine."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")
MEMINFO = Path("/proc/meminfo")
CONTROL_GROUP = Path("/sys/fs/cgroup")
SETTING = "DRTRL_BENCH_MEMORY_GIB"
"""The environment variable with which a user says how much memory a case may take."""


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
