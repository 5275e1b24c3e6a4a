"""Files kept between runs: whole, the user's own, or made anew; measuring never needs them."""

import errno
import json
import os
import pwd
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from campaigns import caches
from support.command_line import command

from drtrl_bench import data
from drtrl_bench.case import Case, Plan
from drtrl_bench.files import cache_folder, diskcache
from drtrl_bench.measure import problem, runner

SMALL = Case(dataset="bernoulli", features=3, steps=4, batch=2, neurons=3, chunk=4, framework="torch")
OTHER = 12345
"""A user that nobody is."""


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing was said yet, and no private folder is there."""
    monkeypatch.setattr(cache_folder.Shared, "said", set())
    cache_folder.temporary.cache_clear()
    diskcache.sweep.cache_clear()
    yield
    cache_folder.temporary.cache_clear()


# One bit


def test_no_flip_is_silent(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = list(caches.campaign(tmp_path, 400))
    assert [(each.silent, each.unnoticed, each.unhealed) for each in found] == [(0, 0, 0)] * 4
    assert sum(each.trials for each in found) == 400
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 3, "once for each folder"
    assert all("damaged, or never written whole: made anew" in line for line in said)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_no_flip_of_thousands_is_silent(seed: int, tmp_path: Path) -> None:
    for each in caches.campaign(tmp_path, caches.FLIPS, seed):
        print(each)
        assert (each.silent, each.unnoticed, each.unhealed) == (0, 0, 0), each


def test_the_hash_is_of_the_name_and_of_all_before_it(tmp_path: Path) -> None:
    import hashlib

    diskcache.save_content(tmp_path / "a.bin", [b"one", b"two"])
    assert (tmp_path / "a.bin").read_bytes() == b"onetwo" + hashlib.sha256(b"a.bin\0onetwo").hexdigest().encode()
    diskcache.save(tmp_path / "b.npz", {"x": np.arange(3)})
    whole = (tmp_path / "b.npz").read_bytes()
    assert whole[-64:] == hashlib.sha256(b"b.npz\0" + whole[:-64]).hexdigest().encode()
    with np.load(tmp_path / "b.npz") as arrays:  # an archive like any other
        assert {name: arrays[name].tolist() for name in arrays} == {"x": [0, 1, 2]}


def test_objects_are_not_kept(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        diskcache.save(tmp_path / "b.npz", {"x": np.array([{}])})
    assert not list(tmp_path.iterdir())


# A file that is not what was written


def renamed(path: Path) -> None:
    diskcache.save(path.with_name("other.npz"), {"inputs": np.zeros(3)})
    path.with_name("other.npz").replace(path)


def without_hash(path: Path) -> None:
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez(path, **arrays)  # pyright: ignore[reportArgumentType]


def holes(path: Path) -> None:
    os.truncate(path, 2**43)


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_link_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nothing"))


def of_another(path: Path) -> None:
    os.chown(path, OTHER, -1)


def shared(path: Path) -> None:
    path.chmod(0o666)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
FOREIGN = [
    renamed,
    without_hash,
    pytest.param(holes, marks=pytest.mark.timeout(60)),
    a_pipe,
    a_link_to_nothing,
    shared,
    cut,
    pytest.param(of_another, marks=as_root),
]


@pytest.mark.parametrize("damage", FOREIGN)
def test_a_foreign_file_is_made_anew_in_one_line(
    damage: Callable[[Path], None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = problem.prepared(SMALL, tmp_path)
    whole = path.read_bytes()
    damage(path)
    for _ in range(2):
        assert problem.prepared(SMALL, tmp_path) == path
        assert path.read_bytes() == whole
    assert path.stat().st_uid == os.geteuid()
    assert os.listdir(tmp_path) == [path.name]
    said = capfd.readouterr().err.splitlines()
    assert len(said) == (damage is not a_link_to_nothing), said
    assert all(line.startswith(f"drtrl-bench: {path}: ") for line in said)


def test_a_recording_under_another_number_is_not_read(tmp_path: Path) -> None:
    decoded, path = data.module("events.cache"), tmp_path / "0"
    decoded.save(path, bytes(16), [np.arange(5)])
    assert decoded.load(path, bytes(16), [np.int64])[0].tolist() == [0, 1, 2, 3, 4]
    path.replace(tmp_path / "1")
    assert decoded.load(tmp_path / "1", bytes(16), [np.int64]) is None


def test_a_problem_damaged_after_it_was_made_is_a_line(tmp_path: Path) -> None:
    path = problem.prepared(SMALL, tmp_path)
    cut(path)
    with pytest.raises(OSError, match=f"{path}: the problem is gone, or damaged"):
        problem.read(path)


# What is left over


def test_what_a_killed_process_was_writing_is_removed_and_what_another_writes_is_not(tmp_path: Path) -> None:
    code = """if True:
        import os, sys
        from pathlib import Path
        from drtrl_bench.files import cache_folder, diskcache
        with diskcache.written(Path(sys.argv[1]) / "a.bin") as file:
            print("writing", flush=True)
            sys.stdin.readline()
    """
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "writing\n"
        diskcache.save_content(tmp_path / "b.bin", [b"b"])
        assert len(list(tmp_path.glob(".saving-*"))) == 1
        process.kill()
    diskcache.sweep.cache_clear()
    diskcache.save_content(tmp_path / "b.bin", [b"b"])
    assert os.listdir(tmp_path) == ["b.bin"]


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    """The system's own limit on the size of files, as a full disk would have it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            diskcache.save(tmp_path / "new" / "b.npz", {"x": np.arange(300)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list((tmp_path / "new").iterdir())


