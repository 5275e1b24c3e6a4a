"""Errors of the figures: what they draw, what they say of it, and of which records they draw nothing."""

from planted import Planted

PLANTED = [
    Planted(
        "an algorithm of the project drawn as one of a plugin",
        "bench/figures/selection.py",
        '    "uoro": ("UORO", "#999933", "H"),\n',
        "",
        "tests/bench/view/test_figures.py::test_every_algorithm_has_a_name_a_colour_and_a_marker",
    ),
    Planted(
        "a layout to the last digit, which differs from process to process",
        "bench/figures/annotations.py",
        "        fix(axes)\n",
        "        pass\n",
        "tests/bench/view/test_figures.py::test_the_last_digit_of_the_layout_moves_no_pixel",
    ),
    Planted(
        "forward pass drawn without a name",
        "bench/figures/time_vs_t.py",
        "axes.plot(forward.index, forward, label=style.FORWARD_NAME, **style.FORWARD)",
        "axes.plot(forward.index, forward, **style.FORWARD)",
        "tests/bench/view/test_figures.py::test_every_mark_is_named_and_no_word_lies_on_another[time_vs_t]",
    ),
    Planted(
        "tick labels of neighbouring lengths left to touch",
        "bench/figures/annotations.py",
        "        thin(axes.xaxis)\n",
        "",
        "tests/bench/view/test_figures.py::test_labels_of_neighbouring_lengths_do_not_touch",
    ),
    Planted(
        "lengths of a chunk written on each other",
        "bench/figures/annotations.py",
        "        spread(axes)\n",
        "        pass\n",
        "tests/bench/view/test_figures.py::test_every_mark_is_named_and_no_word_lies_on_another[pareto]",
    ),
    Planted(
        "upper ends of the intervals drawn where the lower ones are",
        "bench/figures/style.py",
        '(rows["high_s"] - rows["time_s"]).clip(lower=0) * 1e3]',
        '(rows["time_s"] - rows["high_s"]).clip(lower=0) * 1e3]',
        "tests/bench/view/test_figures.py::test_picture_and_csv_show_the_measured_times",
    ),
    Planted(
        "all weights as one vector drawn as each layer",
        "bench/figures/layers.py",
        "values = [metrics[metric] for metrics in vectors if metrics.get(metric) is not None]",
        "values = [case[metric]]",
        "tests/bench/view/test_figures.py::test_fidelity_is_drawn_by_layer",
    ),
    Planted(
        "power law said of a bent line",
        "bench/figures/cost_vs_n.py",
        "STRAIGHT = 0.3",
        "STRAIGHT = 3.0",
        "tests/bench/view/test_cost_figures.py::test_a_bent_line_has_only_the_exponent_of_its_last_size",
    ),
    Planted(
        "empty figure of records that do not suit",
        "bench/figures/selection.py",
        "    if rows.empty:\n        endings",
        "    if False:\n        endings",
        "tests/bench/view/test_figures.py::test_nothing_is_written_of_one_case[gate_power]",
    ),
    Planted(
        "both frameworks in one panel",
        "bench/figures/layout.py",
        'for name, own in group.groupby("way", sort=False)',
        'for name, own in [(group["way"].iloc[0], group.assign(way=group["way"].iloc[0]))]',
        "tests/bench/view/test_figures.py::test_frameworks_and_ways_to_run_them_have_panels_of_their_own[time_vs_t]",
    ),
    Planted(
        "one length joined by a line",
        "bench/figures/time_vs_t.py",
        'line.look() | ({} if which == "y" else {"linestyle": "none"})',
        "line.look()",
        "tests/bench/view/test_figures.py::test_one_length_is_dots_and_no_line[time_vs_t]",
    ),
    Planted(
        "synthetic data not called so",
        "bench/figures/captions.py",
        """(f" · synthetic data: {', '.join(unsaid)}" if unsaid else "")""",
        '""',
        "tests/bench/view/test_figures.py::test_synthetic_data_is_called_so[pareto]",
    ),
    Planted(
        "gaps of a problem that is not drawn",
        "bench/figures/crossover.py",
        ' & shown["panel"].isin(shown.loc[drawn, "panel"])',
        "",
        "tests/bench/view/test_cost_figures.py::test_only_gaps_of_what_is_drawn_are_named",
    ),
]
