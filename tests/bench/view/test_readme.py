"""The tables of the README are what `show` prints of the committed records."""

import pytest
from support.command_line import command
from support.copies import ROOT


@pytest.mark.parametrize("name", ["quick", "headline"])
def test_a_table_is_what_show_prints(name: str) -> None:
    done = command("show", str(ROOT / "results" / "records" / f"{name}.jsonl"))
    assert done.returncode == 0, done.stderr
    printed = "\n".join(line.rstrip() for line in done.stdout.rstrip().split("\n"))
    assert f"```\n{printed}\n```" in (ROOT / "README.md").read_text(encoding="utf-8")
