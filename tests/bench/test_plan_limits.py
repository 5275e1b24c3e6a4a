"""What a plan may hold: sizes, ranges and names, told in one line before anything large is made."""

import os
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.pace import least, processor_seconds

import drtrl_bench
from drtrl_bench import case as cases
from drtrl_bench import plan as plans
from drtrl_bench import plan_table
from drtrl_bench.case import Case, Plan
from drtrl_bench.files import textfile
from drtrl_bench.plan import PlanError

TENS = ("neurons", "batch", "steps", "chunk", "layers", "seed", "features", "segments", "unroll", "threads")
TENS += ("scale_x", "scale_r")
TEN = list(range(1, 11))


def complaint(folder: Path, text: str | bytes, name: str = "mine.toml") -> str:
    """What is said of a plan, in less than a few seconds of the processor."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    found: list[str] = []

    def read() -> None:
        with pytest.raises(PlanError) as raised:
            plans.read(str(path))
        found.append(str(raised.value))

    assert processor_seconds(read) < 20
    (said,) = found
    assert str(path) in said
    assert said.isprintable()
    assert len(said) < 600 + len(str(path))
    return said


GRID = "[[grid]]\n"
LIMITS = {
    "10**12 cases": (
        GRID + "".join(f"{key} = {TEN}\n" for key in TENS),
        "1,000,000,000,000 cases; a plan may have 10,000 at most",
    ),
    "one case too many": (GRID + f"seed = {list(range(10_001))}\n", "10,001 cases; a plan may have 10,000 at most"),
    "many grids": (GRID * 10_001, "10,001 cases; a plan may have 10,000 at most"),
    "many grids of long lists": (
        f"[defaults]\nseed = {list(range(9_000))}\n" + GRID * 9_000,
        "81,000,000 cases; a plan may have 10,000 at most",
    ),
    "a number of cases of 600 digits": (
        GRID + "".join(f"a{i} = {TEN}\n" for i in range(600)),
        "some 10**600 cases; a plan may have 10,000 at most",
    ),
    "auto 251 times": (
        GRID + f'chunk = ["auto", 1]\nseed = {list(range(251))}\n',
        '251 cases with chunk = "auto"; a plan may have 250 of them at most: give numbers',
    ),
    "many rounds": (
        f"rounds = 10000\n{GRID}seed = {list(range(11))}\n",
        "10,000 rounds of 11 cases are 110,000 measurements; a plan may have 100,000 at most",
    ),
    "nested lists": (GRID + "seed = " + "[" * 9 + "1" + "]" * 9, "brackets nested deeper than 8"),
    "nested tables": (GRID + "seed = " + "{a=" * 9 + "1" + "}" * 9, "brackets nested deeper than 8"),
    "brackets without end": (GRID + "seed = " + "[" * 500_000, "brackets nested deeper than 8"),
    "dotted keys": (GRID + ".".join("abcdefghij") + " = 1", "a key of more than 8 parts"),
    "dotted keys in quotes": (GRID + '"a"' + ' . "b"' * 9 + " = 1", "a key of more than 8 parts"),
    "a deep header": ("[" + "a." * 400_000 + "a]\n", "a key of more than 8 parts"),
    "many digits": (GRID + "seed = " + "1" * 257, "a number or a name of more than 256 characters"),
    "many hexadecimal digits": (GRID + "seed = 0x" + "f" * 500_000, "a number or a name of more than 256 characters"),
    "a long key": (GRID + "a" * 500_000 + " = 1", "a number or a name of more than 256 characters"),
    "a megabyte": (GRID + "# " + "x" * 1_000_000, "1,000,011 bytes; it may have 1,000,000 at most"),
    "a long name": (
        GRID + "cell = '" + "lif_" * 200_000 + "'",
        "grid 1: cell '" + "lif_" * 15 + "'... (800,000 characters): unknown; ",
    ),
    "a long quoted key": (GRID + "'" + "neuron" * 100_000 + "' = 1", "'... (600,000 characters): unknown; "),
    "an escape sequence as key": (GRID + '"\\u001b[31m" = 1', "key '\\x1b[31m': unknown"),
    "an escape sequence as name": (GRID + 'cell = "\\u001b]0;x\\u0007"', "cell '\\x1b]0;x\\x07': unknown"),
    "a path as name": (GRID + 'dataset = "../../etc/passwd"', "dataset '../../etc/passwd': unknown"),
    "a control character": (GRID + "steps = 8 \x1b[31m", "not TOML: "),
    "a zero": (GRID + "steps = 8\x00", "not TOML: "),
    "Latin-1": (b"[[grid]]\n# caf\xe9\n", "not UTF-8 text, from byte 14 on"),
    "UTF-16": ("[[grid]]\nsteps = 8\n".encode("utf-16"), "not UTF-8 text, from byte 0 on"),
    "a lone surrogate": ("[[grid]]\n# \ud800\n", "not UTF-8 text, from byte 11 on"),
    "a lone surrogate, escaped": (GRID + 'cell = "\\ud800"', "not TOML: "),
    "nothing": ("", "needs at least one [[grid]] table"),
    "a description of two lines": (
        'description = "a\\nb"\n' + GRID,
        "description is 'a\\nb'; it must be a line of at most 1,000 printable characters",
    ),
    "a description that turns the line around": (f'description = "\u202eabc"\n{GRID}', "description is '\\u202eabc'"),
    "no description": (f"description = 3\n{GRID}", "description is 3; it must be a line"),
    "101 plugins": (f"plugins = {['a'] * 101}\n{GRID}", "plugins is a list of 101; it must be a list of files"),
    "a plugin of two lines": ('plugins = ["a\\nb"]\n' + GRID, "plugins is a list of 1; it must be a list of files"),
}


@pytest.mark.parametrize("name", LIMITS)
def test_what_is_too_much_is_one_line_at_once(name: str, tmp_path: Path) -> None:
    text, said = LIMITS[name]
    assert said in complaint(tmp_path, text)


VALUES = {
    "neurons": ("0", "1_000_001", "true", "1.0", "nan", "'8'", "[8]", "{a = 1}", "1979-05-27", "1" * 250),
    "steps": ("-1", "1_000_000_000_000_001", "false"),
    "layers": ("0", "101"),
    "batch": ("0", "1_000_001"),
    "features": ("-1", "10_000_001"),
    "chunk": ("-1", "1_000_000_000_000_001", "'Auto'", "true"),
    "scale_x": ("-0.1", "nan", "inf", "1e400", "1_000_000.5", "true", "9" * 250),
    "decay": ("nan", "inf", "1e308", "-1e-9", "1.5"),
    "decay_x": ("nan", "-1e-9", "1.5"),
    "segments": ("-1", "true"),
    "unroll": ("0", "4_097"),
    "limit_mib": ("nan", "-1", "1e10"),
    "threads": ("0", "65_537"),
    "seed": ("-1", "9_223_372_036_854_775_808"),
    "auto": ("1", "'yes'", "true"),
    "cell": ("3", "true", "''", "'LIF_DELTA'"),
}
"""Of each field, values in TOML that it must not hold."""


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in VALUES.items() for value in values])
def test_a_value_out_of_range_is_named_with_its_field(key: str, value: str, tmp_path: Path) -> None:
    assert f": grid 1: {key} " in complaint(tmp_path, f"{GRID}{key} = [{value}]\n")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("limit_s", "1e300", "limit_s is 1e+300; it must be a number above 0 and up to 604,800"),
        ("limit_s", "nan", "limit_s is nan; it must be a number above 0 and up to 604,800"),
        ("limit_s", "true", "limit_s is True; it must be a number above 0 and up to 604,800"),
        ("budget_s", "604_801", "budget_s is 604801; it must be a number from 0 to 604,800"),
        ("rounds", "1" * 200, "rounds is a number of some 199 digits; it must be a whole number from 1 to 10,000"),
        ("order_seed", "-1", "order_seed is -1; it must be a whole number from 0 to 9,223,372,036,854,775,807"),
    ],
)
def test_settings_have_ranges(key: str, value: str, said: str, tmp_path: Path) -> None:
    assert complaint(tmp_path, f"{key} = {value}\n{GRID}").endswith(said)


def test_ends_of_ranges_belong_to_them(tmp_path: Path) -> None:
    text = "limit_s = 604800\nbudget_s = 0\nrounds = 10000\norder_seed = 9223372036854775807\n"
    text += "[[grid]]\nneurons = 1_000_000\nsteps = 1_000_000_000_000_000\nlayers = 100\nseed = 9223372036854775807\n"
    text += "scale_x = 0\nscale_r = 1_000_000\ndecay = 0\nchunk = 1\nfeatures = 10_000_000\nbatch = 1_000_000\n"
    (tmp_path / "mine.toml").write_text(text)
    plan = plans.read(str(tmp_path / "mine.toml"))
    assert (plan.limit_s, plan.rounds, plan.order_seed) == (604800.0, 10_000, 2**63 - 1)
    (case,) = plan.cases
    assert (case.neurons, case.steps, case.layers, case.scale_r) == (1_000_000, 1_000_000_000_000_000, 100, 1e6)
    assert type(case.scale_r) is float


def test_every_number_has_a_range_that_holds_its_default() -> None:
    for kind in (Case, Plan):
        for field in fields(kind):
            if field.type in (int, float):
                assert field.metadata["range"].holds(field.default), field.name


def test_ten_thousand_cases_are_read_in_seconds(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(f"{GRID}seed = {list(range(10_000))}\n")
    assert len(plans.read(str(tmp_path / "mine.toml")).cases) == 10_000
    assert least(lambda: processor_seconds(lambda: plans.read(str(tmp_path / "mine.toml"))), 5) < 5


def test_strings_and_comments_are_not_looked_into(tmp_path: Path) -> None:
    deep, text = "[" * 20 + "a.b.c.d.e.f.g.h.i.j.k", "x" * 300
    lines = [
        f'description = """{deep} \\" {text}""" # {deep} "',
        GRID,
        f"cell = ['lif_delta', 'gru'] # '{deep}",
        '"neurons" = 8 # """ it\'s',
        "steps = [1, # " + deep,
        "8]",
        "dataset = '''digits'''",
        "scale_x = 1.5",
    ]
    (tmp_path / "mine.toml").write_text("\n".join(lines))
    assert len(plans.read(str(tmp_path / "mine.toml")).cases) == 4


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"\xef\xbb\xbf[[grid]]\nneurons = 9\n")
    assert [case.neurons for case in plans.read(str(tmp_path / "mine.toml")).cases] == [9]


