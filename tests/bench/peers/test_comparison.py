"""The rows of a comparison: put together by round, told apart by size, and as wide as a terminal."""

from typing import Any

import pytest
from rich.console import Console

from drtrl_bench.peers import comparison
from drtrl_bench.view import peers_table

EXACT = {"peer": (0.9876, 1.0312), "ours": (1.0, 0.9996)}
"""Cosine and norm ratio on both sides."""


def printed(every: list[comparison.Row]) -> list[str]:
    """The lines of the table in a terminal of 80 columns."""
    console = Console(width=80)
    with console.capture() as text:
        peers_table.render(every, console)
    return text.get().splitlines()


def peer(number: int, seconds: float, status: str = "ok", **more: Any) -> dict[str, Any]:
    gate = {"outcome": "differs", "reason": "the reset", "error": 0.3, "explained": 1e-15}
    measured = {"time": {"median_s": seconds}, "memory": {"working_bytes": 3 * 2**20}, "gate": gate}
    cosine, norm_ratio = EXACT[more.get("kind", "peer")]
    measured["fidelity"] = {"overall": {"cosine": cosine, "norm_ratio": norm_ratio, "error": 0.1}}
    at = {"kind": "peer", "run": "now", "round": number, "peer": "norse", "way": "bptt", "cell": "lif_delta"}
    at |= {"neurons": 256, "steps": 2048, "batch": 16, "features": 64}
    return at | {"status": status, "reason": None} | (measured if status == "ok" else {}) | more


def own(number: int, algorithm: str, seconds: float, status: str = "ok") -> dict[str, Any]:
    line = peer(number, seconds, status, kind="ours", case={"algorithm": algorithm})
    return line | ({"memory": {"working_bytes": 2**21 if algorithm == "bptt" else 2**22}} if status == "ok" else {})


LINES = [
    *(peer(0, 0.6), own(0, "bptt", 0.2), own(0, "bptt_native", 0.25)),
    *(peer(1, 0.8), own(1, "bptt", 0.4), own(1, "bptt_native", 0.45)),
    *(peer(2, 0.6), own(2, "bptt", 0.2), own(2, "bptt_native", 0.1)),
]


def test_ratios_are_those_of_each_round_over_the_quickest_here() -> None:
    """bptt has medians 0.2, 0.4, 0.2 and bptt_native 0.25, 0.45, 0.1: bptt it is, in every round."""
    (row,) = comparison.rows(LINES)
    assert row.name == "bptt"
    assert row.ratios == pytest.approx((3.0, 2.0, 3.0))
    assert (row.x_time, row.x_memory) == (pytest.approx(3.0), 1.5)
    assert (row.theirs.seconds, row.ours.seconds) == (0.6, 0.2)
    costs = "600 | 3 | 0.988 | 1.031 | bptt | 200 | 2 | 1.000 | 1.000 | 3 (2 to 3) | 1.5"
    shown = f"| norse `bptt` | `lif_delta` | 256 | 2,048 | 16 | 64 | {costs} | differs: the reset |"
    assert comparison.markdown([row]).splitlines()[2] == shown


def test_with_one_thread_the_times_are_the_processors() -> None:
    """The clock's say 3, the processor's 4; they are taken if every line has them, and one thread worked in each."""
    theirs, own_line = peer(0, 0.6), own(0, "bptt", 0.2)
    theirs["time"] |= {"unstable": True, "busy": True, "cpu_samples_s": [0.41, 0.39, 0.4]}
    own_line["time"] |= {"busy": True, "cpu_samples_s": [0.1, 0.1, 0.1]}
    theirs["case"], own_line["case"] = {"threads": 1}, {"threads": 1, "algorithm": "bptt"}
    (row,) = comparison.rows([theirs, own_line])
    assert (row.ratios, row.theirs.seconds, row.ours.seconds) == ((pytest.approx(4.0),), 0.4, 0.1)
    assert (row.theirs.mark, row.ours.mark) == ("", "")
    jumping = theirs["time"] | {"cpu_samples_s": [0.4, 0.2, 0.8]}
    (row,) = comparison.rows([theirs | {"time": jumping}, own_line])
    assert row.theirs.mark == "~"
    (row,) = comparison.rows([theirs | {"case": {"threads": 2}}, own_line])
    assert (row.ratios, row.theirs.mark) == ((pytest.approx(3.0),), "~")
    without = theirs["time"] | {"cpu_samples_s": None}
    (row,) = comparison.rows([theirs | {"time": without}, own_line])
    assert row.ratios == (pytest.approx(3.0),)


