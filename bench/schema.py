"""Checks of parsed JSON against a schema: what is wrong with a value, fast enough for a hundred thousand lines.

Reads the part of JSON Schema (draft 2020-12) that `record_schema.json` is written in, and refuses any other keyword, so
that no rule is passed over. As there, a limit holds for values of its own kind only, and true is no number.
"""

import json
import math
import re
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

Check = Callable[[Any], str | None]
"""Returns what is wrong with a value, as " is 0; it must be ..." after the value's place, or None."""

KINDS: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
}
WORDS = {
    "null": "null",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "array": "a list",
    "object": "a table",
}
KEYWORDS = {
    *("$ref", "type", "const", "enum", "minimum", "maximum", "exclusiveMinimum", "minLength", "maxLength", "pattern"),
    *("items", "maxItems", "properties", "required", "additionalProperties", "propertyNames", "maxProperties"),
}
NOTES = {"description", "default"}
"""Keywords that decide nothing."""


MANY, SHORT = 4096, 64
"""Texts of so many characters that were found right are remembered, up to this number: the same few stand in every
line. So are the names of tables with so many fields."""


class Rule(NamedTuple):
    """A check, with what makes most values right at a glance."""

    numbers: frozenset[type]
    low: float
    high: float
    """Numbers of these types and this range are right ..."""
    texts: set[str]
    """... and so are these texts."""
    check: Check
    """Of all others."""


ANY = Rule(frozenset(), math.inf, -math.inf, set(), lambda value: None)


@cache
def of(file: Path, name: str) -> Check:
    """The check of a definition in a schema's file."""
    whole = json.loads(file.read_text(encoding="utf-8"))
    return compiled({"$ref": f"#/$defs/{name}"}, whole["$defs"], {}).check


def compiled(rules: Any, definitions: dict[str, Any], known: dict[str, Rule]) -> Rule:
    """What a schema makes of values; `known` has what the definitions that were needed so far do."""
    if rules is True:
        return ANY
    if odd := set(rules) - KEYWORDS - NOTES:
        raise ValueError(f"the keyword {min(odd)!r} of JSON Schema is not known here")
    if "$ref" in rules:
        name = rules["$ref"].removeprefix("#/$defs/")
        if name not in known:
            known[name] = compiled(definitions[name], definitions, known)
        return known[name]
    if "const" in rules or "enum" in rules:
        return Rule(frozenset(), math.inf, -math.inf, set(), choice(rules.get("enum") or [rules["const"]]))
    named = [rules["type"]] if isinstance(rules["type"], str) else rules["type"]
    kinds = {kind for name in named for kind in KINDS[name]}
    texts: set[str] = set()
    checks: dict[type, Check] = {kind: lambda value: None for kind in kinds}
    checks |= dict.fromkeys({int, float} & kinds, numeric(rules))
    checks |= {str: textual(rules, texts)} if str in kinds else {}
    checks |= {list: listed(rules, definitions, known)} if list in kinds else {}
    checks |= {dict: tabular(rules, definitions, known)} if dict in kinds else {}
    wanted = " or ".join(WORDS[name] for name in named)

    def check(value: Any) -> str | None:
        own = checks.get(type(value))
        return own(value) if own else f" is {shown(value)}; it must be {wanted}"

    low, high, _ = limits(rules)
    return Rule(frozenset({int, float} & kinds), low, high, texts, check)


