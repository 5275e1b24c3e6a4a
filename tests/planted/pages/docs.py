"""Errors of the documents: a number, a link, a field or a version that is not what it says."""

from planted import Planted

DOCS = "tests/docs/test_docs.py"
README = "tests/bench/view/test_readme.py"
NUMBERS, SAMPLES = "tests/docs/test_numbers.py", "tests/docs/test_samples.py"

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
    Planted(
        "a time in the text of an earlier measurement",
        "docs/tables.md",
        "and 52.6 against 50.7 ms in PyTorch",
        "and 52.6 against 55.7 ms in PyTorch",
        f"{NUMBERS}::test_chunks",
    ),
    Planted(
        "memory of another chunk in the text",
        "docs/tables.md",
        "stays at 12.5 and 10.0 MiB",
        "stays at 12.5 and 13.6 MiB",
        f"{NUMBERS}::test_chunks",
    ),
    Planted(
        "a norm ratio of another readout in the text",
        "docs/tables.md",
        "norm ratio .97, .97 and 1.01.",
        "norm ratio .11, .97 and 1.01.",
        f"{NUMBERS}::test_three_algorithms_on_digits",
    ),
    Planted(
        "a time of another framework in the text",
        "docs/tables.md",
        "takes 4.1 ms in PyTorch and 4.9 in JAX",
        "takes 4.9 ms in PyTorch and 4.1 in JAX",
        f"{NUMBERS}::test_compiled_and_on_a_gpu",
    ),
    Planted(
        "a share of memory the wrong way round",
        "README.md",
        "memory in JAX and 0.64 in PyTorch. Over",
        "memory in JAX and 1.36 in PyTorch. Over",
        f"{NUMBERS}::test_the_front_page_on_memory",
    ),
    Planted(
        "an accuracy of another data set",
        "docs/data.md",
        "layout | 0.983 | 0.1 |",
        "layout | 0.982 | 0.1 |",
        f"{NUMBERS}::test_what_can_be_learned_from_stand_ins[nmnist]",
    ),
    Planted(
        "a key of the sample plan that no case has",
        "docs/own.md",
        "\nneurons = 8\nbatch = 2\n",
        "\nneuron = 8\nbatch = 2\n",
        f"{SAMPLES}::test_the_sample_plan_of_your_own_is_read",
    ),
    Planted(
        "a default of a plan that the code does not have",
        "docs/plans.md",
        "| `budget_s` | 5 |",
        "| `budget_s` | 10 |",
        f"{SAMPLES}::test_the_defaults_of_plans_are_those_of_the_code",
    ),
    Planted(
        "an argument that fit does not take",
        "docs/start.md",
        "updates=1000, chunk=50,",
        "steps=1000, chunk=50,",
        f"{SAMPLES}::test_the_names_of_sample_code_exist[docs/start.md]",
    ),
    Planted(
        "an option that the command does not have",
        "docs/data.md",
        "drtrl-bench data check shd --data /data",
        "drtrl-bench data check shd --folder /data",
        f"{SAMPLES}::test_a_command_of_a_page_is_one",
    ),
    Planted(
        "a limit of the gate that the code does not have",
        "docs/gate.md",
        "more than 1.3 times the processor's time",
        "more than 1.5 times the processor's time",
        f"{NUMBERS}::test_limits_are_those_of_the_code",
    ),
    Planted(
        "a looser gradient check than the page says",
        "bench/measure/gradcheck.py",
        "LIMIT = 1e-10\n",
        "LIMIT = 1e-9\n",
        f"{NUMBERS}::test_limits_are_those_of_the_code",
    ),
]
