"""Writes, from a schema, Python functions that are true of valid JSON and take a tenth of the time of its checks."""

from collections.abc import Callable
from typing import Any

from drtrl_bench.records.schema_checks import Checks, kinds, limits


class Source:
    """Write functions that are true only of valid values; they may be false of a valid value, too."""

    def __init__(self, checks: Checks) -> None:
        self.checks = checks
        self.names: dict[str, Any] = {}
        """Objects that the functions use, and the functions themselves, by name."""

    def function(self, name: str) -> Callable[[Any], bool]:
        """Return the function of a definition."""
        exec(
            compile(f"def valid(x): return {self.condition({'$ref': f'#/$defs/{name}'})}", "schema", "exec"), self.names
        )
        return self.names["valid"]

    def name_of(self, value: Any) -> str:
        """Give an object a name that a function can use."""
        self.names[name := f"_{len(self.names)}"] = value
        return name

    def condition(self, rules: Any) -> str:
        """Write an expression that is true only if `x` is valid."""
        if rules is True:
            return "True"
        if "$ref" in rules:
            name = rules["$ref"].removeprefix("#/$defs/")
            rules = self.checks.definitions[name]
            if rules.get("type") == "object" or rules.get("type") == ["object", "null"]:
                if name not in self.names:
                    self.names[name] = self.table(rules)
                return f"(type(x) is dict and {name}(x){' or x is None' * ('null' in kinds(rules))})"
            return self.condition(rules)
        if "const" in rules or "enum" in rules:
            values = rules.get("enum") or [rules["const"]]
            return f"(type(x) is {type(values[0]).__name__} and x in {tuple(values)!r})"
        low, high, _ = limits(rules)
        within = f"{self.name_of(low)} <= x <= {self.name_of(high)}"
        conditions = {
            "number": f"(type(x) is float or type(x) is int) and {within}",
            "integer": f"type(x) is int and {within}",
            "string": f"type(x) is str and {self.text(rules, 'x')}",
            "boolean": "type(x) is bool",
            "null": "x is None",
            "array": f"type(x) is list and {self.name_of(self.array(rules))}(x)",
            "object": f"type(x) is dict and {self.name_of(self.table(rules) if 'object' in kinds(rules) else None)}(x)",
        }
        return f"({' or '.join(conditions[kind] for kind in kinds(rules))})"

    def text(self, rules: dict[str, Any], variable: str) -> str:
        """Write an expression that is true of a valid text: one that was seen, or one that is looked at now.

        Nearly every record has a text of its own, as when it was measured.
        """
        seen, check = self.name_of(self.checks.valid_texts(rules)), self.name_of(self.checks.check(rules))
        return f"({variable} in {seen} or {check}({variable}) is None)"

    def array(self, rules: dict[str, Any]) -> Callable[[list[Any]], bool]:
        """Return the function of a list; a list of numbers is judged by its least and its largest."""
        most, items = rules.get("maxItems", 0), rules.get("items", {})
        low, high, _ = limits(items)
        numbers = {int, float} if items.get("type") == "number" else set()
        return lambda x: (
            not x or (len(x) <= most and numbers.issuperset(map(type, x)) and low <= min(x) and max(x) <= high)
        )

    def table(self, rules: dict[str, Any]) -> Callable[[dict[str, Any]], bool]:
        """Write the function of a table, and return it."""
        named, rest, most = rules.get("properties", {}), rules["additionalProperties"], rules.get("maxProperties", 1e9)
        body = ["n = 0"]
        for name, each in named.items():
            body += [
                f"if {name!r} in t:",
                f"    x = t[{name!r}]; n += 1",
                f"    if not {self.condition(each)}: return False",
            ]
            body += ["else: return False"] if name in rules.get("required", ()) else []
        names = self.checks.resolved(rules["propertyNames"]) if "propertyNames" in rules else None
        body += [
            "if n != len(t):",
            f"    if len(t) > {most} or {rest is False}: return False",
            "    for k, x in t.items():",
        ]
        body += [f"        if k in {self.name_of(frozenset(named))}: continue"]
        body += [f"        if not {self.text(names, 'k')}: return False"] if names is not None else []
        body += [f"        if not {self.condition(rest or True)}: return False", "return True"]
        exec(
            compile("\n    ".join([f"def {(name := f'_{len(self.names)}')}(t):", *body]), "schema", "exec"), self.names
        )
        return self.names[name]
