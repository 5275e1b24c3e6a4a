"""Name the folders of data: genuine files, stand-ins, and what was converted from either.

Genuine files lie under $DRTRL_BENCH_DATA, else under ~/.cache/drtrl-bench/data; stand-ins lie under the cache.
"""

import os
from pathlib import Path

from drtrl_bench.files.cache_folder import configured, folder, path_in


def cache_folder() -> Path:
    """Return the folder of converted data: $DRTRL_BENCH_CACHE, else ~/.cache/drtrl-bench, else a temporary folder.

    Raises NotADirectoryError for another user's home that nobody has.
    """
    return folder()


def user_folder() -> Path:
    """Return the folder of a user's own data and stand-ins, even if it cannot be written or is another user's."""
    return configured() or cache_folder()


def data_folder() -> Path:
    """Return the folder of genuine files. Raises NotADirectoryError if $DRTRL_BENCH_DATA is none."""
    folder = path_in("DRTRL_BENCH_DATA")
    if folder and not folder.is_dir():
        raise NotADirectoryError(f"$DRTRL_BENCH_DATA {os.environ['DRTRL_BENCH_DATA']}: no such folder")
    return folder or user_folder() / "data"


def stand_in_folder() -> Path:
    """Return the folder of stand-ins."""
    return user_folder() / "stand_ins"


def decoded_folder(path: Path) -> Path:
    """Return the folder for recordings decoded from a file or folder: the same path, below the cache."""
    path = path.resolve()
    return cache_folder() / "decoded" / path.relative_to(path.anchor)
