"""Cases on jobs of a real Slurm, whose two daemons are started here: Debian's slurm-wlm on one machine.

Skipped where Slurm is not installed: `apt install slurm-wlm`, then `pytest -m slow tests/bench/cluster/test_slurm.py`.
"""

import getpass
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from drtrl_bench.case import Case, Plan
from drtrl_bench.cluster import dispatch

pytest.importorskip("dask_jobqueue")
DAEMONS = ("slurmctld", "slurmd")
MISSING = [
    name for name in (*DAEMONS, "sbatch", "scancel") if shutil.which(name, path=f"{os.defpath}:/usr/sbin") is None
]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"Slurm is not installed, it lacks {', '.join(MISSING)}"),
    pytest.mark.filterwarnings("ignore"),  # of dask, for jobs that end
]
PRETENDING = Path(__file__).parents[2] / "support" / "pretending_worker.py"
CORES = 2
CONFIGURATION = """
ClusterName=here
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
SchedulerParameters=sched_interval=1
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=8000 State=UNKNOWN
PartitionName=here Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def told(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Start Slurm's two daemons in a folder of their own, and wait until the machine takes jobs; the folder."""
    for name in ("state", "spool"):
        (tmp_path / name).mkdir()
    configuration = tmp_path / "slurm.conf"
    facts = {"host": socket.gethostname().split(".")[0], "user": getpass.getuser(), "cores": CORES, "folder": tmp_path}
    configuration.write_text(CONFIGURATION.format(**facts, ports=(free_port(), free_port())))
    monkeypatch.setenv("SLURM_CONF", str(configuration))
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin")
    monkeypatch.chdir(tmp_path)  # jobs write their output where they were sent from
    daemons = [subprocess.Popen([name, "-D"], stderr=subprocess.DEVNULL) for name in DAEMONS]
    try:
        deadline = time.monotonic() + 60
        while "idle" not in subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True).stdout:
            assert time.monotonic() < deadline, (tmp_path / "slurmctld.log").read_text()
            time.sleep(0.5)
        yield tmp_path
    finally:
        subprocess.run(["scancel", "--partition", "here", "--full"], capture_output=True)
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(timeout=30)


def records(path: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in lines if line["kind"] == "record"]


def test_a_cancelled_job_loses_and_doubles_no_record(slurm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two jobs, of which one is cancelled while both measure (which they pretend)."""
    monkeypatch.setattr(dispatch, "POLL_S", 0.05)
    monkeypatch.setenv("DRTRL_BENCH_LOCK", "none")  # both jobs at once, as if they were on two machines
    cases = tuple(
        Case(framework="torch", algorithm="drtrl", dataset="bernoulli", seed=seed, threads=1) for seed in range(40)
    )
    path, cancelled = slurm / "many.jsonl", []

    def cancel() -> None:
        while len(records(path) if path.exists() else ()) < 10:
            time.sleep(0.1)
        cancelled.extend(told("squeue", "-h", "-t", "running", "-o", "%i").split())
        told("scancel", cancelled[-1])

    thread = threading.Thread(target=cancel)
    thread.start()
    words = f"jobs=2&memory=1GB&worker_extra_args=--preload&worker_extra_args={PRETENDING}"
    found = dispatch.run(Plan("many", "", cases), path, lambda text, line: None, on=f"slurm://here?{words}")
    thread.join()
    assert len(cancelled) == 2, "both jobs ran"
    assert len(found) == 40
    assert Counter(line["case"]["seed"] for line in records(path)) == dict.fromkeys(range(40), 1)  # pyright: ignore


def test_a_case_is_measured_in_a_job(slurm: Path) -> None:
    """Measured in earnest, and jobs end with the run."""
    pytest.importorskip("torch")
    case = Case(framework="torch", algorithm="drtrl", dataset="bernoulli", neurons=4, batch=2, steps=8, chunk=4)
    plan = Plan("one", "", (case,), limit_s=120.0, budget_s=0.0)
    (line,) = dispatch.run(plan, slurm / "one.jsonl", lambda text, line: None, on="slurm://here?memory=2GB")
    assert line["status"] == "ok"
    assert line["gate"]["error"] < 1e-10
    deadline = time.monotonic() + 30
    while told("squeue", "-h").strip():
        assert time.monotonic() < deadline, told("squeue")
        time.sleep(0.5)
