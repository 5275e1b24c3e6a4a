"""Checks of parsed JSON against a schema: what is wrong with a value, fast enough for a hundred thousand lines.

Reads the part of JSON Schema (draft 2020-12) that `record_schema.json` is written in, and refuses any other keyword, so
that no rule is passed over. As there, a limit holds for values of its own kind only, and true is no number.

A schema makes two things of itself: `Words`, functions that say what is wrong, and `Glance`, the source of a function
that is true of what is right and takes a tenth of the time. What it is not true of, `Words` decide.
"""

import json
import math
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

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
line."""


@cache
def of(file: Path, name: str) -> Check:
    """The check of a definition in a schema's file."""
    definitions = json.loads(file.read_text(encoding="utf-8"))["$defs"]
    words = Words(definitions)
    check, right = words.check({"$ref": f"#/$defs/{name}"}), Glance(words).function(name)
    return lambda value: None if right(value) else check(value)


def shown(value: Any) -> str:
    """A value in one short line: no control character, no line of a page's length."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a table"
    text = json.dumps(value) if isinstance(value, bool | None) else ascii(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def kinds(rules: dict[str, Any]) -> list[str]:
    """The kinds of values that rules let through."""
    return [rules["type"]] if isinstance(rules["type"], str) else rules["type"]


def limits(rules: dict[str, Any]) -> tuple[float, float, str]:
    """The least and the largest number that rules let through, and how to say so."""
    low, high = rules.get("minimum", -math.inf), rules.get("maximum", math.inf)
    if "exclusiveMinimum" in rules:
        above = rules["exclusiveMinimum"]
        return math.nextafter(above, math.inf), high, f"above {above}, and at most {high:.16g}"
    return low, high, f"{low:.16g} to {high:.16g}"


class Words:
    """Makes the checks that say what is wrong with a value."""

    def __init__(self, definitions: dict[str, Any]) -> None:
        self.definitions = definitions
        self.texts: dict[tuple[Any, ...], set[str]] = {}
        """Texts that were found right, by the rules for them."""
        self.known: dict[str, Check] = {}

    def check(self, rules: Any) -> Check:
        """The check of any value."""
        if rules is True:
            return lambda value: None
        if odd := set(rules) - KEYWORDS - NOTES:
            raise ValueError(f"the keyword {min(odd)!r} of JSON Schema is not known here")
        if "$ref" in rules:
            name = rules["$ref"].removeprefix("#/$defs/")
            if name not in self.known:
                self.known[name] = self.check(self.definitions[name])
            return self.known[name]
        if "const" in rules or "enum" in rules:
            return self.choice(rules.get("enum") or [rules["const"]])
        makes = {"array": self.array, "object": self.table, "string": self.text}
        makes |= {"number": self.number, "integer": self.number}
        own = {kind: makes[name](rules) if name in makes else None for name in kinds(rules) for kind in KINDS[name]}
        wanted = " or ".join(WORDS[name] for name in kinds(rules))

        def check(value: Any) -> str | None:
            if type(value) not in own:
                return f" is {shown(value)}; it must be {wanted}"
            return further(value) if (further := own[type(value)]) else None

        return check

    def choice(self, values: list[Any]) -> Check:
        """The check that a value is one of a few texts or whole numbers."""
        wanted = ("one of " if len(values) > 1 else "") + ", ".join(str(value) for value in values)
        right = [(type(value), value) for value in values]
        return lambda value: None if (type(value), value) in right else f" is {shown(value)}; it must be {wanted}"

    def number(self, rules: dict[str, Any]) -> Check:
        """The check of a number's range."""
        low, high, said = limits(rules)
        return lambda value: None if low <= value <= high else f" is {shown(value)}; it must be {said}"

    def text(self, rules: dict[str, Any]) -> Check:
        """The check of a text's length and characters."""
        least, most, pattern = rules.get("minLength", 0), rules.get("maxLength", math.inf), rules["pattern"]
        if not (pattern.startswith("^") and pattern.endswith("$")):
            raise ValueError(f"the pattern {pattern!r} must be of the whole text, from ^ to $")
        whole = re.compile(pattern[1:-1]).fullmatch  # Python's own $ lets a line end follow
        right = self.right(rules)

        def check(value: str) -> str | None:
            if not least <= len(value) <= most:
                return f" has {len(value)} characters; it must have {least} to {most}"
            if not whole(value):
                return f" is {shown(value)}, in which a character may not stand there"
            if len(right) < MANY and len(value) <= SHORT:
                right.add(value)
            return None

        return check

    def resolved(self, rules: dict[str, Any]) -> dict[str, Any]:
        """The rules, or those of the definition that they name."""
        return self.definitions[rules["$ref"].removeprefix("#/$defs/")] if "$ref" in rules else rules

    def right(self, rules: dict[str, Any]) -> set[str]:
        """The texts that were found right by these rules."""
        return self.texts.setdefault(tuple(rules.get(key) for key in ("pattern", "minLength", "maxLength")), set())

    def array(self, rules: dict[str, Any]) -> Check:
        """The check of a list's length and items."""
        most, check_item = rules["maxItems"], self.check(rules["items"])

        def check(value: list[Any]) -> str | None:
            if len(value) > most:
                return f" has {len(value)} items; it must have at most {most}"
            found = ((index, check_item(item)) for index, item in enumerate(value))
            return next((f"[{index}]{problem}" for index, problem in found if problem), None)

        return check

    def table(self, rules: dict[str, Any]) -> Check:
        """The check of a table's fields: those that must be there, those that are known, and all others."""
        own = {name: self.check(each) for name, each in rules.get("properties", {}).items()}
        rest, most, required = (
            rules["additionalProperties"],
            rules.get("maxProperties", math.inf),
            rules.get("required"),
        )
        named, other = self.check(rules.get("propertyNames", True)), self.check(rest or True)

        def check(value: dict[str, Any]) -> str | None:
            if len(value) > most:
                return f" has {len(value)} fields; it must have at most {most}"
            if lacking := next((name for name in required or () if name not in value), None):
                return f".{lacking} is missing"
            for name, each in value.items():
                if name not in own and (problem := named(name)):
                    return f": the name of a field{problem}"
                if name not in own and rest is False:
                    return f": the field {shown(name)} is not known"
                if problem := own.get(name, other)(each):
                    return f".{name if name.isidentifier() and name.isascii() else shown(name)}{problem}"
            return None

        return check


