"""Writes captions: what the rows of a table or figure have in common, and on which machine they were measured."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from drtrl_bench.case import FIELDS as FIELDS_OF
from drtrl_bench.case import ROLES, Case, fields_of_role
from drtrl_bench.view import display

Frame = Any
"""A pandas DataFrame or Series. Pandas without stubs gives a type checker unions that say nothing."""

OPTIONS = [
    option
    for role in ROLES
    for always in (True, False)
    for name in fields_of_role(role)
    if (option := FIELDS_OF[Case][name]).metadata["header"] and option.metadata["always"] == always
]
"""The fields of a case that tables and captions name: by role, first those that are always named."""
FIELDS = {
    "data": ("data", "{}"),
    **{option.name: (option.metadata["header"], option.metadata["phrase"]) for option in OPTIONS},
    "setup": ("setup", "setup {}"),
}
"""Fields that define the problem: header in a table, words in a caption."""

UNSAID = {option.name: option.default for option in OPTIONS if not option.metadata["always"]} | {"setup": "A"}
"""Values that a caption does not name if every row has them."""

FACTS = ("python", "cpu", "cores", "gpu", "os")
"""Fields, besides the versions, by which environments differ."""


def varying(rows: Frame) -> list[str]:
    """Return the problem fields in which these rows differ."""
    return [name for name in FIELDS if rows[name].nunique(dropna=False) > 1]


def phrase(name: str, value: Any) -> str:
    """Write a problem field in words: ("neurons", 64) -> "N = 64"."""
    return FIELDS[name][1].format(plain(value))


def plain(value: Any) -> str:
    """Write the value of a problem field as a cell or a caption shows it."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else display.shown(value)


def shared(rows: Frame) -> str:
    """Write what all rows have in common, in words."""
    differ, first = varying(rows), rows.iloc[0]
    names = [name for name in FIELDS if name not in differ and UNSAID.get(name) != first[name]]
    return " · ".join(phrase(name, first[name]) for name in names)


def setups(environments: dict[str, dict[str, Any]], hashes: Iterable[str]) -> dict[str, str]:
    """Give each env_hash a letter; environments without a contradicting fact share one."""
    known: list[dict[str, Any]] = []
    letters = {}
    for env_hash in hashes:
        environment = environments.get(env_hash) or {"cpu": f"unknown machine {env_hash}"}
        facts: dict[str, Any] = {k: environment.get(k) for k in FACTS}
        facts["variables"] = environment.get("variables") or {}
        facts |= {f"version of {k}": v for k, v in (environment.get("versions") or {}).items()}
        agrees = [all(other.get(k, v) == v for k, v in facts.items()) for other in known]
        number = agrees.index(True) if any(agrees) else len(known)
        known[number:number] = [] if any(agrees) else [{}]
        known[number] |= facts
        letters[env_hash] = chr(ord("A") + number) if number < 26 else f"Z{number - 25}"
    return letters


def machines(rows: Frame) -> list[str]:
    """Write one line per setup of the rows: processor, versions, commit; led by its letter if there are several."""
    environments, lines = rows.attrs.get("environments", {}), []
    several = rows["setup"].nunique() > 1
    for letter, group in rows[["setup", "env_hash", "commits"]].groupby("setup"):
        known = [environments[h] for h in group["env_hash"].unique() if environments.get(h)]
        line = " · ".join([machine(known) if known else "machine not in the records", *commits(group)])
        lines.append(f"{letter}: {line}" if several else line)
    return lines


def machine(environments: list[dict[str, Any]]) -> str:
    """Write environments that agree in words."""
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
    """Write the commits at which rows were measured; empty if no row names one."""
    names = sorted(map(display.shown, set().union(*rows["commits"])))
    return [f"commit {' and '.join(names)}"] if names else []


def wrap(text: str, width: int) -> str:
    """Break a caption between its parts into lines of at most `width` characters."""
    lines = [""]
    for part in text.split(" · "):
        joined = f"{lines[-1]} · {part}" if lines[-1] else part
        if len(joined) > width and lines[-1]:
            lines.append(part)
        else:
            lines[-1] = joined
    return "\n".join(lines)