def test_each_size_is_a_row_and_what_was_measured_again_counts_once() -> None:
    other = [line | {"steps": 128} for line in (peer(0, 0.9), own(0, "bptt", 0.3))]
    cut_off = [peer(2, 6.0), own(2, "bptt", 6.0)]
    every = comparison.rows([*LINES[:6], *cut_off, *LINES[6:], *other])
    assert [(row.steps, row.ratios) for row in every] == [
        (2048, pytest.approx((3.0, 2.0, 3.0))),
        (128, pytest.approx((3.0,))),
    ]


def test_an_algorithm_that_failed_in_a_round_is_not_compared_with() -> None:
    lines = [own(0, "bptt", 0, "oom") if line is LINES[1] else line for line in LINES]
    (row,) = comparison.rows(lines)
    assert row.name == "bptt_native"


def test_what_there_is_no_number_of_has_a_reason() -> None:
    (row,) = comparison.rows([*LINES, peer(3, 0, "timeout", reason="stopped")])
    assert row.reason == "timeout: stopped"
    (row,) = comparison.rows([LINES[0], own(0, "bptt", 0, "oom") | {"reason": "too large"}])
    assert row.reason == "here oom: too large"
    (row,) = comparison.rows([LINES[0]])
    assert row.reason == "here error: not measured"


def test_rows_of_other_batches_and_features_are_told_apart() -> None:
    larger = [line | {"batch": 64, "features": 1024} for line in (peer(0, 0.9), own(0, "bptt", 0.3))]
    every = comparison.rows([*LINES, *larger])
    assert [(row.batch, row.features) for row in every] == [(16, 64), (64, 1024)]
    headers, _, first, second = comparison.markdown(every).splitlines()
    assert headers.startswith("| library | cell | N | T | B | I | ms |")
    assert first.startswith("| norse `bptt` | `lif_delta` | 256 | 2,048 | 16 | 64 | 600 |")
    assert second.startswith("| norse `bptt` | `lif_delta` | 256 | 2,048 | 64 | 1,024 | 900 |")
    assert [line for line in printed(every) if line.startswith("lif_delta")] == [
        "lif_delta, N = 256, T = 2,048, B = 16, I = 64",
        "lif_delta, N = 256, T = 2,048, B = 64, I = 1,024",
    ]


def test_a_turn_that_was_measured_again_counts_from_its_peer_on() -> None:
    """The bptt of the first attempt is not beside the peer's second: there is none yet."""
    (row,) = comparison.rows([peer(0, 0.6), own(0, "bptt", 0.2), peer(0, 0.8)])
    assert row.reason == "here error: not measured"


NEWEST = {"installed": {"version": "1.2.0", "newest": True, "pins": "0"}}


def test_another_release_is_named_and_not_mixed_with_the_pinned_one() -> None:
    pinned = {"installed": {"version": "1.1.0", "newest": False, "pins": "0"}}
    lines = [line | pinned for line in (peer(0, 0.6), own(0, "bptt", 0.2), peer(1, 0.6), own(1, "bptt", 0.2))]
    (row,) = comparison.rows(lines)
    assert (row.library, row.ratios) == ("norse", pytest.approx((3.0, 3.0)))
    (row,) = comparison.rows([*lines, peer(0, 0.1) | NEWEST, own(0, "bptt", 0.2)])
    assert (row.library, row.ratios) == ("norse 1.2.0", pytest.approx((0.5,)))
    assert comparison.markdown([row]).splitlines()[2].startswith("| norse 1.2.0 `bptt` |")
    assert printed([row])[3].startswith("norse 1.2.0 bptt [1] ")
    (row,) = comparison.rows([peer(0, 0, "wrong", reason="off by 1") | NEWEST])
    assert (row.library, row.reason) == ("norse 1.2.0", "wrong: off by 1")
    (row,) = comparison.rows([peer(0, 0.1, versions={"norse": "1.0.0"}), own(0, "bptt", 0.2)])
    assert row.library == "norse 1.0.0", "of lines that have no release"


