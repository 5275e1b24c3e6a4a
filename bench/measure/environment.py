"""Describe the environment of a run: all that a number depends on besides its case. No host name, user or path."""

import os
import platform
import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from drtrl_bench.case import digest
from drtrl_bench.process import repository, variables

PACKAGES = ("jax", "jaxlib", "torch", "numpy", "scikit-learn", "tonic", "drtrl-bench")


def output(*command: str) -> str | None:
    """Run a command and return what it prints; None if it is absent, fails or hangs."""
    if shutil.which(command[0]) is None:
        return None
    folder = Path(__file__).parent
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def version(package: str) -> str | None:
    """Return the installed version of a package; None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def cpu_model() -> str:
    """Return the processor's name, on Linux and elsewhere."""
    info = Path("/proc/cpuinfo")
    match = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    return match[1] if match else platform.processor() or platform.machine()


def git_output(*words: str) -> str | None:
    """Run git in the repository that the package is in, and return what it prints; None if it fails or hangs."""
    try:
        done = repository.ask(Path(__file__).parent, *words, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def checkout() -> dict[str, Any]:
    """Return the commit of the sources, and whether they differ from it; None where git does not know them."""
    if git_output("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return {"commit": None, "dirty": None}
    no_results = ":(top,exclude)results"  # where records go
    status = git_output("status", "--porcelain=v2", "--branch", "--ignore-submodules=dirty", "--", ":/", no_results)
    if status is None:
        return {"commit": git_output("rev-parse", "HEAD"), "dirty": None}
    commit = re.search(r"^# branch\.oid ([0-9a-f]+)$", status, re.MULTILINE)  # none before the first one
    return {"commit": commit and commit[1], "dirty": not all(text.startswith("# ") for text in status.splitlines())}


def describe() -> dict[str, Any]:
    """Describe the machine, the versions and the environment variables that are set, with the hash of all three.

    If none of these variables is set, there is no field "variables". The sources' state is apart, in `checkout`.
    """
    gpu = output("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")
    machine = {
        "python": platform.python_version(),
        "versions": {package: version(package) for package in PACKAGES},
        "os": platform.system() + " " + platform.machine(),
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        "gpu": gpu,
    }
    if tuned := variables.for_record(variables.for_child(os.environ)):
        machine["variables"] = tuned
    return {**machine, "env_hash": digest(machine)}


def child(case: Any) -> dict[str, str]:
    """Return the environment variables of the process that measures a case: set before its framework is imported."""
    return (
        variables.for_child(os.environ)
        | {
            "OMP_NUM_THREADS": str(case.threads),
            "MKL_NUM_THREADS": str(case.threads),
            "JAX_PLATFORMS": "cpu" if case.device == "cpu" else "cuda",
            "JAX_ENABLE_COMPILATION_CACHE": "false",
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "PYTHONHASHSEED": "0",
            "PYTHONSAFEPATH": "1",  # for what the process starts itself, as a compiler
        }
        | ({"CUDA_VISIBLE_DEVICES": ""} if case.device == "cpu" else {})
    )
