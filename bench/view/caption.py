"""Captions: what the rows of a table or figure have in common, and on which machine they were measured, in words."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from drtrl_bench.case import FIELDS as FIELDS_OF
from drtrl_bench.case import ROLES, Case, of_role
from drtrl_bench.view import display

Frame = Any
"""A pandas DataFrame or Series. Pandas without stubs gives a type checker unions that say nothing."""

OPTIONS = [
    option
    for role in ROLES
    for always in (True, False)
    for name in of_role(role)
    if (option := FIELDS_OF[Case][name]).metadata["header"] and option.metadata["always"] == always
]
"""The fields of a case that tables and captions say: by role, first those that are always said."""
FIELDS = {
    "data": ("data", "{}"),
    **{option.name: (option.metadata["header"], option.metadata["phrase"]) for option in OPTIONS},
    "setup": ("setup", "setup {}"),
}
"""What fixes the problem: its header in a table and its words in a caption."""

UNSAID = {option.name: option.default for option in OPTIONS if not option.metadata["always"]} | {"setup": "A"}
"""Values that need no mention when every row has them."""

FACTS = ("python", "cpu", "cores", "gpu", "os")
"""What tells one environment from another, besides versions."""


def varying(rows: Frame) -> list[str]:
    """The problem fields in which these rows differ."""
    return [name for name in FIELDS if rows[name].nunique(dropna=False) > 1]


def phrase(name: str, value: Any) -> str:
    """A problem field in words: ("neurons", 64) -> "N = 64"."""
    return FIELDS[name][1].format(plain(value))


def plain(value: Any) -> str:
    """The value of a problem field as a cell or a caption has it."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else display.shown(value)


def shared(rows: Frame) -> str:
    """What all rows have in common, in words."""
    differ, first = varying(rows), rows.iloc[0]
    said = [name for name in FIELDS if name not in differ and UNSAID.get(name) != first[name]]
    return " · ".join(phrase(name, first[name]) for name in said)


def setups(environments: dict[str, dict[str, Any]], hashes: Iterable[str]) -> dict[str, str]:
    """A letter for each env_hash; environments that contradict each other in nothing share one."""
    found: list[dict[str, Any]] = []
    letters = {}
    for env_hash in hashes:
        environment = environments.get(env_hash) or {"cpu": f"unknown machine {env_hash}"}
        facts: dict[str, Any] = {k: environment.get(k) for k in FACTS}
        facts["variables"] = environment.get("variables") or {}
        facts |= {f"version of {k}": v for k, v in (environment.get("versions") or {}).items()}
        agrees = [all(other.get(k, v) == v for k, v in facts.items()) for other in found]
        number = agrees.index(True) if any(agrees) else len(found)
        found[number:number] = [] if any(agrees) else [{}]
        found[number] |= facts
        letters[env_hash] = chr(ord("A") + number) if number < 26 else f"Z{number - 25}"
    return letters


def machines(rows: Frame) -> list[str]:
    """One line per setup of the rows: processor, versions, commit; led by its letter if there are several."""
    environments = rows.attrs.get("environments", {})
    lines = []
    for letter, group in rows.groupby("setup"):
        known = [environments[h] for h in group["env_hash"].unique() if environments.get(h)]
        line = " · ".join([machine(known) if known else "machine not in the records", *commits(group)])
        lines.append(f"{letter}: {line}" if rows["setup"].nunique() > 1 else line)
    return lines


def machine(environments: list[dict[str, Any]]) -> str:
    """Environments that agree, in words."""
    first = environments[0]
    versions = {k: v for e in environments for k, v in (e.get("versions") or {}).items() if v}
    cores = f", {first['cores']} core{'s' * (first['cores'] > 1)}" if first.get("cores") else ""
    parts = (
        f"{first.get('cpu') or 'unknown CPU'}{cores}",
        first.get("gpu"),
        f"Python {first.get('python')}",
        *(f"{name} {versions[name]}" for name in ("jax", "torch", "numpy") if name in versions),
        *(f"{name}={value}" for name, value in (first.get("variables") or {}).items()),
    )
    return " · ".join(display.shown(part) for part in parts if part)


def commits(rows: Frame) -> list[str]:
    """The commits at which rows were measured, in words; empty if no row names one."""
    names = sorted(map(display.shown, set().union(*rows["commits"])))
    return [f"commit {' and '.join(names)}"] if names else []


def wrap(said: str, width: int) -> str:
    """A caption in lines of at most `width` characters, broken between its parts."""
    lines = [""]
    for part in said.split(" · "):
        joined = f"{lines[-1]} · {part}" if lines[-1] else part
        if len(joined) > width and lines[-1]:
            lines.append(part)
        else:
            lines[-1] = joined
    return "\n".join(lines)
