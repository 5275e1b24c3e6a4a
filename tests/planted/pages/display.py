"""Errors of display: what foreign text may do, and what ends a command; of doubt, and of what a figure leaves out."""

from planted import Planted

DISPLAY, TABLE, LOAD = (
    f"tests/{name}.py::" for name in ("bench/view/test_display", "bench/view/test_table", "bench/records/test_load")
)
PLANTED = [
    Planted(
        "escape sequences of a record obeyed by the terminal",
        "bench/view/display.py",
        "yield segment if plain else",
        "yield segment if segment else",
        f"{DISPLAY}test_a_console_obeys_no_text",
    ),
    Planted(
        "bidi overrides in the page",
        "bench/view/report.py",
        "        finalize=display.shown_in_page,\n",
        "",
        f"{DISPLAY}test_a_page_obeys_no_text",
    ),
    Planted(
        "escape sequences in a CSV",
        "bench/figures/__init__.py",
        "data.map(display.shown_in_csv).to_csv",
        "data.to_csv",
        f"{DISPLAY}test_a_figure_and_its_csv_obey_no_text[time]",
    ),
    Planted(
        "a label drawn as a formula",
        "bench/figures/scales.py",
        'return plain.replace("$", r"\\$")',
        "return plain",
        f"{DISPLAY}test_a_figure_and_its_csv_obey_no_text[time]",
    ),
    Planted(
        "a closed pipe ends a command",
        "bench/view/display.py",
        "                self.lost = error",
        "                raise error",
        f"{DISPLAY}test_a_closed_pipe_ends_nothing",
    ),
    Planted(
        "a ratio over a noisy BPTT unmarked",
        "bench/view/collapse.py",
        "unlike.groupby(case).any() & (doubtful | base_doubtful)",
        "unlike.groupby(case).any() & doubtful",
        f"{TABLE}test_a_ratio_over_a_noisy_bptt_is_marked_as_other_doubtful_numbers[interval]",
    ),
    Planted(
        "a BPTT whose rounds lie far apart believed",
        "bench/view/collapse.py",
        '(rounds["base_doubtful"] | base_noisy)',
        'rounds["base_doubtful"]',
        f"{TABLE}test_a_ratio_over_a_noisy_bptt_is_marked_as_other_doubtful_numbers[rounds]",
    ),
    Planted(
        "problems left out of a figure without a word",
        "bench/figures/selection.py",
        """            choices.append(f"{most} of {len(names)} {what}")\n""",
        "",
        f"{LOAD}test_a_figure_shows_twelve_problems_and_says_so",
    ),
    Planted(
        "the ends of one round for the interval of a ratio",
        "bench/gate/slowdown.py",
        "low = min(low for low, _ in after) / max(high for _, high in before)",
        "low = max(low for low, _ in after) / max(high for _, high in before)",
        "tests/bench/gate/test_compare.py::test_an_interval_is_from_the_lowest_over_the_highest_to_the_reverse",
    ),
]
