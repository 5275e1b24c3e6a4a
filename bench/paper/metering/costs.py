"""Measures what a gradient costs, as published and corrected. The frameworks' parts: `costs_jax.py`, `costs_torch.py`.

corrected: the harness's own meters and clock (`bench/measure`). The gradient is first checked in float64; inputs lie on
the device before the clock starts, for every rule; a call is over once the device is done; memory is the peak of what
the gradient takes beside its arguments.

as published: batches with an update of the weights. BPTT runs as one program over inputs that lie on the device. An
online rule runs as a loop of one program a step, before which the step's inputs are copied to the device. The clock
stops when the last program has been sent off, and memory is what is in use after the batch.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from drtrl_bench.case import Case
from drtrl_bench.cost.footprint import analytic_bytes
from drtrl_bench.cost.sizes import sizes
from drtrl_bench.measure import clock, gradcheck, memory, stats
from drtrl_bench.measure import problem as problems
from drtrl_bench.measure.problem import Problem, shape

Row = dict[str, Any]
RATE, CLIP = 1e-3, 1.0
"""Adam's learning rate, and the largest norm of a gradient, as published."""


class Batch(NamedTuple):
    """One batch as published; seconds from its start."""

    sent_s: float
    """Until the program that updates the weights has been sent off, where the published clock stops."""
    done_s: float
    """Until the device is done."""
    in_use: int
    """Bytes of the arrays on the device after the batch."""


def drawn(case: Case) -> Problem:
    """Draw the weights and the data of a case; nothing here needs its exact gradient."""
    return Problem(*problems.draw(case), gradient=[], spikes=[])


def lack_of_memory(error: Exception, signs: tuple[str, ...]) -> str | None:
    """Return what an error says, if it is that memory ran out; None for any other error.

    signs: the words by which a framework says so.
    """
    text = (str(error).splitlines() or ["out of memory"])[0][:200]
    return text if isinstance(error, MemoryError) or any(sign in str(error) for sign in signs) else None


def corrected(case: Case, seeds: list[int], budget_s: float, backend: Any, refill: Callable[..., Any]) -> list[Row]:
    """Measure a case for each seed, of weights and data: a row each, or one that says that memory ran out.

    backend: the module of a framework's backend. refill: its backend of a case with the weights and data of another
    seed, and the same program. budget_s: seconds of timing for each seed. Memory is measured once: it depends on no
    seed. Raises ValueError if the gradient is wrong.
    """
    try:
        return measured(replace(case, seed=seeds[0]), seeds, budget_s, backend.Backend, refill)
    except (MemoryError, RuntimeError) as error:
        if reason := lack_of_memory(error, backend.OUT_OF_MEMORY):
            return [{"status": "oom", "reason": reason, "steps": case.steps}]
        raise


def measured(case: Case, seeds: list[int], budget_s: float, make: Any, refill: Callable[..., Any]) -> list[Row]:
    """Check, time and weigh a case, as `corrected` says."""
    problem = drawn(case)
    check = gradcheck.gradient_check(case, problem, make)
    if reason := gradcheck.failure(check, {"firing_rate": check["firing_rate"]}):
        raise ValueError(reason)
    backend = make(case, problem, case.dtype)
    first_s, timed = clock.once(backend.call), []
    for seed in seeds:
        if seed != case.seed:
            backend = refill(backend, replace(case, seed=seed), drawn(replace(case, seed=seed)))
            backend.call()
        timed.append(clock.sample(backend.call, budget_s))
    bytes_taken = {
        "working_bytes": backend.measure_memory()["working_bytes"],
        "analytic_bytes": analytic_bytes(sizes(case, *shape(case))),
    }
    common = {"status": "ok", "steps": case.steps, "rate": [1000 * rate for rate in check["firing_rate"]]}
    common |= {"first_s": sum(backend.phases.values()) + first_s, **bytes_taken}
    alone = case.device == "cpu" and case.threads == 1
    return [common | {"seed": seed} | summarized(one, alone) for seed, one in zip(seeds, timed, strict=True)]


def weight_shapes(case: Case) -> list[dict[str, tuple[int, int, int]]]:
    """Return the shapes [J, Gk, N] of the weights of each layer by kind, readout last."""
    lines, classes = shape(case)
    neurons, shapes = [case.neurons] * case.layers + [classes], []
    for cell, I, N in zip(problems.network(case), [lines, *neurons], neurons, strict=False):
        shapes.append({kind: (cell.fan_in(kind, I, N), at.stop - at.start, N) for kind, at in cell.reads.items()})
    return shapes


def summarized(timed: dict[str, Any], alone: bool) -> Row:
    """Return the fields of a row from those of `clock.sample`.

    alone: one thread of a CPU works, so that the processor's time is a call's; on a shared machine it varies less.
    """
    processor = timed["cpu_samples_s"] if alone else None
    taken = stats.summary(processor or timed["samples_s"])
    return {
        "time_s": taken["median_s"],
        "clock": "processor" if processor else "wall",
        "wall_s": timed["median_s"],
        "timings": len(timed["samples_s"]),
        "unstable": taken["unstable"],
        "busy": timed["busy"],
    }


def published(
    case: Case,
    lengths: list[int],
    seed: int,
    batches: int,
    loop: Callable[..., Iterator[Batch]],
    signs: tuple[str, ...],
) -> list[Row]:
    """Run batches of each length, one after the other in this process, up to one that memory does not hold.

    loop: yields batch after batch of a case and its problem. signs: those of `lack_of_memory`.
    """
    rows: list[Row] = []
    for steps in lengths:
        case = replace(case, steps=steps, chunk=steps, seed=seed)
        try:
            run = loop(case, drawn(case))
            timings = [next(run) for _ in range(batches)]
        except (MemoryError, RuntimeError) as error:
            if reason := lack_of_memory(error, signs):
                return [*rows, {"status": "oom", "reason": reason, "steps": steps, "seed": seed}]
            raise
        of_length = {"status": "ok", "steps": steps, "seed": seed, "machine_bytes": machine_bytes()}
        rows.append(of_length | averaged(timings))
    return rows


def averaged(batches: list[Batch]) -> Row:
    """Return what is published of some batches: means over all but the first, which compiles, and the last."""
    middle = batches[1:-1]
    return {
        "time_s": float(np.mean([batch.sent_s for batch in middle])),
        "done_s": float(np.mean([batch.done_s for batch in middle])),
        "first_s": batches[0].done_s,
        "in_use_bytes": batches[-1].in_use,
    }


def timed(run: Callable[[], Any], wait: Callable[[Any], None], in_use: Callable[[], int]) -> Batch:
    """Time a batch by both clocks: to the return of `run`, and to that of `wait`."""
    start = time.time()
    result = run()
    sent = time.time()
    wait(result)
    done = time.time()
    return Batch(sent - start, done - start, in_use())


def machine_bytes() -> int | None:
    """Return the bytes that all processes of the machine use: the published meter, where there is no GPU."""
    if not memory.MEMINFO.exists():
        return None
    text = memory.MEMINFO.read_text()
    total, available = (int(re.search(rf"{name}:\s+(\d+) kB", text)[1]) for name in ("MemTotal", "MemAvailable"))  # type: ignore[index]
    return 1024 * (total - available)
