"""The rows of a comparison: put together by round, told apart by size, and as wide as a terminal."""

from typing import Any

import pytest

from drtrl_bench.peers import comparison


def peer(number: int, seconds: float, status: str = "ok", **more: Any) -> dict[str, Any]:
    gate = {"outcome": "differs", "reason": "the reset", "error": 0.3, "explained": 1e-15}
    measured = {"time": {"median_s": seconds}, "memory": {"working_bytes": 3 * 2**20}, "gate": gate}
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
    assert row.ours == "bptt"
    assert row.ratios == pytest.approx((3.0, 2.0, 3.0))
    assert (row.x_time, row.x_memory) == (pytest.approx(3.0), 1.5)
    assert (row.peer_s, row.ours_s) == (0.6, 0.2)
    shown = "| norse `bptt` | `lif_delta` | 256 | 2,048 | 16 | 64 | 600 | 3 | bptt | 200 | 2 | 3 (2 to 3) | 1.5 "
    assert comparison.markdown([row]).splitlines()[2] == f"{shown}| differs: the reset |"


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
    assert row.ours == "bptt_native"


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
    places = [text for text, style in comparison.printed(every) if style == "dim"]
    assert places[:2] == [
        "norse, lif_delta, N = 256, T = 2,048, B = 16, I = 64",
        "norse, lif_delta, N = 256, T = 2,048, B = 64, I = 1,024",
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
    assert [text for text, _ in comparison.printed([row])][1].startswith("norse 1.2.0, lif_delta,")
    (row,) = comparison.rows([peer(0, 0, "wrong", reason="off by 1") | NEWEST])
    assert (row.library, row.reason) == ("norse 1.2.0", "wrong: off by 1")
    (row,) = comparison.rows([peer(0, 0.1, versions={"norse": "1.0.0"}), own(0, "bptt", 0.2)])
    assert row.library == "norse 1.0.0", "of lines that have no release"


def test_a_terminal_of_80_columns_has_room_for_the_longest_names() -> None:
    """Ways with the longest names beside the longest here, at two sizes, slow and large."""
    names = [("spikingjelly", "bptt_detached"), ("snntorch", "bptt_undelayed"), ("braintrace", "d_rtrl_windows")]
    lines = [
        line | {"peer": name, "way": way, "cell": "lif_delta_hard", "steps": steps, "neurons": 1024, "features": 1024}
        for steps in (512, 16384)
        for name, way in names
        for line in (
            peer(0, 1.23, memory={"working_bytes": 123 * 2**20}),
            own(0, "bptt_checkpointed", 0.1234) | {"memory": {"working_bytes": 77 * 2**20}},
        )
    ]
    lines.append(peer(0, 0, "timeout", reason="stopped after 300 s") | {"peer": "norse", "steps": 512})
    printed = [*comparison.printed(comparison.rows(lines))]
    assert [text for text, _ in printed] == [
        f"{'way':18}   ms MiB {'here':17}    ms MiB x time x MiB",
        *(
            line
            for steps in ("512", "16,384")
            for name, way in names
            for line in (
                f"{name}, lif_delta_hard, N = 1,024, T = {steps}, B = 16, I = 1,024",
                f"{way + ' [1]':18} 1230 123 bptt_checkpointed 123.4  77   9.97   1.6",
            )
        ),
        "norse, lif_delta, N = 256, T = 512, B = 16, I = 64",
        "bptt [2]",
        "x: the library's over this project's, the median of the rounds",
        "[1] differs: the reset",
        "[2] timeout: stopped after 300 s",
    ]
    assert max(len(text) for text, style in printed if style != "yellow") <= 80