class Glance:
    """Writes functions that are true of a value only if it is right; they may be false of one that is right, too."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self.names: dict[str, Any] = {}
        """What the functions use, and the functions themselves."""

    def function(self, name: str) -> Callable[[Any], bool]:
        """The function of a definition."""
        exec(compile(f"def whole(x): return {self.right({'$ref': f'#/$defs/{name}'})}", "schema", "exec"), self.names)
        return self.names["whole"]

    def named(self, what: Any) -> str:
        """A name for an object that a function uses."""
        self.names[name := f"_{len(self.names)}"] = what
        return name

    def right(self, rules: Any) -> str:
        """An expression that is true only if `x` is right."""
        if rules is True:
            return "True"
        if "$ref" in rules:
            name = rules["$ref"].removeprefix("#/$defs/")
            rules = self.words.definitions[name]
            if rules.get("type") == "object" or rules.get("type") == ["object", "null"]:
                if name not in self.names:
                    self.names[name] = self.table(rules)
                return f"(type(x) is dict and {name}(x){' or x is None' * ('null' in kinds(rules))})"
            return self.right(rules)
        if "const" in rules or "enum" in rules:
            values = rules.get("enum") or [rules["const"]]
            return f"(type(x) is {type(values[0]).__name__} and x in {tuple(values)!r})"
        low, high, _ = limits(rules)
        within = f"{self.named(low)} <= x <= {self.named(high)}"
        says = {
            "number": f"(type(x) is float or type(x) is int) and {within}",
            "integer": f"type(x) is int and {within}",
            "string": f"type(x) is str and x in {self.named(self.words.right(rules))}",
            "boolean": "type(x) is bool",
            "null": "x is None",
            "array": f"type(x) is list and {self.named(self.array(rules))}(x)",
            "object": f"type(x) is dict and {self.named(self.table(rules) if 'object' in kinds(rules) else None)}(x)",
        }
        return f"({' or '.join(says[kind] for kind in kinds(rules))})"

    def array(self, rules: dict[str, Any]) -> Callable[[list[Any]], bool]:
        """The function of a list: of numbers it looks at the least and the largest."""
        most, items = rules.get("maxItems", 0), rules.get("items", {})
        low, high, _ = limits(items)
        numbers = {int, float} if items.get("type") == "number" else set()
        return lambda x: (
            not x or (len(x) <= most and numbers.issuperset(map(type, x)) and low <= min(x) and max(x) <= high)
        )

    def table(self, rules: dict[str, Any]) -> Callable[[dict[str, Any]], bool]:
        """The function of a table."""
        own, rest, most = rules.get("properties", {}), rules["additionalProperties"], rules.get("maxProperties", 1e9)
        body = ["n = 0"]
        for name, each in own.items():
            body += [
                f"if {name!r} in t:",
                f"    x = t[{name!r}]; n += 1",
                f"    if not {self.right(each)}: return False",
            ]
            body += ["else: return False"] if name in rules.get("required", ()) else []
        names = self.words.right(self.words.resolved(rules["propertyNames"])) if "propertyNames" in rules else None
        body += [
            "if n != len(t):",
            f"    if len(t) > {most} or {rest is False}: return False",
            "    for k, x in t.items():",
        ]
        body += [f"        if k in {self.named(frozenset(own))}: continue"]
        body += [f"        if k not in {self.named(names)}: return False"] if names is not None else []
        body += [f"        if not {self.right(rest or True)}: return False", "return True"]
        exec(
            compile("\n    ".join([f"def {(name := f'_{len(self.names)}')}(t):", *body]), "schema", "exec"), self.names
        )
        return self.names[name]