@pytest.mark.parametrize("flag", ["unstable", "busy"])
def test_a_time_that_is_in_doubt_in_some_round_has_a_mark_and_so_has_its_ratio(flag: str) -> None:
    def shown(kind: str, doubtful: str) -> list[str]:
        """The cells of time and ratio with the second round of one algorithm in doubt."""
        lines = [
            line | {"time": line["time"] | {flag: True}}
            if (line["round"], line["kind"], line.get("case", {}).get("algorithm", "")) == (1, kind, doubtful)
            else line | {"time": line["time"] | {"unstable": False, "busy": False}}
            for line in LINES
        ]
        cells = comparison.markdown(comparison.rows(lines)).splitlines()[2].split(" | ")
        return [cells[6], cells[11], cells[15]]

    assert shown("", "") == ["600", "200", "3 (2 to 3)"]
    assert shown("peer", "") == ["600~", "200", "3~ (2 to 3)"]
    assert shown("ours", "bptt") == ["600", "200~", "3~ (2 to 3)"]
    assert shown("ours", "bptt_native") == ["600", "200", "3 (2 to 3)"], "which is not compared with"


def test_a_gradient_of_which_nothing_can_be_said_has_no_cosine() -> None:
    lines = [LINES[0] | {"fidelity": {"overall": {"cosine": None, "norm_ratio": None}}}, LINES[1]]
    assert " | 600 | 3 | none | none | bptt | 200 | 2 | 1.000 | 1.000 | " in comparison.markdown(comparison.rows(lines))


def test_a_terminal_of_80_columns_has_room_for_the_longest_names() -> None:
    """Ways with the longest names beside the longest here, at two sizes, slow and large."""
    names = [("spikingjelly", "bptt_detached"), ("snntorch", "bptt_undelayed"), ("braintrace", "d_rtrl_windows")]
    slow = {"median_s": 1.23, "unstable": True}
    lines = [
        line | {"peer": name, "way": way, "cell": "lif_delta_hard", "steps": steps, "neurons": 1024, "features": 1024}
        for steps in (512, 16384)
        for name, way in names
        for line in (
            peer(0, 1.23, memory={"working_bytes": 123 * 2**20}, time=slow),
            own(0, "bptt_checkpointed", 0.1234) | {"memory": {"working_bytes": 77 * 2**20}},
        )
    ]
    lines.append(peer(0, 0, "timeout", reason="stopped after 300 s") | {"peer": "norse", "steps": 512})
    shown = [line.replace("\N{NO-BREAK SPACE}", " ") for line in printed(comparison.rows(lines))]
    headers = [f"{'way':30}      ms  MiB    cos   norm  x time  x MiB", 72 * "─"]
    assert shown == [
        *(
            line
            for steps in ("512", "16,384")
            for line in (
                f"lif_delta_hard, N = 1,024, T = {steps}, B = 16, I = 1,024",
                *headers,
                *(
                    line
                    for name, way in names
                    for line in (
                        f"{f'{name} {way} [1]':30}   1230~  123  0.988  1.031   9.97~    1.6",
                        f"{'  bptt_checkpointed here':30}  123.4    77  1.000  1.000",
                    )
                ),
            )
        ),
        "lif_delta, N = 256, T = 512, B = 16, I = 64",
        *headers,
        "norse bptt [2]",
        "ms: by the clock; where one thread worked by the processor, which other work",
        "disturbs less",
        "x: the library's over this project's, the median of the rounds",
        "cos, norm: cosine with the exact gradient, and norm over that of the exact one,",
        "all weights as one vector",
        "~: unstable samples or a busy machine in some round",
        "[1] differs: the reset",
        "[2] timeout: stopped after 300 s",
    ]
    assert max(map(len, shown)) <= 80
