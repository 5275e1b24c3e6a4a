"""The type of a record: field by field what `record_schema.json` lets through."""

import json
import types
import typing
from dataclasses import fields
from typing import Any

import pytest

from drtrl_bench.case import Case
from drtrl_bench.records import parsing, record

RULES: dict[str, Any] = json.loads(parsing.SCHEMA.read_text(encoding="utf-8"))["$defs"]
TYPES: dict[str, Any] = {
    "environment": record.Environment,
    "record": record.Record,
    "data": record.Data,
    "gate": record.GradientCheck,
    "phases": record.Phases,
    "time": record.Time,
    "floor": record.Floor,
    "memory": record.Memory,
    "agreement": record.Agreement,
    "fidelity": record.Fidelity,
    "activity": record.Activity,
}
"""The types of the schema's tables; that of a case is `Case`."""
NAMES = {
    "environment": "kind schema_version env_hash python versions variables os cpu cores memory_gib gpu",
    "record": (
        "kind schema_version plan run round limit_s case_key case env_hash implementation_sha commit dirty plugins "
        "variables data status reason refused gate time floor memory fidelity activity started duration_s"
    ),
    "data": "label synthetic fingerprint",
    "gate": (
        "reference steps batch firing_rate loss parameter error loss_error limit plain_error plain_limit uninformative"
    ),
    "phases": "lower_s compile_s first_call_s",
    "time": (
        "phases samples_s cpu_samples_s median_s iqr_s low_s high_s forward_s unstable busy load involuntary_switches"
    ),
    "floor": "forward_flops flops moved_bytes",
    "memory": (
        "meter working_bytes analytic_bytes rss_peak_bytes xla_temp_bytes xla_output_bytes xla_argument_bytes "
        "torch_peak_bytes"
    ),
    "agreement": "cosine error norm_ratio sign_agreement",
    "fidelity": "overall per_layer per_parameter",
    "activity": "firing_rate silent spike_mismatch",
}
"""The fields of each, by hand: what files have on disk, and other programs read by name."""
ALWAYS = {
    "environment": "kind schema_version env_hash",
    "record": (
        "kind schema_version env_hash status plan round case_key case implementation_sha data time memory fidelity "
        "activity"
    ),
}
"""The fields that no line lacks, by hand; every field of the other tables may be missing."""
ADDED = {"record": {"source", "environment"}}
"""What is no field of a line: the reader adds it."""
PYTHON: dict[str, Any] = {"null": type(None), "boolean": bool, "integer": int, "number": float, "string": str}


def python_type(rule: dict[str, Any]) -> Any:
    """The Python type of the values that a rule of the schema lets through."""
    if "$ref" in rule:
        name = rule["$ref"].removeprefix("#/$defs/")
        if name == "case":
            return dict[str, Any]
        if name in TYPES:
            null = "null" in RULES[name]["type"]
            return TYPES[name] | None if null else TYPES[name]
        return python_type(RULES[name])
    if rule == {"const": 1}:
        return int  # a version of the schema, which the next one counts up
    if "const" in rule or "enum" in rule:
        return typing.Literal[tuple(rule.get("enum") or [rule["const"]])]
    kinds = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
    several = dict(PYTHON)
    if "array" in kinds:
        several["array"] = list[python_type(rule["items"])]
    if "object" in kinds:
        several["object"] = dict[str, python_type(rule["additionalProperties"])]
    union = several[kinds[0]]
    for kind in kinds[1:]:
        union = union | several[kind]
    return union


def test_the_schema_has_no_other_table_of_named_fields() -> None:
    assert {name for name, rule in RULES.items() if "properties" in rule} == {*TYPES, "case"}


def test_a_case_of_the_schema_has_the_fields_of_a_case() -> None:
    """Others of a later version are shown; what compares refuses them (gate/compare.py)."""
    assert set(RULES["case"]["properties"]) == {field.name for field in fields(Case)}


@pytest.mark.parametrize("name", TYPES)
def test_a_type_has_the_fields_of_its_table(name: str) -> None:
    hints = set(typing.get_type_hints(TYPES[name])) - ADDED.get(name, set())
    assert sorted(hints) == sorted(NAMES[name].split())
    assert sorted(RULES[name]["properties"]) == sorted(NAMES[name].split())
    always = set(ALWAYS.get(name, "").split())
    assert set(TYPES[name].__required_keys__) == always
    assert set(RULES[name].get("required", ())) == always


@pytest.mark.parametrize("name", TYPES)
def test_a_type_lets_through_what_the_schema_does(name: str) -> None:
    hints = typing.get_type_hints(TYPES[name])
    for field, rule in RULES[name]["properties"].items():
        assert hints[field] == python_type(rule), f"{name}.{field}"


def test_the_types_of_some_fields_by_hand() -> None:
    """What `python_type` makes of the schema, where it could be wrong in both places at once."""
    time = typing.get_type_hints(record.Time)
    assert time["samples_s"] == list[float] | None
    assert time["phases"] == record.Phases | None
    whole = typing.get_type_hints(record.Record)
    assert whole["round"] is int
    assert whole["time"] is record.Time
    assert whole["plugins"] == dict[str, str] | None
    assert typing.get_args(whole["status"]) == ("ok", "skip", "wrong", "oom", "timeout", "error")
    assert isinstance(whole["reason"], types.UnionType)
    assert record.STATUSES == ("ok", "skip", "wrong", "oom", "timeout", "error")
