"""Makes checks of parsed JSON, from a schema, that say what is wrong with a value."""

import json
import math
import re
from collections.abc import Callable
from typing import Any

Check = Callable[[Any], str | None]
"""Returns what is wrong with a value, as " is 0; it must be ..." after the value's place, or None."""

PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
}
PHRASES = {
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
"""Valid texts of at most `SHORT` characters are remembered, up to `MANY` of them: every line has the same few."""


def json_excerpt(value: Any) -> str:
    """Return a value as at most 40 printable ASCII characters, for a message."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a table"
    text = json.dumps(value) if isinstance(value, bool | None) else ascii(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def kinds(rules: dict[str, Any]) -> list[str]:
    """List the kinds of values that rules allow, as JSON Schema names them."""
    return [rules["type"]] if isinstance(rules["type"], str) else rules["type"]


def limits(rules: dict[str, Any]) -> tuple[float, float, str]:
    """Return the least and the largest number that rules allow, and both as text."""
    low, high = rules.get("minimum", -math.inf), rules.get("maximum", math.inf)
    if "exclusiveMinimum" in rules:
        above = rules["exclusiveMinimum"]
        return math.nextafter(above, math.inf), high, f"above {above}, and at most {high:.16g}"
    return low, high, f"{low:.16g} to {high:.16g}"


class Checks:
    """Make checks of values from a schema's definitions."""

    def __init__(self, definitions: dict[str, Any]) -> None:
        self.definitions = definitions
        self.texts: dict[tuple[Any, ...], set[str]] = {}
        """Valid texts that were seen, by the rules for them."""
        self.of_definition: dict[str, Check] = {}

    def check(self, rules: Any) -> Check:
        """Make the check of any value. Raises ValueError for a keyword that is not known here."""
        if rules is True:
            return lambda value: None
        if odd := set(rules) - KEYWORDS - NOTES:
            raise ValueError(f"the keyword {min(odd)!r} of JSON Schema is not known here")
        if "$ref" in rules:
            name = rules["$ref"].removeprefix("#/$defs/")
            if name not in self.of_definition:
                self.of_definition[name] = self.check(self.definitions[name])
            return self.of_definition[name]
        if "const" in rules or "enum" in rules:
            return self.choice(rules.get("enum") or [rules["const"]])
        makes = {"array": self.array, "object": self.table, "string": self.text}
        makes |= {"number": self.number, "integer": self.number}
        checks = {name: makes[name](rules) if name in makes else None for name in kinds(rules)}
        by_type = {kind: check for name, check in checks.items() for kind in PYTHON_TYPES[name]}
        wanted = " or ".join(PHRASES[name] for name in kinds(rules))

        def check(value: Any) -> str | None:
            if type(value) not in by_type:
                return f" is {json_excerpt(value)}; it must be {wanted}"
            return further(value) if (further := by_type[type(value)]) else None

        return check

    def choice(self, values: list[Any]) -> Check:
        """Make the check that a value is one of a few texts or whole numbers."""
        wanted = ("one of " if len(values) > 1 else "") + ", ".join(str(value) for value in values)
        allowed = [(type(value), value) for value in values]

        def check(value: Any) -> str | None:
            return None if (type(value), value) in allowed else f" is {json_excerpt(value)}; it must be {wanted}"

        return check

    def number(self, rules: dict[str, Any]) -> Check:
        """Make the check of a number's range."""
        low, high, interval = limits(rules)
        return lambda value: None if low <= value <= high else f" is {json_excerpt(value)}; it must be {interval}"

    def text(self, rules: dict[str, Any]) -> Check:
        """Make the check of a text's length and characters."""
        least, most, pattern = rules.get("minLength", 0), rules.get("maxLength", math.inf), rules["pattern"]
        if not (pattern.startswith("^") and pattern.endswith("$")):
            raise ValueError(f"the pattern {pattern!r} must be of the whole text, from ^ to $")
        matches = re.compile(pattern[1:-1]).fullmatch  # Python's own $ lets a line end follow
        valid = self.valid_texts(rules)

        def check(value: str) -> str | None:
            if not least <= len(value) <= most:
                return f" has {len(value)} characters; it must have {least} to {most}"
            if not matches(value):
                return f" is {json_excerpt(value)}, in which a character may not stand there"
            if len(valid) < MANY and len(value) <= SHORT:
                valid.add(value)
            return None

        return check

    def resolved(self, rules: dict[str, Any]) -> dict[str, Any]:
        """Return the rules, or those of the definition that they refer to."""
        return self.definitions[rules["$ref"].removeprefix("#/$defs/")] if "$ref" in rules else rules

    def valid_texts(self, rules: dict[str, Any]) -> set[str]:
        """Return the set of texts that were seen and are valid by these rules."""
        return self.texts.setdefault(tuple(rules.get(key) for key in ("pattern", "minLength", "maxLength")), set())

    def array(self, rules: dict[str, Any]) -> Check:
        """Make the check of a list's length and items."""
        most, check_item = rules["maxItems"], self.check(rules["items"])

        def check(value: list[Any]) -> str | None:
            if len(value) > most:
                return f" has {len(value)} items; it must have at most {most}"
            problems = ((index, check_item(item)) for index, item in enumerate(value))
            return next((f"[{index}]{problem}" for index, problem in problems if problem), None)

        return check

    def table(self, rules: dict[str, Any]) -> Check:
        """Make the check of a table's fields: required ones, named ones, and all others."""
        named = {name: self.check(each) for name, each in rules.get("properties", {}).items()}
        rest, most, required = (
            rules["additionalProperties"],
            rules.get("maxProperties", math.inf),
            rules.get("required"),
        )
        check_name, other = self.check(rules.get("propertyNames", True)), self.check(rest or True)

        def check(value: dict[str, Any]) -> str | None:
            if len(value) > most:
                return f" has {len(value)} fields; it must have at most {most}"
            if lacking := next((name for name in required or () if name not in value), None):
                return f".{lacking} is missing"
            for name, each in value.items():
                if name not in named and (problem := check_name(name)):
                    return f": the name of a field{problem}"
                if name not in named and rest is False:
                    return f": the field {json_excerpt(name)} is not known"
                if problem := named.get(name, other)(each):
                    return f".{name if name.isidentifier() and name.isascii() else json_excerpt(name)}{problem}"
            return None

        return check
