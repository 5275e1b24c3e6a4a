"""Campaigns against plans, baselines, rehearsals and files of asv: some in every run, all of them if slow."""

import re
import subprocess
import sys

import pytest
from support.copies import ROOT

CAMPAIGNS = {"plans": 500, "other_files": 200}
"""Each script of `campaigns/`, and how many trials it makes at least as a whole."""


def campaign(name: str, *words: str) -> int:
    """The number of trials of a campaign, once none of them failed; prints what the campaign does."""
    command = [sys.executable, str(ROOT / "tests" / "campaigns" / f"{name}.py"), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    (counted,) = re.findall(r": (\d+) trials, 0 failures", done.stdout)
    return int(counted)


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_some_files_of_each_kind_are_a_line_at_most(name: str) -> None:
    assert campaign(name, "--every", "97") >= 5


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", CAMPAIGNS)
def test_every_file_is_a_line_at_most(name: str) -> None:
    assert campaign(name) >= CAMPAIGNS[name]
