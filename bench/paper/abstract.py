"""What the paper's abstract says, with the rows of the table that judge it, or why there is none."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from drtrl_bench.paper import listing, sizes


class Said(NamedTuple):
    """A phrase of the abstract."""

    words: str
    judged_by: tuple[tuple[str, str, str], ...] = ()
    """Experiments, in each the key of a claim, and this in a word."""
    besides: str = ""
    """What no row says."""


TRAININGS = (
    ("dms", "es_drtrl", "ES-D-RTRL, delayed match"),
    ("dms", "drtrl", "D-RTRL, delayed match"),
    ("shd", "es_drtrl", "ES-D-RTRL, SHD"),
    ("shd", "drtrl", "D-RTRL, SHD"),
    ("gesture", "es_drtrl", "ES-D-RTRL, gestures"),
    ("gesture", "drtrl", "D-RTRL, gestures"),
    ("evidence", "es_drtrl", "ES-D-RTRL, evidence"),
    ("evidence", "drtrl", "D-RTRL, evidence"),
    ("copying", "short", "D-RTRL, copying after the shortest lag"),
    ("copying", "long", "D-RTRL, copying after the longest lag"),
    ("copying", "es_short", "ES-D-RTRL, copying after the shortest lag"),
    ("copying", "es_long", "ES-D-RTRL, copying after the longest lag"),
    ("integrator", "drtrl", "D-RTRL, the integrator"),
    ("integrator", "es_drtrl", "ES-D-RTRL, the integrator"),
    ("length", "es_drtrl", "ES-D-RTRL, long sequences"),
    ("length", "drtrl", "D-RTRL, long sequences"),
)
"""All claims on what the paper's two rules learn, with the rule that each is about."""


def of_rule(rule: str) -> tuple[tuple[str, str, str], ...]:
    """Return the claims on what one of the two rules learns."""
    return tuple(each for each in TRAININGS if each[2].startswith(f"{rule},"))


SAID = (
    Said(
        '"model-agnostic"',
        besides="not judged: every rule here runs on every cell of docs/tables.md and is checked there against a "
        "reference, which shows that it can be, and nothing of the paper's own system",
    ),
    Said('"linear-memory"', (("memory_speed", "linear", "ES-D-RTRL"),)),
    Said(
        '"automated online learning system"',
        besides="not judged: it is said of the paper's compiler, of which there is none here",
    ),
    Said('"strong learning performance"', of_rule("ES-D-RTRL")),
    Said("for comparison, what D-RTRL learns, whose trace is not linear in memory", of_rule("D-RTRL")),
    Said(
        '"low memory footprint"',
        (
            ("memory_speed", "memory", "than BPTT"),
            ("memory_speed", "checkpointed", "than BPTT with checkpoints"),
            ("connectome", "memory", "than BPTT, on a connectome"),
            ("connectome", "memory_drtrl", "than D-RTRL, on a connectome"),
        ),
    ),
    Said('"high computational throughput"', (("memory_speed", "speed", "than BPTT"),)),
    Said('other online methods "incur quadratic memory growth"', (("memory_speed", "quadratic", "D-RTRL"),)),
    Said(
        'or "sacrifice biological fidelity"',
        besides="not judged: nothing here measures it",
    ),
    Said("whole-brain model of Drosophila, fitted online", (("connectome", "activity", "activity of its regions"),)),
)


def lines(judged: Iterable[tuple[str, Any, Any]], claims: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Yield the line of each phrase: its rows, whether it stands, at which size, and core-seconds of its experiments.

    judged: experiments with their rows. claims: of each row its number, section, claim and verdict in short.
    """
    rows_of = {name: rows for name, rows, _ in judged}
    listed = list(claims)
    for words, judged_by, besides in SAID:
        told: dict[str, list[str]] = {}
        numbers: list[str] = []
        for name, key, short in judged_by:
            if name not in rows_of:
                continue
            about = listing.module(name).ABOUT
            for number, section, claim, verdict in listed:
                if (section, claim) == (about.section, about.claims[key].text):
                    told.setdefault(verdict, []).append(f"{short} ({number})")
                    numbers.append(number)
        ran = {name: rows_of[name] for name, *_ in judged_by if rows_of.get(name) is not None}
        stands = "; ".join(f"{word}: {', '.join(own)}" for word, own in told.items())
        size = "; ".join(f"{listing.module(name).ABOUT.section}: {sizes.brief(rows)}" for name, rows in ran.items())
        took = f"{sum(rows.attrs['cpu_s'] for rows in ran.values()):.0f}" if ran else ""
        yield words, ", ".join(sorted(numbers, key=int)), stands or besides or "no row", size, took
