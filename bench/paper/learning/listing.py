"""Lists the trainings of a task: the same seeds, rates and updates for every rule, and twins in PyTorch."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from drtrl_bench import registry

RULES = ("bptt", "drtrl", "es_drtrl", "no_trace", "random_feedback")
"""What a task is trained by: BPTT, the two rules of the paper, and two controls."""
MARGIN = 0.05
"""As good: the interval of the difference of test accuracies lies above minus this."""
UNCUT = 1e9
"""The norm to which a gradient is cut, if it is not."""
Job = dict[str, Any]


def chunk(rule: str, steps: int, K: int) -> int:
    """Return the steps of a chunk: K, or all of them for a rule whose gradient a shorter chunk truncates."""
    return steps if registry.ALGORITHMS[rule].truncated else K


@dataclass(frozen=True, kw_only=True)
class TaskSize:
    """How large the network of a task is, and how long it is trained: the same for every rule."""

    neurons: int
    batch: int
    updates: int
    every: int
    """Updates between two validations."""
    rates: tuple[float, ...]
    """The learning rates that a rule may take."""
    held_out: int
    """Trials of validation and of the test; all recordings, where a data set has no more."""
    twin: int
    """Updates of the first seed that are also computed in PyTorch."""
    seeds: int = 5
    tunings: int = 2
    """Other seeds, on which rates are chosen: on one alone, luck would choose. Half of a training on the first leaves
    the best two."""

    def budget(self, clip: float, enough: float | None = None) -> Job:
        """Describe how the first seed is trained in JAX, whatever the rule.

        clip: the norm to which a gradient is cut. enough: the validation accuracy that ends a training.
        """
        return {
            "batch": self.batch,
            "clip": clip,
            "rates": list(self.rates),
            "updates": self.updates,
            "every": self.every,
            "enough": enough,
            "held_out": self.held_out,
            "tunings": self.tunings,
            "seed": 0,
            "framework": "jax",
            "until": None,
        }

    def of_seeds(self, jobs: Iterable[Job]) -> list[Job]:
        """List trainings of the first seed for every seed."""
        return [job | {"seed": seed} for job in jobs for seed in range(self.seeds)]

    def twins(self, jobs: Iterable[Job]) -> list[Job]:
        """List the first updates of trainings in PyTorch."""
        return [job | {"framework": "torch", "until": self.twin} for job in jobs]
