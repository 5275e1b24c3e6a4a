"""Experiment 2.5: memory and time of a batch over the number of steps, by BPTT, ES-D-RTRL and D-RTRL.

Three layers of `lif_delta` read random spikes. As published, BPTT is one program over inputs that lie on the device, an
online rule a Python loop that runs a compiled program in each step; the clock does not wait for the device, and memory
is what is in use after the batch, when BPTT's residuals are gone and its inputs are not. Corrected, the harness
measures the gradient: checked, synchronised, inputs on the device for every rule, peak of the memory beside them, BPTT
with and without checkpoints. One thread of a CPU is timed by the processor's time for it, anything else by the clock.
A rule is measured in two processes, between which all other rules are, and each measures other seeds.

The published neurons have time constants from N(10, 1) steps and 11 classes; here the project's cell has 5 steps and
its random data 10 classes: that changes which neurons spike, and neither what is computed of a step nor what is kept.

Beyond the paper: the bytes that a rule carries from step to step, over the width of the network.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from drtrl_bench import registry
from drtrl_bench.case import Case
from drtrl_bench.paper.experiment import About, Claim, Job, Row, Verdict
from drtrl_bench.view.caption import Frame

ABSTRACT = "[page] abstract, of which this is a reading [guess]"
CLAIMS = {
    "steps": Claim(
        "the memory of D-RTRL and ES-D-RTRL does not grow with the number of steps, and that of BPTT does",
        "[code] task-memory-and-speed-evaluation.py, whose question it is; its values were not found",
    ),
    "linear": Claim('"linear-memory": what ES-D-RTRL carries grows as the number of neurons', ABSTRACT),
    "quadratic": Claim('"quadratic memory growth" of others: what D-RTRL carries grows as its square', ABSTRACT),
    "memory": Claim('"low memory footprint": ES-D-RTRL takes less memory than BPTT', ABSTRACT),
    "checkpointed": Claim('"low memory footprint": ES-D-RTRL takes less than BPTT with checkpoints', ABSTRACT),
    "speed": Claim('"high computational throughput": ES-D-RTRL takes no more time than BPTT', ABSTRACT),
}
ABOUT = About(
    section="2.5",
    title="memory and speed over the number of steps",
    question="What do BPTT, ES-D-RTRL and D-RTRL cost in memory and time, over the number of steps?",
    claims=CLAIMS,
    cpu_seconds=553,
    instead="neurons of one time constant, 10 classes in place of 11, and a gradient without its update",
)
CONSTANT, LINEAR, QUADRATIC = 1.1, 1.1, 1.9
"""Most growth of a memory that does not grow, from a sequence of `CHUNKS` chunks to the longest; most exponent of a
memory that is linear, and least of one that is quadratic."""
CHUNKS = 3
"""Chunks of the shortest sequence whose memory, of every rule, is compared with that of the longest. The last chunk
stands outside the loop over chunks, which runs once if there are two, and is then no loop to a compiler."""
ONLINE = ("es_drtrl", "drtrl")
PUBLISHED = ("bptt_native", "es_drtrl", "drtrl")
"""The rules of the published code; its BPTT is its framework's own differentiation."""


@dataclass(frozen=True)
class Size:
    """Network, lengths, and how they are measured."""

    neurons: int = 512
    features: int = 32768
    batch: int = 128
    lengths: tuple[int, ...] = (50, 100, 200, 300, 400, 600, 800, 1000)
    rules: tuple[str, ...] = ("bptt", "bptt_checkpointed", "bptt_native", "drtrl", "es_drtrl")
    """Of the corrected protocol."""
    chunk: int = 25
    """Steps K of a chunk of D-RTRL, a divisor of every length; no other rule here depends on it."""
    passes: tuple[tuple[int, ...], ...] = ((0, 1, 2), (3, 4))
    """The seeds that are measured in one process, for each round of all cases."""
    budget_s: float = 0.3
    """Seconds of timing for each seed."""
    batches: int = 10
    """Batches as published."""
    widths: tuple[int, ...] = (1, 2, 4)
    """By how much neurons and input lines are multiplied, where the bytes that are carried are counted."""
    device: str = "gpu"
    threads: int = 8


