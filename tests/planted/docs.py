"""Errors of the documents: a number, a link, a field or a version that is not what it says."""

from planted import Planted

DOCS = "tests/docs/test_docs.py"
README = "tests/bench/view/test_readme.py"

PLANTED = [
    Planted(
        "the clock's ratio printed upside down",
        "docs/front_table.py",
        "{ratio(jax['x_time'])},",
        "{ratio(1 / jax['x_time'])},",
        f"{README}::test_the_front_table_is_what_its_command_prints",
    ),
    Planted(
        "a cosine of the front table mistyped",
        "README.md",
        "| 0.565,",
        "| 0.665,",
        f"{README}::test_the_front_table_has_the_numbers_of_the_records",
    ),
    Planted(
        "memory of long sequences of an earlier measurement",
        "README.md",
        "takes 0.17 of",
        "takes 0.16 of",
        f"{README}::test_the_front_page_compares_long_sequences_as_the_table_does",
    ),
    Planted(
        "a link to a page that is gone",
        "README.md",
        "[Plans](docs/plans.md), [records",
        "[Plans](docs/plan.md), [records",
        f"{DOCS}::test_links_lead_somewhere",
    ),
    Planted(
        "a link to a heading that is gone",
        "docs/gate.md",
        "measuring.md#the-gradient-check",
        "measuring.md#the-gate",
        f"{DOCS}::test_links_lead_somewhere",
    ),
    Planted(
        "a page that the site's contents leave out",
        "docs/index.md",
        "\nasv\n",
        "\n",
        f"{DOCS}::test_the_front_page_leads_to_every_page",
    ),
    Planted(
        "a field of a case that no page describes",
        "docs/plans.md",
        "`trace_dtype`",
        "`trace`",
        f"{DOCS}::test_every_field_of_a_case_is_described",
    ),
    Planted(
        "a field of a record that no page describes",
        "docs/records.md",
        "`implementation_sha`",
        "`sha`",
        f"{DOCS}::test_every_field_of_a_line_is_described",
    ),
    Planted(
        "warnings let through",
        "Makefile",
        "sphinx-build --fail-on-warning",
        "sphinx-build",
        f"{DOCS}::test_make_builds_the_site_with_warnings_as_errors",
    ),
    Planted(
        "an earlier version cited",
        "CITATION.cff",
        "\nversion: 0.1.0",
        "\nversion: 0.0.9",
        f"{DOCS}::test_what_is_cited_is_this_version_and_the_paper",
    ),
]
