"""Measure time and memory of D-RTRL over a stream of a data set, each stream in a process of its own."""

import multiprocessing
import os
import signal
from typing import Any

from drtrl_bench import data
from drtrl_bench.case import Case
from drtrl_bench.experiments import resident, stream
from drtrl_bench.measure import clock, problem
from drtrl_bench.process import signals, warden

NEURONS, LANES, CHUNK, PERIOD = 64, 4, 100, 1_000
"""Neurons of the network, sequences of the batch, steps of a chunk, and of a recording or trial."""


def measure_here(name: str, steps: int) -> dict[str, Any]:
    """Time D-RTRL over `steps` steps of a stream, and return its row: seconds, peak memory, bytes of dense inputs.

    The peak is None where the system begins none anew.
    """
    import jax

    from drtrl_bench.implementations.algorithms.approximate import drtrl_jax
    from drtrl_bench.implementations.training import stream_jax

    module = data.dataset(name)
    case = Case(dataset=name, cell="lif_delta", neurons=NEURONS, batch=LANES, steps=CHUNK, chunk=CHUNK, scale_x=30)
    net = problem.network(case, "jax")
    params = jax.tree.map(lambda w: jax.numpy.asarray(w, case.dtype), problem.draw(case)[0])
    fold = stream_jax.streaming(drtrl_jax, net)

    def run(steps: int) -> None:
        jax.block_until_ready(fold(params, stream.chunks(name, steps, LANES, 0, CHUNK, PERIOD)))

    run(2 * PERIOD)  # compiles, and reads what is read once
    peak = resident.peak_from_now()
    before = peak()
    seconds = clock.once(lambda: run(steps))
    return {
        "dataset": name,
        "data": module.LABEL,
        "fingerprint": data.fingerprint(name),
        "rule": "drtrl",
        "steps": steps,
        "batch": LANES,
        "lines": module.FEATURES,
        "chunk": CHUNK,
        "seconds": seconds,
        "ms_per_chunk": 1e3 * seconds / (steps / CHUNK),
        "rss_peak_mib": peak(),
        "rss_before_mib": before,
        "dense_inputs_mib": 4 * steps * LANES * module.FEATURES / 2**20,
    }


def measure(name: str, steps: int) -> dict[str, Any]:
    """Return the row of a stream, measured in a new process: memory that this one has freed would hide the stream's.

    Raises OSError if that process ends without a row.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=send, args=(sender, name, steps))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        process.join()
        ending = f"ended with exit code {process.exitcode} before it was measured"
        raise OSError(f"the stream of {steps} steps of {name} {ending}") from None
    finally:
        process.kill()
        process.join()


def send(sender: Any, name: str, steps: int) -> None:
    """Send the row of a stream to the parent process, which alone ends this process, and which it does not outlive."""
    for number in signals.ENDING:
        signal.signal(number, signal.SIG_IGN)
    warden.prctl(warden.PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is None or os.getppid() != parent.pid:  # the parent ended before prctl was called
        return
    sender.send(measure_here(name, steps))