SIZES = {
    "cpu": Size(
        neurons=64,
        features=512,
        batch=8,
        lengths=(100, 300, 1000),
        rules=("bptt", "bptt_checkpointed", "drtrl", "es_drtrl"),
        batches=4,
        device="cpu",
        threads=1,
    ),
    "paper": Size(),
}


def jobs(size: Size) -> list[Job]:
    """List the jobs in the order in which they are measured; the rules of one length stand together."""
    return [*published_jobs(size), *carried_jobs(size), *corrected_jobs(size)]


def corrected_jobs(size: Size) -> Iterator[Job]:
    """Yield every rule at every length; every second pass goes the other way round."""
    for number, seeds in enumerate(size.passes):
        for steps in size.lengths:
            for framework in registry.FRAMEWORKS:
                for rule in size.rules[:: -1 if number % 2 else 1]:
                    K = size.chunk if rule in ONLINE else steps
                    more = {"seeds": seeds, "steps": steps, "chunk": K, "budget_s": size.budget_s}
                    yield described(size, rule, framework) | {"study": "corrected"} | more | way(size, rule, framework)


def published_jobs(size: Size) -> Iterator[Job]:
    """Yield the published rules, each with one network and all lengths in one process."""
    for framework in registry.FRAMEWORKS:
        for rule in PUBLISHED:
            more = {"seeds": size.passes[0][:1], "lengths": size.lengths, "batches": size.batches}
            yield described(size, rule, framework) | {"study": "published"} | more


def carried_jobs(size: Size) -> Iterator[Job]:
    """Yield the online rules at each width."""
    for framework in registry.FRAMEWORKS:
        for rule in ONLINE:
            yield described(size, rule, framework) | {"study": "carried", "widths": size.widths}


def described(size: Size, rule: str, framework: str) -> Job:
    """Describe the network of a job and how it is run."""
    return {
        "algorithm": rule,
        "framework": framework,
        "dataset": "bernoulli",
        "features": size.features,
        "layers": 3,
        "neurons": size.neurons,
        "batch": size.batch,
        "scale_x": 10.0,
        "scale_r": 2.0,
        "decay": 0.9,
        "device": size.device,
        "threads": size.threads,
    }


def way(size: Size, rule: str, framework: str) -> Job:
    """Return the mode and the unrolling with which a GPU runs a rule fastest; nothing for a CPU."""
    if size.device == "cpu":
        return {}
    if rule == "bptt_native":
        return {"mode": "cuda_graph"} if framework == "torch" else {"unroll": 16}
    return {"mode": "triton"} | ({"unroll": 16} if framework == "jax" else {})


def case(job: Job) -> Case:
    """Return the case that a job measures; of a job of several lengths, the shortest."""
    steps = job.get("steps") or min(job.get("lengths", [1]))
    named = {key: value for key, value in job.items() if key in Case.__dataclass_fields__ and key != "steps"}
    return Case(**{"chunk": steps} | named, steps=steps)


def compute(job: Job) -> list[Row]:
    """Measure a job in this process: a row for each seed, length or width."""
    if job["framework"] == "jax":
        from drtrl_bench.paper.metering import costs_jax as costs
    else:
        from drtrl_bench.paper.metering import costs_torch as costs
    if job["study"] == "published":
        return costs.published(case(job), job["lengths"], job["seeds"][0], job["batches"])
    if job["study"] == "corrected":
        return costs.corrected(case(job), job["seeds"], job["budget_s"])
    rows = []
    for width in job["widths"]:
        wider = {"neurons": width * job["neurons"], "features": width * job["features"]}
        carried = costs.carried_bytes(case(job | wider))
        rows.append({"status": "ok", "width": width, "seed": None, "carried_bytes": carried})
    return rows


def figures(rows: Frame) -> dict[str, tuple[Any, Frame]]:
    """Draw memory and time over the steps, both protocols, and what is carried over the width."""
    from drtrl_bench.paper.drawing import memory_speed

    return memory_speed.figures(rows)


