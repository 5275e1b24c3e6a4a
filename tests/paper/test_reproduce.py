"""`drtrl-bench reproduce`: from nothing to figures and verdicts, and the lines of its errors."""

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pandas as pd
import pytest
from support.pictures import raw_mathtext, text_of, touching, unnamed
from typer.testing import CliRunner

from drtrl_bench.cli import app, reproduce
from drtrl_bench.cli.terminal import UsageError
from drtrl_bench.paper import apart, experiment, listing, records, report, reproduction, runner
from drtrl_bench.paper.studies import rank1_theory


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the quickest experiment, at a size of milliseconds."""
    size = rank1_theory.Size(R=50, m=3, n=2, cells_p=3, cells_sigma=3, seeds=2)
    monkeypatch.setattr(listing, "EXPERIMENTS", {"rank1_theory": "drtrl_bench.paper.studies.rank1_theory"})
    monkeypatch.setattr(rank1_theory, "SIZES", {"cpu": size, "paper": dataclasses.replace(size, seeds=3)})


def invoke(*words: str) -> str:
    done = CliRunner().invoke(app.app, ["reproduce", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_from_nothing_to_figures_and_verdicts(tiny: None, tmp_path: Path) -> None:
    places = ("--records", str(tmp_path / "rows"), "--out", str(tmp_path / "one"))
    said = invoke(*places)
    assert "rank1_theory: 8 of 8 jobs done" in said
    assert "REPRODUCTION.md: which claims stand" in said
    again = invoke("--draw-only", "--records", str(tmp_path / "rows"), "--out", str(tmp_path / "two"))
    assert "jobs done" not in again
    for name in ("rank1_theory.png", "rank1_theory.pdf", "rank1_theory.csv"):
        one, two = (tmp_path / folder / "figures" / "paper" / name for folder in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
    one, two = ((tmp_path / folder / reproduction.FILE).read_text(encoding="utf-8") for folder in ("one", "two"))
    assert one == two
    assert "| 1 | 2.3 | cos(sum of x_r" in one
    assert "| [code] check_approx.py |" in one
    assert "| `rank1_theory.png` | drawn numbers (synthetic) | " in one
    assert "older code" not in one


def test_an_experiment_that_was_not_run_says_so(tiny: None, tmp_path: Path) -> None:
    text = reproduction.table([("rank1_theory", None, [])])
    assert "| not run |  | drtrl-bench reproduce rank1_theory | [code] check_approx.py |" in text
    assert "| `rank1_theory`: theory of the rank-1 approximation |  |  | not run |  |  |" in text


def test_a_verdict_on_a_part_of_the_data_names_that_part() -> None:
    rows = pd.DataFrame({"data": ["digits", "speech"], "synthetic": [False, True], "env_hash": "e", "setup": "A"})
    rows.attrs = {"size": "cpu", "results": "0" * 16, "environments": {"e": {}}, "jobs": 2, "cpu_s": 3.2}
    rows["commits"] = [frozenset()] * 2
    claim = experiment.Claim("it holds", "[code] x.py")
    both = experiment.Verdict(claim, "cannot be judged here", "1", "so")
    text = reproduction.table([("rank1_theory", rows, [both, dataclasses.replace(both, data="digits")])])
    first, second = (line for line in text.splitlines() if "it holds" in line)
    assert "| cannot be judged here | 1 | so |" in first
    assert "| cannot be judged here | digits: 1 | so |" in second
    assert "| digits, speech (synthetic) |" in text
    assert "| 3, 2 jobs |" in text


def test_the_list_says_what_is_done(tiny: None, tmp_path: Path) -> None:
    assert "0 of 8 jobs done" in " ".join(invoke("--list", "--records", str(tmp_path)).split())
    runner.run("rank1_theory", "cpu", tmp_path / "rank1_theory.jsonl", lambda *_: None, print)
    assert "8 of 8 jobs done" in " ".join(invoke("--list", "--records", str(tmp_path)).split())
    listed = " ".join(invoke("--list", "--records", str(tmp_path)).split())
    assert "together at size cpu: 8 of 8 jobs done, " in listed
    # at the larger size two seeds of each are the same jobs
    assert "8 of 12 jobs done" in " ".join(invoke("--list", "--records", str(tmp_path)).split())


def test_the_list_says_what_each_size_costs(tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rank1_theory.jsonl"
    monkeypatch.setattr(rank1_theory, "ABOUT", dataclasses.replace(rank1_theory.ABOUT, cpu_seconds=12.3))
    assert reproduce.standing("rank1_theory", "cpu", []) == "0 of 8 jobs done, about 12 s of a core"
    assert reproduce.standing("rank1_theory", "paper", []) == "0 of 12 jobs done, cost not measured yet"
    seconds = iter([0.0, 10.0] * 8)
    monkeypatch.setattr(apart, "cpu_seconds", lambda: next(seconds))
    runner.run("rank1_theory", "cpu", path, lambda *_: None, print)
    lines, _ = records.read(path)
    assert reproduce.standing("rank1_theory", "cpu", lines) == "8 of 8 jobs done, 80 s of a core"
    assert reproduce.standing("rank1_theory", "paper", lines) == "8 of 12 jobs done, 80 s of a core so far"
    assert reproduce.together(["rank1_theory"], "cpu", tmp_path) == "8 of 8 jobs done, 80 s of a core so far"
    none = reproduce.together(["rank1_theory"], "cpu", tmp_path / "none")
    assert none == "0 of 8 jobs done, 0 s of a core so far, about 12 s for 1 experiment without results"
    # where the committed results have all its jobs, they say what it takes, and not what its module thought
    monkeypatch.setattr(reproduce, "COMMITTED", tmp_path)
    assert reproduce.standing("rank1_theory", "cpu", []) == "0 of 8 jobs done, about 80 s of a core"
    unknown = reproduce.together(["rank1_theory"], "paper", tmp_path / "none")
    assert unknown == "0 of 12 jobs done, 0 s of a core so far, 1 experiment not measured yet"


@pytest.mark.parametrize(
    ("size", "dataset", "label", "holds", "said"),
    [
        ("paper", "shd", "SHD", True, "reproduced"),
        ("paper", "shd", "SHD", False, "not reproduced"),
        ("paper", "shd", "SHD layout (synthetic speech)", True, "only at reduced size"),
        ("paper", "shd", "SHD layout (synthetic speech)", False, "not at reduced size"),
        # recorded, and no recordings of the data set that was published: SYNTHETIC is False of these
        ("paper", "nmnist", "N-MNIST layout (event-converted digits)", True, "only at reduced size"),
        ("paper", "nmnist", "N-MNIST layout (other recordings)", False, "not at reduced size"),
        ("paper", "nmnist", "N-MNIST", True, "reproduced"),
        ("cpu", "shd", "SHD", True, "only at reduced size"),
        ("cpu", "shd", "SHD", False, "not at reduced size"),
        ("paper", "shd", "SHD", None, "cannot be judged here"),
        ("cpu", "shd", "SHD layout (synthetic speech)", None, "cannot be judged here"),
        # what the published code draws, too, stands for nothing else
        ("paper", "bernoulli", "bernoulli (synthetic)", True, "reproduced"),
        ("paper", None, "drawn numbers (synthetic)", False, "not reproduced"),
        ("cpu", "bernoulli", "bernoulli (synthetic)", False, "not at reduced size"),
    ],
)
def test_a_verdict_is_full_at_the_published_size_on_the_published_data(
    size: str, dataset: str | None, label: str, holds: bool | None, said: str
) -> None:
    rows = pd.DataFrame({"dataset": [dataset], "data": [label], "synthetic": ["synthetic" in label]})
    rows.attrs["size"] = size
    assert report.outcome(rows, holds) == said
    if dataset is None:
        del rows["dataset"]
        assert report.outcome(rows, holds) == said


@pytest.mark.parametrize("name", ["artificial", "connectome", "memory_speed", "integrator"])
def test_what_is_replaced_at_every_size_reproduces_nothing(name: str) -> None:
    rows = pd.DataFrame({"data": ["drawn numbers (synthetic)"], "synthetic": [True]})
    rows.attrs |= {"size": "paper", "instead": records.instead(name)}
    assert report.outcome(rows, holds=True) == "only at reduced size"


def test_a_sample_of_a_network_counts_once() -> None:
    """Two layers, of two samples of one seed, one of them silent; and the same samples in another network."""
    rows = pd.DataFrame({"part": ["layer0", "layer1"] * 4, "sample": [0, 0, 1, 1] * 2, "seed": 0, "neurons": 5})
    rows["rate"], rows["density"], rows["cell"] = [0, 0, 20, 20] * 2, 0.02, ["lif_delta"] * 4 + ["lif_std"] * 4
    assert "2 of 4 samples silent" in report.activity(rows)
    assert report.activity(rows.iloc[:0]) == "nothing was measured"


def test_the_rates_of_the_extreme_settings_are_said() -> None:
    """By hand: two settings of two samples, of which each has the rows of two layers; a third is undefined."""
    rows = pd.DataFrame({"part": ["layer0", "layer1"] * 2, "sample": [0, 0, 1, 1], "seed": 0})
    settings = {name: rows.assign(rate=hertz) for name, hertz in
                {"a": [0.0, 0, 0, 0], "b": [10.0, 10, 30, 30], "c": [5.0, 5, 5, 5]}.items()}  # fmt: skip
    said = report.rates(settings, {"a": 0.9, "b": 0.2, "c": float("nan")})
    assert said == (
        "median firing rate of the network 20 Hz where the cosine is least, 0 Hz where it is greatest, "
        "0 Hz in 1 of 3 settings"
    )
    assert report.rates(settings, dict.fromkeys(settings, float("nan"))) == "no cosine is defined"


def test_every_open_verdict_of_the_committed_table_says_why() -> None:
    text = (Path(__file__).parents[2] / "results" / reproduction.FILE).read_text(encoding="utf-8")
    cells = [line.split(" | ")[3] for line in text.partition("## Every claim")[2].splitlines() if line.startswith("| ")]
    open_ = [cell for cell in cells if cell.startswith("cannot be judged here")]
    assert len(open_) > 5
    assert all(len(cell) > len("cannot be judged here: ") for cell in open_), open_


def test_nothing_is_said_to_be_reduced_that_is_not() -> None:
    """Of a frame at the published size, with data that the published code draws, too, and of the same at another."""
    rows = pd.DataFrame({"data": ["drawn numbers (synthetic)"], "synthetic": [True]})
    rows.attrs |= {"size": "paper", "instead": ""}
    assert reproduction.reduced([None, rows]) == ""
    rows.attrs["instead"] = "other neurons"
    assert reproduction.reduced([None, rows]).startswith("No claim was judged at the published size")
    rows.attrs |= {"size": "cpu", "instead": ""}
    assert reproduction.reduced([rows]).startswith("No claim was judged at the published size")


def test_every_verdict_is_by_the_one_rule() -> None:
    """The words of a verdict stand in `report.outcome` alone."""
    folder = Path(report.__file__).parent
    own = ("report.py", "experiment.py", "reproduction.py")
    others = [path for path in folder.rglob("*.py") if path.name not in own]
    assert len(others) > 10
    for path in others:
        text = path.read_text(encoding="utf-8")
        assert not [words for words in get_args(experiment.Outcome) if f'"{words}"' in text], path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rank1"], "experiment 'rank1': unknown; did you mean rank1_theory?"),
        (["--size", "huge"], "--size huge: there are cpu and paper"),
        (["--draw-only"], "no results of any experiment at size cpu in .*; without --draw-only they are made"),
    ],
)
def test_errors_are_one_line_with_the_next_step(tiny: None, tmp_path: Path, words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        CliRunner().invoke(app.app, ["reproduce", *words, "--records", str(tmp_path)], catch_exceptions=False)


def test_the_figure_is_complete_and_legible(tiny: None, tmp_path: Path) -> None:
    path = tmp_path / "rank1_theory.jsonl"
    runner.run("rank1_theory", "cpu", path, lambda *_: None, print)
    lines, environments = records.read(path)
    rows = records.frame(lines, environments, "cpu")
    for figure, _ in rank1_theory.figures(rows).values():
        assert unnamed(figure) == []
        assert touching(figure) == []
        assert raw_mathtext(figure) == []
        text = text_of(figure)
        for said in ("drawn numbers (synthetic)", f"records {rows.attrs['results']}", "as published", "corrected"):
            assert said in text


def test_results_of_other_sources_are_drawn_and_named_so(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke("--records", str(tmp_path), "--out", str(tmp_path))
    monkeypatch.setattr(runner, "implementation_sha", lambda name, job: "f" * 16)
    said = " ".join(invoke("--draw-only", "--records", str(tmp_path), "--out", str(tmp_path)).split())
    assert "8 of 8 results are of other sources or data than are here" in said
    text = (tmp_path / reproduction.FILE).read_text(encoding="utf-8")
    assert "older code" not in text  # which is said of the code, and not of the data of this machine
    path = tmp_path / "rank1_theory.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    changed = [json.dumps(json.loads(line) | {"implementation_sha": "f" * 16}) for line in lines[-1:]]
    path.write_text("\n".join([*lines[:-1], *changed]) + "\n", encoding="utf-8")
    invoke("--draw-only", "--records", str(tmp_path), "--out", str(tmp_path))
    text = (tmp_path / reproduction.FILE).read_text(encoding="utf-8")
    assert "1 of 8 results are of older code than is here" in text


def test_what_is_half_done_is_neither_drawn_nor_judged(tiny: None, tmp_path: Path) -> None:
    invoke("--records", str(tmp_path), "--out", str(tmp_path))
    path = tmp_path / "rank1_theory.jsonl"
    path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:-1]), encoding="utf-8")
    words = ["reproduce", "--draw-only", "--records", str(tmp_path), "--out", str(tmp_path)]
    with pytest.raises(UsageError, match="no results of any experiment"):
        CliRunner().invoke(app.app, words, catch_exceptions=False)


def test_too_few_recordings_are_named_with_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    published = SimpleNamespace(name="SHD", stand_in="synthetic speech")
    events = SimpleNamespace(
        published=published, CLASSES=20, LABEL="SHD layout (synthetic speech)", recordings=lambda split: ([], [0] * 36)
    )
    monkeypatch.setattr(runner.data, "dataset", lambda name: SimpleNamespace(events=events))
    monkeypatch.setattr(runner.data, "unavailable", lambda name: None)
    runner.provide([{"dataset": "shd", "samples": 36}], print)
    with pytest.raises(
        OSError, match="has 36 recordings for training, a job needs 100: drtrl-bench data make shd --train 10"
    ):
        runner.provide([{"dataset": "shd", "samples": 4}, {"dataset": "shd", "samples": 100}], print)


def test_a_stand_in_is_made_where_there_are_no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    published = SimpleNamespace(name="SHD", stand_in="synthetic speech", classes=20)
    events, files, said = SimpleNamespace(published=published, recordings=lambda split: ([], [0] * 36)), [], []

    def make(of: Any, report: Any, per_class: dict[str, int]) -> None:
        files.append((of.name, per_class))
        for done in range(101):
            report("test", done, 100)

    modules = {
        "events.availability": SimpleNamespace(location=lambda of: files or None),
        "events.make_stand_in": SimpleNamespace(make=make),
    }
    monkeypatch.setattr(runner.data, "dataset", lambda name: SimpleNamespace(events=events))
    monkeypatch.setattr(runner.data, "unavailable", lambda name: None if files else "no files of SHD")
    monkeypatch.setattr(runner.data, "module", modules.get)
    runner.provide([{"dataset": "shd"}, {"seed": 0}], said.append)
    assert files == [("SHD", {"train": 8, "valid": 2, "test": 5})]  # 100 recordings of 20 words are tested
    assert said == [
        "no files of SHD: making a small stand-in, synthetic speech, once; it takes minutes",
        "SHD, test: 50 of 100 recordings",
        "SHD, test: 100 of 100 recordings",
    ]
    monkeypatch.setattr(runner.data, "unavailable", lambda name: "h5py is not installed")
    with pytest.raises(OSError, match="h5py is not installed"):
        runner.provide([{"dataset": "shd"}], said.append)