def shown(value: Any) -> str:
    """A value in one short line: no control character, no line of a page's length."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a table"
    text = json.dumps(value) if isinstance(value, bool | None) else ascii(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def choice(values: list[Any]) -> Check:
    """The check that a value is one of a few texts or whole numbers."""
    wanted = ", ".join(str(value) for value in values)
    known = {(type(value), value) for value in values}

    def check(value: Any) -> str | None:
        if isinstance(value, str | int) and (type(value), value) in known:
            return None
        return f" is {shown(value)}; it must be {'one of ' if len(values) > 1 else ''}{wanted}"

    return check


def limits(rules: dict[str, Any]) -> tuple[float, float, str]:
    """The least and the largest number that rules let through, and how to say so."""
    low, high = rules.get("minimum", -math.inf), rules.get("maximum", math.inf)
    said = f"{low:.16g} to {high:.16g}"
    if "exclusiveMinimum" in rules:
        low = math.nextafter(rules["exclusiveMinimum"], math.inf)
        said = f"above {rules['exclusiveMinimum']}, and at most {high:.16g}"
    return low, high, said


def numeric(rules: dict[str, Any]) -> Check:
    """The check of a number's range."""
    low, high, said = limits(rules)

    def check(value: Any) -> str | None:
        return None if low <= value <= high else f" is {shown(value)}; it must be {said}"

    return check


def textual(rules: dict[str, Any], known: set[str]) -> Check:
    """The check of a text's length and characters; `known` is filled with texts that are right."""
    least, most, pattern = rules.get("minLength", 0), rules.get("maxLength", math.inf), rules.get("pattern", "^.*$")
    if not (pattern.startswith("^") and pattern.endswith("$")):
        raise ValueError(f"the pattern {pattern!r} must be of the whole text, from ^ to $")
    whole = re.compile(pattern[1:-1]).fullmatch  # Python's own $ lets a line end follow

    def check(value: str) -> str | None:
        if not least <= len(value) <= most:
            return f" has {len(value)} characters; it must have {least} to {most}"
        if not whole(value):
            return f" is {shown(value)}, in which a character may not stand there"
        if len(known) < MANY and len(value) <= SHORT:
            known.add(value)
        return None

    return check


def listed(rules: dict[str, Any], definitions: dict[str, Any], known: dict[str, Rule]) -> Check:
    """The check of a list's length and items; those of numbers alone are looked at as a whole."""
    most, (numbers, low, high, _, item) = rules.get("maxItems", math.inf), compiled(rules["items"], definitions, known)

    def check(value: list[Any]) -> str | None:
        if len(value) > most:
            return f" has {len(value)} items; it must have at most {most}"
        if not value or (numbers.issuperset(map(type, value)) and low <= min(value) and max(value) <= high):
            return None
        found = ((index, item(each)) for index, each in enumerate(value))
        return next((f"[{index}]{problem}" for index, problem in found if problem), None)

    return check


def tabular(rules: dict[str, Any], definitions: dict[str, Any], known: dict[str, Rule]) -> Check:
    """The check of a table's fields: those that must be there, those that are known, and all others."""
    own = {name: compiled(each, definitions, known) for name, each in rules.get("properties", {}).items()}
    required, most = rules.get("required", ()), rules.get("maxProperties", math.inf)
    rest = rules.get("additionalProperties", True)
    other = compiled(rest, definitions, known) if rest is not False else None
    named = compiled(rules.get("propertyNames", True), definitions, known)

    @lru_cache(maxsize=1024)  # nearly all tables of a kind have the same names in the same order
    def shape(names: tuple[str, ...]) -> tuple[Rule, ...] | str:
        """The rules of a table's fields, or what is wrong with their names."""
        if len(names) > most:
            return f" has {len(names)} fields; it must have at most {most}"
        if lacking := next((name for name in required if name not in names), None):
            return f".{lacking} is missing"
        for name in names:
            if name not in own and (problem := named.check(name)):
                return f": the name of a field{problem}"
            if name not in own and other is None:
                return f": the field {shown(name)} is not known"
        return tuple(own.get(name) or other or ANY for name in names)

    def check(value: dict[str, Any]) -> str | None:
        found = shape(tuple(value)) if len(value) <= SHORT else shape.__wrapped__(tuple(value))
        if isinstance(found, str):
            return found
        for (numbers, low, high, texts, own_check), name, each in zip(found, value, value.values(), strict=True):
            kind = type(each)
            if kind in numbers:
                if low <= each <= high:
                    continue
            elif kind is str and each in texts:
                continue
            if problem := own_check(each):
                return f".{name if name.isidentifier() and name.isascii() else shown(name)}{problem}"
        return None

    return check
