"""The report: one file that loads nothing, escapes everything and shows where each number comes from."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support.lines import DIGITS, environment, grid, line, write

from drtrl_bench.case import Case
from drtrl_bench.view import report

EVIL = "<script>alert('x')</script> & \"quotes\""


class Page(HTMLParser):
    """Tags with their attributes, in order; void tags need no end, all others must be closed."""

    VOID = ("meta", "input", "img", "br", "rect", "path")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.stack: list[str] = []
        self.feed(text)
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def pictures_are_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures have their own tests; drawing three of them takes seconds."""
    monkeypatch.setattr(report, "picture", lambda name, frame: ("AAAA", False))


def made(folder: Path, lines: list[dict], environments: list[dict] | None = None) -> str:
    return report.write(write(folder, lines, environments), folder / "out" / "report.html").read_text(encoding="utf-8")


def test_is_one_file_that_loads_nothing(tmp_path: Path) -> None:
    text = made(tmp_path, grid(steps=(64,)))
    page = Page(text)
    images = [image["src"] or "" for image in page.all("img")]
    assert len(images) == 3
    assert all(src.startswith("data:image/png;base64,iVBOR") for src in images)
    assert all((link["href"] or "").startswith("#") for link in page.all("a"))
    assert not page.all("link")
    assert [script for script in page.all("script") if "src" in script] == []
    assert not re.search(r"https?://|@import|url\(", text)


@pytest.mark.usefixtures("pictures_are_quick")
def test_is_the_same_each_time(tmp_path: Path) -> None:
    assert made(tmp_path, grid()) == made(tmp_path, grid())


@pytest.mark.usefixtures("pictures_are_quick")
def test_everything_read_is_escaped(tmp_path: Path) -> None:
    """All texts that a record may hold; what stands where a name, a hash or a date must is not read at all."""
    bad = line(Case(), status="error", reason=EVIL, plan=EVIL)
    odd = line(Case(steps=64), data={"label": EVIL, "synthetic": False, "fingerprint": None})
    odd["memory"]["meter"] = odd["gate"]["reference"] = EVIL
    text = made(tmp_path, [bad, odd], [environment(cpu=EVIL, versions={EVIL: EVIL, "jax": EVIL})])
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
    assert len(Page(text).all("script")) == 1


@pytest.mark.usefixtures("pictures_are_quick")
def test_every_case_is_a_row_with_numeric_sort_keys(tmp_path: Path) -> None:
    lines = [*grid(), line(Case(algorithm="rtrl", steps=4096), status="oom", reason="too large")]
    page = Page(made(tmp_path, lines))
    rows = [body for body in page.all("tbody") if "data-status" in body]
    assert len(rows) == len(lines)
    columns = [button for button in page.all("button") if "data-column" in button]
    headers = [name for name in rows[0] if re.fullmatch(r"data-s\d+", name)]
    assert len(headers) == len(columns)
    words = {"data-s0", "data-s2", "data-s4"}  # algorithm, framework, status; K and T between them are numbers
    for row in rows:
        for name in set(headers) - words:
            assert row[name] == "" or float(row[name] or "nan") >= 0
    assert sum(row["data-s5"] == "" for row in rows) == 1


@pytest.mark.usefixtures("pictures_are_quick")
def test_headers_sort_by_keyboard_and_filters_have_labels(tmp_path: Path) -> None:
    page = Page(made(tmp_path, grid()).partition("<h2>Other libraries</h2>")[0] + "</main></body></html>")
    assert len([b for b in page.all("button") if "data-column" in b]) == len(page.all("th")) - 1 - len(small(page))
    assert [s["data-filter"] for s in page.all("select")] == ["status", "framework", "algorithm"]
    assert all(b.get("aria-expanded") == "false" for b in page.all("button") if b.get("class") == "open")


def small(page: Page) -> list[dict[str, str | None]]:
    """Header cells of the tables inside details: five above each, one before each of its six rows."""
    tables = [t for t in page.all("table") if t.get("class") == "small"]
    return [{}] * (11 * len(tables))


