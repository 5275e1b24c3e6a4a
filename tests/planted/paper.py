"""Errors of the paper's experiments: what is drawn, what is run again, and what an interval is of."""

from planted import Planted

THEORY, RUNNER, INTERVALS = (f"tests/paper/test_{name}.py::" for name in ("rank1_theory", "runner", "intervals"))

PLANTED = [
    # 2.3
    Planted(
        "the rank-1 trace of squares",
        "bench/paper/rank1_theory.py",
        "np.outer(x.mean(axis=0), f.sum(axis=0))",
        "np.outer((x**2).mean(axis=0), (f**2).sum(axis=0))",
        f"{THEORY}test_the_cosine_of_two_rows_by_hand",
    ),
    Planted(
        "the formula without R",
        "bench/paper/rank1_theory.py",
        "R * r_a * r_b + r_a",
        "r_a * r_b + r_a",
        f"{THEORY}test_the_formula_by_hand",
    ),
    Planted(
        "an undefined cosine counted as 0",
        "bench/paper/rank1_theory.py",
        "if norms else None",
        "if norms else 0.0",
        f"{THEORY}test_a_cosine_with_nothing_is_undefined",
    ),
    # Running
    Planted(
        "what compute calls is no source",
        "bench/paper/runner.py",
        "waiting += [places[name] for name in names_read(node) if name in places]",
        "waiting += []",
        f"{RUNNER}test_a_changed_source_reruns_what_depends_on_it",
    ),
    Planted(
        "the sources of figures and verdicts count",
        "bench/paper/runner.py",
        'own = used(path.read_text(encoding="utf-8"), "compute")',
        'own = path.read_text(encoding="utf-8")',
        f"{RUNNER}test_a_changed_source_reruns_what_depends_on_it",
    ),
    Planted(
        "finished whatever the sources are",
        "bench/paper/runner.py",
        'if shas.get(line["job_key"]) == line["implementation_sha"]]',
        'if line["job_key"] in shas]',
        f"{RUNNER}test_a_changed_source_reruns_what_depends_on_it",
    ),
    # Intervals
    Planted(
        "samples pooled as if they were independent",
        "bench/paper/measures/intervals.py",
        "rng.integers(seeds, size=(resamples, seeds, 1))",
        "rng.integers(seeds, size=(resamples, seeds, samples))",
        f"{INTERVALS}test_seeds_are_drawn_first_and_then_their_samples",
    ),
    Planted(
        "undefined values counted as the largest",
        "bench/paper/measures/intervals.py",
        "defined = (~np.isnan(x)).sum(axis=-1)",
        "defined = np.full(x.shape[:-1], x.shape[-1])",
        f"{INTERVALS}test_medians_leave_out_what_is_undefined",
    ),
]
