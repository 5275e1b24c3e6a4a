"""Errors of which BPTT is taken as the baseline of all others, and of its name."""

from planted import Planted

TABLE, COLLAPSE = "tests/bench/view/test_table.py::", "bench/view/collapse.py"
PLANTED = [
    Planted(
        "cost over the first BPTT, not the quickest",
        COLLAPSE,
        "    true &= quickest(rows[true], of_run[true]).reindex(rows.index, fill_value=False)\n",
        "",
        f"{TABLE}test_cost_is_told_over_the_quickest_bptt_and_names_it",
    ),
    Planted(
        "cost over our own BPTT alone",
        COLLAPSE,
        'rows["algorithm"].isin(registry.BPTT)',
        'rows["algorithm"].isin(registry.BPTT[:1])',
        f"{TABLE}test_one_bptt_is_named_without_letters",
    ),
    Planted(
        "cost over the luckiest round of a BPTT",
        COLLAPSE,
        'transform("median")',
        'transform("min")',
        f"{TABLE}test_the_quickest_bptt_is_so_over_all_rounds",
    ),
    Planted(
        "the quickest BPTT by a clock in doubt",
        COLLAPSE,
        "where(doubtful & known & alone(rows), numeric",
        "where(doubtful & ~doubtful, numeric",
        f"{TABLE}test_a_quick_bptt_of_which_a_busy_clock_says_otherwise",
    ),
    Planted(
        "a ratio without the name of its BPTT",
        "bench/view/cell_text.py",
        "if text and len(names) > 1 else text",
        "if text and len(names) > 9 else text",
        f"{TABLE}test_cost_is_told_over_the_quickest_bptt_and_names_it",
    ),
]
