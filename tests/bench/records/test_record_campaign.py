"""The campaign of record files and appends: a few of its trials here, all of them where there is time."""

import subprocess
import sys
from pathlib import Path

import pytest

CAMPAIGN = Path(__file__).parents[2] / "campaigns" / "records.py"


def campaign(*words: str) -> str:
    """What the campaign says, once it has ended without a failure."""
    done = subprocess.run([sys.executable, CAMPAIGN, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_few_record_files_and_appends() -> None:
    assert "record files: 5 trials, 0 failures (0 tracebacks" in campaign("--every", "150", "--random", "30")


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_every_record_file_and_append() -> None:
    said = campaign()
    assert "record files: 885 trials, 0 failures (0 tracebacks" in said
    assert "concurrent appends: 1600, 0 lost" in said