@pytest.mark.usefixtures("pictures_are_quick")
def test_the_search_finds_whole_words_those_of_the_command(tmp_path: Path) -> None:
    lines = [line(Case(steps=64, chunk=32), unstable=True), line(Case(algorithm="rtrl"), plan="mine")]
    text = made(tmp_path, lines)
    drtrl, rtrl = (set((body["data-words"] or "").split()) for body in Page(text).all("tbody") if "data-words" in body)
    own = {Case(steps=64, chunk=32).key, "quick", "ok", "unstable"}
    sizes = {"t=64", "k=32", "n=64", "b=8", "l=1"}
    assert drtrl == {"drtrl", "jax", "lif_delta", "leaky", "digits", "float32", "cpu"} | sizes | own
    assert {"rtrl", "mine"} <= rtrl
    assert not {"unstable", "quick"} & rtrl
    assert 'words.every(w => c.dataset.words.split(" ").includes(w))' in text


@pytest.mark.usefixtures("pictures_are_quick")
def test_every_case_shows_its_layers_and_its_cost_over_bptt(tmp_path: Path) -> None:
    lines = [line(Case(algorithm="bptt", chunk=128), time_s=0.01), line(Case(), time_s=0.025)]
    lines[1]["fidelity"]["per_layer"]["layer0"] = {"cosine": 0.951, "error": 0.9, "norm_ratio": 0.1}
    text = made(tmp_path, lines)
    for said in ("time x BPTT", "hidden cos norm", ">2.50<", ">0.951 0.10<", ">24.2<"):
        assert said in text, said


@pytest.mark.usefixtures("pictures_are_quick")
def test_a_number_of_segments_stands_behind_the_name(tmp_path: Path) -> None:
    native = Case(algorithm="bptt_native", chunk=128)
    text = made(tmp_path, [line(native), line(replace(native, segments=8)), line(Case())])
    assert ">bptt_native<" in text
    assert ">bptt_native/8<" in text
    assert ">segments<" not in text


@pytest.mark.usefixtures("pictures_are_quick")
def test_wrong_cases_show_a_reason_and_no_measurement(tmp_path: Path) -> None:
    bad = line(Case(), time_s=0.0777) | {"status": "wrong", "reason": "gate red"}
    text = made(tmp_path, [bad])
    assert "gate red" in text
    assert "77.7" not in text
    assert "working_bytes" not in text
    assert "<svg" not in text


@pytest.mark.usefixtures("pictures_are_quick")
def test_provenance_of_every_round(tmp_path: Path) -> None:
    lines = [line(Case(), time_s=0.01 + n / 1000, round=n, implementation_sha=f"sha{n}") for n in range(3)]
    text = made(tmp_path, lines)
    for said in (Case().key, "sha0", "sha1", "sha2", "error 2.0e-16, limit 1e-10", DIGITS, "beef", "AMD EPYC"):
        assert said in text
    assert text.count("4 samples, median") == 3 * 2
    assert 'href="#env-e1"' in text
    assert 'id="env-e1"' in text
    assert "layer0.x" in text
    assert "0123456789abcdef" in text


@pytest.mark.usefixtures("pictures_are_quick")
@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([], id="none"),
        pytest.param([line(Case(), status="timeout", reason=None, data={})], id="failed"),
        pytest.param([line(Case(), env_hash="unknown")], id="no environment"),
        pytest.param([line(Case()) | {"fidelity": {}, "activity": {}, "memory": {}}], id="time only"),
    ],
)
def test_gaps_in_records_are_no_trouble(tmp_path: Path, lines: list[dict]) -> None:
    Page(made(tmp_path, lines))


def test_what_other_libraries_call_it_is_at_the_end(tmp_path: Path, pictures_are_quick: None) -> None:
    """Two tables, closed until they are wanted, with code where the map has code."""
    text = made(tmp_path, grid(steps=(64,)))
    there = text.partition("<h2>Other libraries</h2>")[2]
    assert re.findall(r"<summary>(.*?)</summary>", there) == ["what each calls what", "which rules exist where"]
    assert "open" not in "".join(re.findall(r"<details[^>]*>", there))
    assert re.search(
        r"<th scope=\"row\">D-RTRL</th><td><code>drtrl</code></td><td><code>D_RTRL</code></td><td>-</td>", there
    )
    assert re.search(
        r"decay a = exp\(-1/tau\)</th><td><code>tau</code></td><td>.*?<td><code>beta</code> = a</td>", there
    )
    rows = [row.count("</td>") + row.count("</th>") for row in re.findall(r"<tr>(.*?)</tr>", there)]
    assert set(rows) == {7}, "the name, this project, and five libraries"
