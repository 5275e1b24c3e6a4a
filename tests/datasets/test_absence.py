"""Where a reader of event files is not installed, what asks for it is skipped and says why; nothing else is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import genuine
from support.copies import ROOT
from test_strays import without

from drtrl_bench.datasets.events import published
from drtrl_bench.datasets.stand_ins import espeak

READERS = {
    "tonic": published.ReaderError(published.needs("tonic")),
    "h5py": ModuleNotFoundError("No module named 'h5py'", name="h5py"),
    "espeakng_loader": espeak.EspeakError(espeak.MISSING),
}
"""What is raised where a package is asked for in vain."""
REASONS = {
    "tonic": "tonic reads these files",
    "h5py": "h5py reads these files",
    "espeakng_loader": "espeak-ng is missing",
}


def installed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(genuine, "find_spec", lambda name: name if name in names else None)


@pytest.mark.parametrize("package", READERS)
def test_what_asks_for_it_is_skipped_where_it_is_not(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, *(READERS.keys() - {package}))
    said = genuine.unread(READERS[package])
    assert said is not None
    assert REASONS[package] in said
    expected = AssertionError("Regex pattern did not match.")  # of a test that awaits another error
    expected.__context__ = READERS[package]
    assert genuine.unread(expected) == said


@pytest.mark.parametrize("package", READERS)
def test_where_it_is_that_is_a_failure(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, package)
    assert genuine.unread(READERS[package]) is None


@pytest.mark.parametrize(
    "error",
    [
        published.DamagedError("tonic.bin: 297 bytes"),
        AssertionError("assert 'tonic reads these files' in ''"),
        AssertionError(published.needs("tonic")),
        ModuleNotFoundError("No module named 'tonic_'", name="tonic_"),
        ImportError("cannot import name 'datasets' from 'tonic'", name="tonic"),
    ],
)
def test_other_errors_are_failures_everywhere(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch)
    assert genuine.unread(error) is None


def test_a_run_without_readers_skips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eleven of the tests of splits read files; two more do in a fixture that they share, and one fails."""
    without("tonic", folder=tmp_path / "start", monkeypatch=monkeypatch)
    (tmp_path / "test_more.py").write_text(
        "import pytest\n"
        "from drtrl_bench import data\n\n"
        "@pytest.fixture(scope='module')\n"
        "def held(written):\n"
        "    with pytest.MonkeyPatch.context() as patch:\n"
        "        patch.setenv('DRTRL_BENCH_DATA', str(written[0]))\n"
        "        return data.events('nmnist').recordings('train')[0][0]\n\n"
        "def test_one(held):\n"
        "    raise AssertionError\n\n"
        "def test_two(held):\n"
        "    raise AssertionError\n\n"
        "def test_that_fails():\n"
        "    raise AssertionError('tonic')\n"
    )
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    options = ["-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"), "-m", "not slow", "-rsf"]
    tests = [str(ROOT / "tests" / "datasets" / "test_splits.py"), str(tmp_path / "test_more.py")]
    command = [sys.executable, "-m", "pytest", *options, "--noconftest", "-p", "conftest", *tests]
    done = subprocess.run(command, cwd=ROOT / "tests", env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 1 passed, 13 skipped" in done.stdout, done.stdout
    assert "FAILED" in done.stdout
    assert "test_that_fails" in done.stdout
    assert "tonic reads these files: pip install" in done.stdout
