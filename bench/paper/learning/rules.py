"""Binds the options of a rule, so that all rules are called in the same way."""

from collections.abc import Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any


def bound(rules: Mapping[str, Any], name: str, options: Mapping[str, Any]) -> SimpleNamespace:
    """Return a rule with its options, of which only ES-D-RTRL takes any; rules: modules of a framework by name."""
    own = options if name == "es_drtrl" else {}
    return SimpleNamespace(init=rules[name].init, advance=partial(rules[name].advance, **own))