def odd_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Files that are none, with what is said of each."""
    pipe, tree, loop, large = (folder / f"{name}.toml" for name in ("pipe", "tree", "loop", "large"))
    os.mkfifo(pipe)
    tree.mkdir()
    loop.symlink_to(loop)
    with large.open("wb") as file:
        file.truncate(2**30)
    device = folder / "device.toml"
    device.symlink_to("/dev/zero")
    return {
        "a pipe": (pipe, "a pipe; it must be a regular file"),
        "a folder": (tree, "a folder; it must be a regular file"),
        "a device": (device, "a device; it must be a regular file"),
        "a loop": (loop, "Too many levels of symbolic links"),
        "a gigabyte": (large, "1,073,741,824 bytes; it may have 1,000,000 at most"),
        "nothing": (folder / "nothing.toml", "no such file"),
        "nothing below a file": (large / "x.toml", "Not a directory"),
        "a long name": (folder / ("x" * 300 + ".toml"), "File name too long"),
        "a zero": (folder / "a\0b.toml", "no file can have this name"),
    }


@pytest.mark.parametrize("name", ["a pipe", "a folder", "a device", "a loop", "a gigabyte", "nothing"])
def test_only_a_regular_file_is_opened(name: str, tmp_path: Path) -> None:
    path, said = odd_files(tmp_path)[name]
    with pytest.raises(PlanError, match=f"{path}: {said}$"):
        plans.read(str(path))


@pytest.mark.parametrize("name", ["nothing below a file", "a long name", "a zero"])
def test_what_no_file_can_be_called_is_one_line(name: str, tmp_path: Path) -> None:
    path, said = odd_files(tmp_path)[name]
    with pytest.raises(textfile.UnreadableError, match=f": {said}$") as raised:
        textfile.read(path, 9)
    assert str(raised.value).isprintable()


def test_a_file_is_not_read_on_whatever_its_size_says(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("123456789")
    assert textfile.read(path, 9) == "123456789"
    unsized = Path("/proc/self/maps")
    assert unsized.stat().st_size == 0
    with pytest.raises(textfile.UnreadableError, match=r"more than 100 bytes, which is what it may have at most$"):
        textfile.read(unsized, 100)


@pytest.mark.parametrize("name", ["a\nb.toml", "a\x1b[31m.toml", os.fsdecode(b"\xff.toml")])
def test_a_plan_whose_name_cannot_be_shown_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(GRID)
    with pytest.raises(PlanError, match="printable characters: rename it") as raised:
        plans.read(str(tmp_path / name))
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("name", ["../plans/quick", "quick/../quick", "\ud800", "", "a\0b", "x" * 100_000])
def test_a_name_of_a_plan_is_no_path(name: str) -> None:
    with pytest.raises(PlanError, match="unknown; ") as raised:
        plans.read(name)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 200 + len(", ".join(plans.names()))


WRONG: dict[str, Any] = {
    "a float for an int": {"neurons": 64.0},
    "a bool for an int": {"layers": True},
    "nan": {"scale_x": float("nan")},
    "10**400": {"steps": 10**400},
    "10**5000": {"steps": 10**5000},
    "a lone surrogate": {"cell": "\ud800"},
    "nothing": {"dataset": None},
    "an array": {"seed": np.float64(3)},
    "a list": {"algorithm": ["drtrl"]},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_plan_made_in_python_has_the_same_ranges(name: str) -> None:
    plan = Plan("own", "", (replace(Case(), **WRONG[name]),))
    (key,) = WRONG[name]
    with pytest.raises(PlanError, match=f"^run_plan: own: {key} ") as raised:
        drtrl_bench.run_plan(plan)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 600


def test_what_is_shown_of_a_value_is_short() -> None:
    assert cases.excerpt("x" * 61) == "'" + "x" * 60 + "'... (61 characters)"
    assert cases.excerpt(10**400) == "a number of some 400 digits"
    assert cases.excerpt([1, 2]) == "a list of 2"
    assert cases.excerpt({"a": 1}) == "a table of 1"
    assert cases.excerpt("\ud800\x1b") == "'\\ud800\\x1b'"
    assert cases.excerpt(-5) == "-5"


def test_the_scan_knows_where_strings_end() -> None:
    inside = "a.b.c.d.e.f.g.h.i.j.k"
    for quote in ('"', "'", '"""', "'''"):
        assert plan_table.excess(f"x = {quote}{inside}{quote}") is None
        assert plan_table.excess(f"x = {quote}{quote}\n{inside} = 1")
    assert plan_table.excess('x = "\\"' + inside + '"') is None
    assert plan_table.excess("x = '\\'\n" + inside + " = 1")
    assert plan_table.excess(f"# {inside}\n# '\n") is None
    assert plan_table.excess(f"# '\n{inside} = 1\n# '")
