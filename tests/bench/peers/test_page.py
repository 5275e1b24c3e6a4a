"""The tables of docs/peers.md are those of the data, and the data names what there is."""

import json
import re
import subprocess

import pytest
from support.command_line import command
from support.copies import ROOT

from drtrl_bench import registry
from drtrl_bench.peers import definitions, environments, page, ways

PAGE = (ROOT / "docs" / "peers.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", page.TABLES)
def test_the_page_has_what_the_command_prints(name: str) -> None:
    done = command("peers", "map", name)
    assert done.returncode == 0, done.stderr
    assert f"\n\n{done.stdout.strip()}\n" in PAGE, f"print it again: drtrl-bench peers map {name}"


@pytest.mark.parametrize(("name", "how"), [("compare", "--markdown"), ("sweep", "--sweep"), ("sweep_wide", "--sweep")])
def test_the_costs_on_the_page_are_those_of_the_committed_records(name: str, how: str) -> None:
    records = ROOT / "results" / "peers" / f"{name}.jsonl"
    done = command("peers", "show", str(records), how)
    assert done.returncode == 0, done.stderr
    assert f"\n\n{done.stdout.strip()}\n" in PAGE, f"print it again: drtrl-bench peers show FILE {how}"
    lines = [json.loads(line) for line in records.read_text(encoding="utf-8").splitlines()]
    (commit,) = {line["commit"][:9] for line in lines if "commit" in line}
    assert commit in re.findall(r"commit\s([0-9a-f]{9})", PAGE)


def test_an_unknown_table_has_the_known_ones() -> None:
    done = command("peers", "map", "laws")
    assert done.returncode == 2
    assert "definitions, rules, ways" in done.stderr


def test_every_algorithm_and_every_peer_has_its_place() -> None:
    ours = {rule.ours for rule in definitions.RULES.values()}
    assert ours - {""} <= registry.ALGORITHMS.keys()
    missing = registry.ALGORITHMS.keys() - ours - {"bptt_native"}  # BPTT by the framework, and no rule of its own
    assert not missing, f"say in RULES of bench/peers/definitions.py what other libraries call {missing}"
    assert "bptt_native" not in ours
    for name, row in definitions.DEFINITIONS.items():
        assert set(row) == {definitions.HERE, *ways.PEERS}, name
    for rule in definitions.RULES.values():
        assert rule.names.keys() <= ways.PEERS.keys()


@pytest.mark.parametrize(
    ("rule", "cells"),
    [
        ("D-RTRL", ["`drtrl`", "`D_RTRL`", "-", "-", "-", "-"]),
        ("SnAp-n, n >= 2", ["`snap2`", "`SnAp`", "-", "-", "-", "-"]),
        ("UORO", ["`uoro`", "`UORO`", "-", "-", "-", "-"]),
        ("OTTT", ["`ottt`", "-", "-", "`OTTTLIFNode`", "-", "-"]),
    ],
)
def test_rows_of_the_rules(rule: str, cells: list[str]) -> None:
    assert f"| {rule} | {' | '.join(cells)} |" in page.markdown("rules").splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("name", ways.PEERS)
def test_a_peer_has_the_rules_that_are_named(name: str) -> None:
    there = environments.state(name)
    if there.reason:
        pytest.skip(there.reason)
    for rule in definitions.RULES.values():
        if page.IMPORTABLE.fullmatch(text := rule.names.get(name, "")):
            module, _, attribute = text.partition(":")
            code = f"import importlib; getattr(importlib.import_module({module!r}), {attribute!r})"
            done = subprocess.run([there.executable, "-c", code], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