# The folder


def test_folders_are_made_for_the_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path / "a" / "cache"))
    mask = os.umask(0)
    try:
        diskcache.save_content(cache_folder.folder() / "b" / "c.bin", [b"c"])
    finally:
        os.umask(mask)
    paths = [tmp_path / "a", tmp_path / "a" / "cache", tmp_path / "a" / "cache" / "b"]
    assert [path.stat().st_mode & 0o777 for path in paths] == [0o700] * 3
    assert (paths[-1] / "c.bin").stat().st_mode & 0o777 == 0o600
    assert cache_folder.folder() == paths[1], "trusted once it is there"


def given_away(path: Path) -> None:
    path.mkdir()
    os.chown(path, OTHER, -1)


def for_all(path: Path) -> None:
    path.mkdir()
    path.chmod(0o777)


def for_the_group(path: Path) -> None:
    path.mkdir()
    path.chmod(0o775)


def dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def below_a_file(path: Path) -> None:
    path.parent.rmdir()
    path.parent.touch()


def round_and_round(path: Path) -> None:
    path.symlink_to(path)


FOLDERS: dict[str, Callable[[Path], None]] = {
    "can be written by others": for_all,
    "can be written by others (chmod": for_the_group,
    "is no folder": Path.touch,
    "is a link to nothing": dangling,
    "cannot be read (Not a directory)": below_a_file,
    "cannot be read (Too many levels of symbolic links)": round_and_round,
}
if os.geteuid() == 0:
    FOLDERS["is another user's"] = given_away


@pytest.mark.parametrize("reason", FOLDERS)
def test_a_folder_that_cannot_be_trusted_gives_way_to_a_private_one(
    reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "parent" / "cache"
    path.parent.mkdir()
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(path))
    FOLDERS[reason](path)
    found = {cache_folder.folder() for _ in range(3)}
    (folder,) = found
    assert folder.name.startswith("drtrl-bench-cache-")
    assert folder.stat().st_mode & 0o777 == 0o700
    (said,) = capfd.readouterr().err.splitlines()
    assert said.startswith(f"drtrl-bench: nothing is kept for later runs: {path} {reason}")
    assert "DRTRL_BENCH_CACHE" in said
    kept = problem.prepared(SMALL, folder)
    assert kept.parent == folder
    if path.is_dir():
        assert not list(path.iterdir())


@pytest.mark.parametrize("told", [None, "", "/", "relative", "/no/such/home"], ids=repr)
def test_without_a_home_nothing_is_kept(
    told: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "relative").mkdir()
    monkeypatch.delenv("DRTRL_BENCH_CACHE", raising=False)
    monkeypatch.delenv("DRTRL_BENCH_DATA", raising=False)

    def nobody(number: int) -> Any:
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    if told is None:
        monkeypatch.delenv("HOME", raising=False)
    else:
        monkeypatch.setenv("HOME", told)
    assert cache_folder.folder().name.startswith("drtrl-bench-cache-")
    assert data.dataset("shd").LABEL == "SHD (no files)"
    (said,) = capfd.readouterr().err.splitlines()
    assert said.startswith("drtrl-bench: nothing is kept for later runs: there is no home folder")
    assert os.listdir(tmp_path) == ["relative"]
    assert not os.listdir(tmp_path / "relative")