def verdicts(rows: Frame) -> list[Verdict]:
    """Judge the claims; each must hold in every framework that was measured."""
    from drtrl_bench.figures import selection
    from drtrl_bench.paper import report
    from drtrl_bench.paper.measures import limits
    from drtrl_bench.paper.metering import costs_compared as compared

    corrected, carried = (dict([*compared.of_study(rows, s).groupby("framework")]) for s in ("corrected", "carried"))
    beside = {name: compared.beside_bptt(own) for name, own in corrected.items()}
    longest = {name: own[own["steps"] == own["steps"].max()] for name, own in beside.items()}
    T = max(own["steps"].max() for own in longest.values())
    chunk = rows.loc[rows["algorithm"].isin(ONLINE), "chunk"].min()
    from_T = min((steps for steps in rows["steps"].dropna() if steps >= CHUNKS * chunk), default=T)
    grown = {f: own[own["steps"] >= from_T] for f, own in corrected.items()}
    growing = {f: {rule: compared.grows(own, rule, CONSTANT) for rule in ("bptt", *ONLINE)} for f, own in grown.items()}
    powers = {rule: [compared.exponent(own, rule) for own in carried.values()] for rule in ONLINE}
    kept = {}
    for rule in ONLINE:
        kept[rule] = compared.told({f: {rule: compared.told_carried(own, rule)} for f, own in carried.items()})
    measured = {
        "steps": compared.told({
            f: {rule: f"{compared.growth(grown[f], rule):.2f}{' (open)' * (more is None)}"
                for rule, more in own.items()}
            for f, own in growing.items()
        }),
        "linear": kept["es_drtrl"],
        "quadratic": kept["drtrl"],
        "memory": compared.told_less(longest, "es_drtrl", "bptt"),
        "checkpointed": compared.told_less(longest, "es_drtrl", "bptt_checkpointed"),
        "speed": compared.told_times(longest, "es_drtrl"),
    }  # fmt: skip
    holds = {
        "steps": limits.every(
            more if rule == "bptt" or more is None else not more
            for own in growing.values()
            for rule, more in own.items()
        ),
        "linear": limits.every(power <= LINEAR for power in powers["es_drtrl"]),
        "quadratic": limits.every(power >= QUADRATIC for power in powers["drtrl"]),
        "memory": compared.less(longest, "es_drtrl", "bptt"),
        "checkpointed": compared.less(longest, "es_drtrl", "bptt_checkpointed"),
        "speed": compared.below(longest, "es_drtrl", "time_s"),
    }
    alike = f"bytes within {compared.ALIKE} times of each other are equal, and leave it open"
    width = "power of the width, of neurons and input lines; counted, so no interval"
    peak, clocks = "peak beside weights and inputs", " and ".join(sorted(rows["clock"].dropna().unique()))
    why = {
        "steps": f"limit: {CONSTANT} times from T = {from_T:g}, at least {CHUNKS} chunks, to T = {T:g}, of the peak "
        "beside arguments; open: more than that over the shorter one that takes least, but not over all, as where "
        "scratch outweighs what grows",
        "linear": f"limit: at most {LINEAR}, the {width}",
        "quadratic": f"limit: at least {QUADRATIC}, the {width}",
        "memory": f"limit: in every framework below BPTT without checkpoints at T = {T:g}; {alike}; {peak}",
        "checkpointed": f"limit: in every framework below BPTT with checkpoints at T = {T:g}; {alike}; {peak}",
        "speed": f"limit: the interval below 1, of the ratio to the quickest BPTT at T = {T:g}; {clocks} time",
    }
    bases = (("memory", "bptt"), ("checkpointed", "bptt_checkpointed"))
    open_as = {key: compared.equal_in(longest, "es_drtrl", base) for key, base in bases}
    if doubted := [selection.FRAMEWORKS[f] for f, own in longest.items() if compared.doubtful(own, "es_drtrl")]:
        open_as["speed"] = f"times are in doubt in {' and '.join(doubted)}"
        why["speed"] += f"; left open, as {open_as['speed']}: unstable, of a busy machine, or of several machines"
    return [
        Verdict(c, report.outcome(rows, holds[k]), measured[k], why[k], open_as=open_as.get(k, "") * (holds[k] is None))
        for k, c in CLAIMS.items()
    ]
