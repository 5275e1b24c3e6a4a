"""Draws the figures of experiments, those of several experiments at a time: as many as there are cores."""

import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from drtrl_bench import figures
from drtrl_bench.paper import listing
from drtrl_bench.view.caption import Frame

Todo = tuple[str, Frame, Path]
"""An experiment, its rows, and the folder of its figures."""


def of_experiment(todo: Todo) -> list[Path]:
    """Draw the figures of one experiment: each as .png, .pdf and .csv. Returns the paths of the PNGs."""
    name, rows, folder = todo
    if rows.empty:
        return []  # every job ran out of memory
    drawn = listing.module(name).figures(rows)
    return [figures.save(figure, points, folder, title)[0] for title, (figure, points) in drawn.items()]


def of_all(todo: Sequence[Todo], processes: int | None = None) -> Iterator[Path]:
    """Draw the figures of experiments, and yield the path of each PNG, in the order of the experiments.

    processes: by default one per core; the figures are the same, byte for byte, whatever their number.
    """
    processes = min(processes or len(os.sched_getaffinity(0)), len(todo))
    if processes < 2:
        for one in todo:
            yield from of_experiment(one)
        return
    # A figure is drawn in seconds, so that a signal that only this process gets waits for those that are begun.
    default = (signal.SIGINT, signal.SIG_DFL)
    pool = ProcessPoolExecutor(processes, get_context("spawn"), initializer=signal.signal, initargs=default)
    try:
        for paths in pool.map(of_experiment, todo):
            yield from paths
    finally:
        pool.shutdown(cancel_futures=True)
