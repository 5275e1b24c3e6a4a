"""Choose the environment variables that reach the process that measures, and say what a record tells of them.

A variable can change a time by a quarter and be seen nowhere, so none goes through but these:

- what a process needs to live, and frameworks to be found (`NEEDED`), and the project's own, DRTRL_BENCH_*;
- what tunes the processor, the allocator, the compiler or the driver (`TUNING`), if the user has set it: it is
  recorded, and a number that was measured with it is another measurement;
- what the user names in DRTRL_BENCH_PASS, because a plugin may need it: recorded as well.

All else stays out: a case and its plan say themselves how many threads there are, which platform and which precision.
"""

import hashlib
import os
import platform
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

OPENBLAS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""Where a system hides what its processor is, NumPy needs to be told. On x86-64 no framework takes its products from
OpenBLAS, so that no time depends on it there."""
TIMED = () if platform.machine().lower() in ("x86_64", "amd64") else OPENBLAS
PASS = "DRTRL_BENCH_PASS"
"""Names, with commas between them, of other variables that are to reach the process that measures."""
NEEDED = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "LC_*", "LOCALE_ARCHIVE", "TZ", "TMPDIR", "TMP", "TEMP"),
    *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "DRTRL_BENCH_*"),
    *("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONNOUSERSITE", "PYTHONPYCACHEPREFIX"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONUTF8", "PYTHONIOENCODING", "VIRTUAL_ENV", "CONDA_PREFIX", "NIX_LD*"),
    *("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "CUDA_HOME", "CUDA_PATH", "CUDA_CACHE_PATH", "SDKROOT"),
    *("CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "TRITON_PTXAS_PATH"),
    *("TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "TORCH_HOME"),
    *OPENBLAS,
)
"""Patterns of names: the system's folders and language, where packages, libraries, compilers and caches lie, and which
GPU to take."""
TUNING = (
    *("ATEN_CPU_CAPABILITY", "ONEDNN_*", "DNNL_*", "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR", "MKL_DEBUG_CPU_TYPE"),
    *TIMED,
    *("MALLOC_*", "MIMALLOC_*", "TCMALLOC_*", "GLIBC_TUNABLES", "PYTORCH_*"),
    *("LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH", "DYLD_*", "XLA_FLAGS", "CC", "CXX"),
    *("CUDA_LAUNCH_BLOCKING", "CUDA_MODULE_LOADING", "CUDA_DEVICE_MAX_CONNECTIONS", "CUDA_FORCE_PTX_JIT"),
    *("CUDA_DISABLE_PTX_JIT", "CUDA_CACHE_DISABLE", "CUDA_MPS_*", "CUBLAS_*", "CUBLASLT_*", "CUDNN_*"),
)
"""Patterns of names: the processor's instructions, the allocator, which libraries are loaded, compilers, the GPU."""
WITHHELD = (
    *("JAX_*", "XLA_*", "TF_XLA_FLAGS", "TF_ENABLE_ONEDNN_OPTS", "TORCH*", "TRITON_*", "NVIDIA_TF32_OVERRIDE"),
    *("OMP_*", "KMP_*", "GOMP_*", "MKL_*", "OPENBLAS_*", "BLIS_*", "VECLIB_*"),
    *("PYTHONMALLOC", "PYTHONOPTIMIZE", "PYTHONDEVMODE", "PYTHONTRACEMALLOC"),
)
"""Patterns of names that stay out although they could change a number: a user who set one is told."""
IMPORTED = ("KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK")
"""The names of WITHHELD that scikit-learn sets in whatever process imports it: nobody is told of these."""
LIBRARY, LONGEST = re.compile(r"\.(so|dylib)\b"), 200
"""Files whose names are recorded, and the most letters of a value that are recorded."""
EARLIER = ("JAX_*", "XLA_*", "OMP_*", "MKL_*", "TORCH*")
"""Patterns of names that the project's earlier revisions keep out of what they measure, too."""
SET = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "JAX_PLATFORMS", "JAX_ENABLE_COMPILATION_CACHE"),
    *("XLA_PYTHON_CLIENT_PREALLOCATE", "TF_CPP_MIN_LOG_LEVEL", "PYTHONHASHSEED", "PYTHONSAFEPATH"),
)
"""Names that the harness sets itself, so that what the user has set has no part in a measurement."""


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Return whether a name matches one of the patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def user_names(environment: Mapping[str, str]) -> list[str]:
    """Return the names of the variables that the user lets through with DRTRL_BENCH_PASS."""
    names = re.split(r"[\s,]+", environment.get(PASS, ""))
    return [name for name in names if name in environment and name not in (PASS, *SET)]


def for_child(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that reach the process that measures."""
    patterns = (*NEEDED, *TUNING, *user_names(environment))
    passed = {name: value for name, value in environment.items() if matches(name, patterns)}
    folders = [os.path.abspath(folder) for folder in passed.pop("PYTHONPATH", "").split(os.pathsep) if folder]
    if folders:  # an empty one would be the current folder
        passed["PYTHONPATH"] = os.pathsep.join(folders)
    return passed


def for_revisions(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that reach the harness of a revision: those that every revision lets through."""
    return {name: value for name, value in for_child(environment).items() if not matches(name, EARLIER)}


def for_record(passed: Mapping[str, str]) -> dict[str, str]:
    """Return what a record says of the variables of a child that can change a number, by name."""
    kinds = (*TUNING, *user_names(passed))
    names = [name for name in sorted(passed) if passed[name] and matches(name, kinds)]
    return {name: without_folders(name, passed[name]) for name in names}


def without_folders(name: str, value: str) -> str:
    """Return a value without its folders, which can name a user, and with a hash that tells similar values apart.

    For a list of folders, and for a variable of no known kind, return the hash alone.
    """
    sha = hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    if name.endswith("_PATH") or not matches(name, (*TUNING, *WITHHELD)):
        return f"({sha})"
    text = "".join(letter if letter.isprintable() else "?" for letter in value)
    short = re.sub(r"[^\s:;,='\"]*/([^\s:;,='\"/]*)", lambda path: path[1] if LIBRARY.search(path[1]) else "...", text)
    return value if short == value and len(value) <= LONGEST else f"{short[:LONGEST]} ({sha})"


def notes(environment: Mapping[str, str], passed: Mapping[str, str]) -> list[str]:
    """Return the lines to print before a measurement: its variables that can change a number, and those kept out.

    Variables that are told by their hash alone, as folders of libraries, are in the record and not in these lines.
    """
    tuned = ", ".join(f"{name}={value}" for name, value in for_record(passed).items() if not value.startswith("("))
    kinds = (*TUNING, *WITHHELD, *user_names(environment))
    withheld = ", ".join(
        name for name in sorted(environment) if matches(name, kinds) and name not in (*passed, *SET, *IMPORTED)
    )
    lines = [f"set here, let through and recorded: {tuned}"] if tuned else []
    if withheld:
        lines.append(f"set here, kept from what is measured: {withheld} (drtrl-bench env --help says more)")
    return lines
