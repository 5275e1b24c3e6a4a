"""Which environment variables reach the process that measures, and what a record says of them.

A variable can change a time by a quarter and be seen nowhere, so none goes through but these:

- what a process needs to live, and frameworks to be found (`NEEDED`), and the project's own, DRTRL_BENCH_*;
- what tunes the processor, the allocator, the compiler or the driver (`TUNING`), if the user has set it: it is
  recorded, and a number that was measured with it is another measurement;
- what the user names in DRTRL_BENCH_PASS, as a plugin may need it: recorded as well.

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
"""Patterns of names that stay out although they could change a number: who set one should hear of it."""
IMPORTED = ("KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK")
"""Of these, what scikit-learn sets in whatever process imports it: nobody has to hear of them."""
LIBRARY, LONGEST = re.compile(r"\.(so|dylib)\b"), 200
"""Files whose names are recorded, and the most letters of a value that are."""
EARLIER = ("JAX_*", "XLA_*", "OMP_*", "MKL_*", "TORCH*")
"""Patterns of names that the project's earlier revisions keep out of what they measure, too."""
SET = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "JAX_PLATFORMS", "JAX_ENABLE_COMPILATION_CACHE"),
    *("XLA_PYTHON_CLIENT_PREALLOCATE", "TF_CPP_MIN_LOG_LEVEL", "PYTHONHASHSEED", "PYTHONSAFEPATH"),
)
"""Names that the harness sets itself, so that what the user has set has no part in a measurement."""


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name is of one of the kinds."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def asked(environment: Mapping[str, str]) -> list[str]:
    """The names that the user wants let through."""
    names = re.split(r"[\s,]+", environment.get(PASS, ""))
    return [name for name in names if name in environment and name not in (PASS, *SET)]


def through(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that reach the process that measures."""
    patterns = (*NEEDED, *TUNING, *asked(environment))
    found = {name: value for name, value in environment.items() if matches(name, patterns)}
    folders = [os.path.abspath(each) for each in found.pop("PYTHONPATH", "").split(os.pathsep) if each]
    if folders:  # an empty one would be the current folder
        found["PYTHONPATH"] = os.pathsep.join(folders)
    return found


def to_revisions(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that reach the harness of any revision: what each of them lets through to its own processes."""
    return {name: value for name, value in through(environment).items() if not matches(name, EARLIER)}


def recorded(let: Mapping[str, str]) -> dict[str, str]:
    """What a record says of those variables, of the ones let through, that can change a number."""
    kinds = (*TUNING, *asked(let))
    return {name: said(name, value) for name, value in sorted(let.items()) if value and matches(name, kinds)}


def said(name: str, value: str) -> str:
    """A value without folders, which can name a user; with a hash that tells it from others that read alike.

    Of a list of folders, and of a variable that is of no known kind, the hash is all.
    """
    sha = hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    if name.endswith("_PATH") or not matches(name, (*TUNING, *WITHHELD)):
        return f"({sha})"
    plain = "".join(letter if letter.isprintable() else "?" for letter in value)
    short = re.sub(r"[^\s:;,='\"]*/([^\s:;,='\"/]*)", lambda path: path[1] if LIBRARY.search(path[1]) else "...", plain)
    return value if short == value and len(value) <= LONGEST else f"{short[:LONGEST]} ({sha})"


def notes(environment: Mapping[str, str], let: Mapping[str, str]) -> list[str]:
    """What to tell before a measurement: of the variables that have a part in it, and of those that are kept out.

    Those of which the hash alone can be said, as folders of libraries, are in the record and not worth a line.
    """
    part = ", ".join(f"{name}={value}" for name, value in recorded(let).items() if not value.startswith("("))
    kinds = (*TUNING, *WITHHELD, *asked(environment))
    out = ", ".join(
        name for name in sorted(environment) if matches(name, kinds) and name not in (*let, *SET, *IMPORTED)
    )
    lines = [f"set here, let through and recorded: {part}"] if part else []
    return [*lines, f"set here, kept from what is measured: {out} (drtrl-bench env --help says more)"] if out else lines