@pytest.mark.parametrize("told", ["", "relative", "/dev/null", "/no/such"], ids=repr)
def test_other_settings_of_the_desktop_change_nothing(
    told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DRTRL_BENCH_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", told)
    assert cache_folder.folder() == tmp_path / ".cache" / "drtrl-bench"
    assert not capfd.readouterr().err


def test_a_full_folder_gives_way_to_the_run_s_own_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    written = diskcache.written

    def full(path: Path) -> Any:
        if path.parent == tmp_path / "cache":
            raise OSError(errno.ENOSPC, "No space left on device")
        return written(path)

    monkeypatch.setattr(diskcache, "written", full)
    (tmp_path / "run").mkdir()
    paths = {problem.prepared(SMALL, tmp_path / "cache", tmp_path / "run") for _ in range(2)}
    (path,) = paths
    assert path.parent == tmp_path / "run"
    assert problem.read(path).inputs.shape == (4, 2, 3)
    (said,) = capfd.readouterr().err.splitlines()
    assert said.startswith(f"drtrl-bench: {tmp_path / 'cache'} cannot be written (No space left on device)")


def test_the_run_s_own_folder_outlives_the_child_that_solved_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the cache is full by now, the process that measures reads the problem when the one before it is gone."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path / "cache"))
    read: list[tuple[int, ...]] = []
    child = runner.child

    def reading(module: str, job: dict[str, Any], *rest: Any) -> dict[str, Any]:
        if module == "drtrl_bench.measure.problem":
            return child(module, job | {"cache": str(tmp_path / "file" / "cache")}, *rest)  # in which none can write
        read.append(problem.read(Path(job["problem"])).inputs.shape)
        return {"status": "ok", "reason": None}

    monkeypatch.setattr(runner, "child", reading)
    (tmp_path / "run").mkdir()
    assert runner.measure(SMALL, Plan("p", "", (SMALL,)), tmp_path / "run")["status"] == "ok"
    assert read == [(4, 2, 3)]


def test_what_a_child_has_to_say_is_said_once_by_its_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path / "cache"))
    case, plan = Case(**vars(SMALL)), Plan("p", "", (SMALL,))
    path = problem.prepared(case, tmp_path / "cache")
    whole = path.read_bytes()
    child = runner.child

    def without_the_worker(module: str, *rest: Any) -> dict[str, Any]:
        return child(module, *rest) if module == "drtrl_bench.measure.problem" else {"status": "ok", "reason": None}

    monkeypatch.setattr(runner, "child", without_the_worker)
    for _ in range(2):
        cut(path)
        runner.measure(case, plan, tmp_path)
        assert path.read_bytes() == whole
    (said,) = capfd.readouterr().err.splitlines()
    assert said.startswith(f"drtrl-bench: {path}: damaged")


def test_a_line_is_ascii_and_one(capfd: pytest.CaptureFixture[str]) -> None:
    cache_folder.note("a", "a line\nbreak, \x1b[31m, ü and \udcff")
    assert capfd.readouterr().err == "drtrl-bench: a line\\nbreak, \\x1b[31m, \\xfc and \\udcff\n"


HOMELESS = """if True:
    import json, sys
    from pathlib import Path
    from drtrl_bench.files import cache_folder, diskcache
    diskcache.save_content(cache_folder.folder() / "a.bin", [b"a"])
    print(json.dumps([str(cache_folder.folder()), [path.name for path in cache_folder.folder().iterdir()]]), flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("killed", [False, True])
def test_a_private_folder_is_gone_when_its_process_is_or_the_next_begins(killed: bool, tmp_path: Path) -> None:
    env = os.environ | {"HOME": "/", "TMPDIR": str(tmp_path)}
    env.pop("DRTRL_BENCH_CACHE", None)

    def started() -> subprocess.Popen[str]:
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen([sys.executable, "-c", HOMELESS], text=True, env=env, **pipes)

    with started() as one, started() as other:
        folders = []
        for process in (one, other):
            assert process.stdout
            folder, names = json.loads(process.stdout.readline())
            assert names == ["a.bin"]
            folders.append(folder)
        assert len(set(folders)) == 2
        assert sorted(map(str, tmp_path.iterdir())) == sorted(folders), "nobody removes what another uses"
        if killed:
            one.kill()
        else:
            one.communicate("\n")
        other.communicate("\n")
    assert sorted(map(str, tmp_path.iterdir())) == ([folders[0]] if killed else [])
    with started() as third:
        third.communicate("\n")
    assert not list(tmp_path.iterdir())


def test_a_stand_in_is_not_made_where_it_cannot_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DRTRL_BENCH_CACHE", raising=False)
    monkeypatch.setenv("HOME", "/")
    done = command("data", "make", "nmnist")
    assert done.returncode == 2, done.stdout + done.stderr
    said = "no home folder to keep a stand-in in; set $DRTRL_BENCH_CACHE to a folder of your own"
    assert done.stderr == f"drtrl-bench: {said}\n"


def test_a_case_is_measured_without_a_home(tmp_path: Path) -> None:
    plan, records = tmp_path / "plan.toml", tmp_path / "r.jsonl"
    fields = "steps = 4\nbatch = 2\nneurons = 3\nchunk = 4\nframework = 'torch'\n"
    plan.write_text(f"budget_s = 0.01\n[defaults]\n{fields}[[grid]]\nalgorithm = 'bptt'\n")
    env = os.environ | {"HOME": "/", "TMPDIR": str(tmp_path / "tmp"), "COLUMNS": "200"}
    for name in ("DRTRL_BENCH_CACHE", "DRTRL_BENCH_DATA"):
        env.pop(name, None)
    (tmp_path / "tmp").mkdir()
    command = [sys.executable, "-m", "drtrl_bench", "run", str(plan), "--records", str(records)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(
        "drtrl-bench: nothing is kept for later runs: there is no home folder to keep anything in; "
        "set .DRTRL_BENCH_CACHE to a folder of your own\n",
        done.stderr,
    )
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    assert [line["status"] for line in lines if line["kind"] == "record"] == ["ok"]
    left = [path for path in (tmp_path / "tmp").iterdir() if path.name.startswith("drtrl-bench")]
    assert not left
