"""Errors of what is compared with other libraries: their environments, the exchange, the checks, the ratios."""

from planted import Planted

ENVIRONMENTS, EXCHANGE, AGREEMENT, COSTS, EMULATION = (
    f"tests/bench/peers/test_{name}.py::" for name in ("environments", "exchange", "agreement", "costs", "emulation")
)

PLANTED = [
    Planted(
        "other versions taken for the pinned ones",
        "bench/peers/environments.py",
        "if made != wanted.sha:",
        "if not made:",
        f"{ENVIRONMENTS}test_what_is_missing_or_broken_is_said_with_the_command_that_mends_it",
    ),
    Planted(
        "PyTorch of another build than the project's",
        "bench/peers/environments.py",
        "first = (OURS,) if wanted.as_ours and OURS in wanted.pythons else ()",
        "first = ()",
        f"{ENVIRONMENTS}test_the_newest_python_is_taken_or_our_own_where_the_build_must_be_ours",
    ),
    Planted(
        "an environment called whole before it is",
        "bench/peers/environments.py",
        '        step([*pip, "--no-deps", "-r", str(constraints)], name)\n',
        '        (folder / READY).write_text(json.dumps({"sha": wanted.sha, "python": "", "size": 0}))\n'
        '        step([*pip, "--no-deps", "-r", str(constraints)], name)\n',
        f"{ENVIRONMENTS}test_an_interrupted_installation_is_made_anew",
    ),
    Planted(
        "the adapter sees the project's packages",
        "bench/peers/exchange.py",
        'not name.startswith(("PYTHON", "VIRTUAL_ENV", "CONDA_", "LD_"))',
        'name != "PYTHONSAFEPATH"',
        f"{EXCHANGE}test_an_adapter_sees_nothing_of_the_projects_python",
    ),
    Planted(
        "gradients of weights that are not there",
        "bench/peers/agreement.py",
        "if shapes(answer.gradient) != shapes(drawn.params):",
        "if len(answer.gradient) != len(drawn.params):",
        f"{EXCHANGE}test_gradients_of_other_weights_are_no_answer",
    ),
    Planted(
        "a gradient not scaled back",
        "implementations/peers/in_torch.py",
        "(next(left) / divided)",
        "next(left)",
        f"{EXCHANGE}test_a_layer_written_by_hand_agrees_by_way_of_everything_that_adapters_share",
    ),
    Planted(
        "a readout that forgets its leak",
        "implementations/peers/in_torch.py",
        "rho = leak * rho + each",
        "rho = rho + each",
        f"{EXCHANGE}test_a_layer_written_by_hand_agrees_by_way_of_everything_that_adapters_share",
    ),
    Planted(
        "a named cause excuses whatever else is wrong",
        "bench/peers/agreement.py",
        "if explained <= LIMIT < error:",
        "if error > LIMIT:",
        f"{AGREEMENT}test_a_named_cause_that_leaves_anything_is_no_excuse",
    ),
    Planted(
        "a cause that is gone goes unnoticed",
        "bench/peers/agreement.py",
        "if explained <= LIMIT < error:",
        "if min(explained, error) <= LIMIT:",
        f"{AGREEMENT}test_a_release_that_no_longer_differs_is_told",
    ),
    Planted(
        "the loss is not compared",
        "bench/peers/agreement.py",
        'return ("loss", loss_error) if not loss_error <= error else (name, error)',
        "return name, error",
        f"{AGREEMENT}test_a_loss_counts_as_well",
    ),
    Planted(
        "a detached reset with a gradient",
        "bench/peers/emulation.py",
        "slope[t] = a if definition.detached else a - c * height * psi[t]",
        "slope[t] = a - c * height * psi[t]",
        f"{EMULATION}test_each_definition_is_the_librarys_equation",
    ),
    Planted(
        "late spikes that are not late",
        "bench/peers/emulation.py",
        "        out = s[t] if definition.late else s[t + 1]\n        rho[t + 1]",
        "        out = s[t + 1]\n        rho[t + 1]",
        f"{EMULATION}test_each_definition_is_the_librarys_equation",
    ),
    Planted(
        "paths within a step counted once",
        "bench/peers/emulation.py",
        "signals[0][:, :, c] += signals[0][:, :, h]",
        "signals[0][:, :, c] += 0 * signals[0][:, :, h]",
        f"{EMULATION}test_in_one_step_the_gates_of_the_cell_count_twice_and_the_output_gate_once",
    ),
    Planted(
        "BPTT in chunks beside a library's whole one",
        "bench/peers/costs.py",
        'chunks = {name: sizes.steps if registry.ALGORITHMS[name].carry == "states" else CHUNK for name in way.ours}',
        "chunks = {name: CHUNK for name in way.ours}",
        f"{COSTS}test_every_way_has_what_computes_the_same_here",
    ),
    Planted(
        "a wrong gradient is timed",
        "bench/peers/costs.py",
        "if not gates[pair].sound:",
        'if gates[pair].outcome == "error":',
        f"{COSTS}test_a_wrong_gradient_is_not_timed",
    ),
    Planted(
        "a round that lacks what is beside the peer counts as whole",
        "bench/peers/costs.py",
        "return bool(theirs) and (",
        "return bool(theirs) or (",
        f"{COSTS}test_an_interrupted_run_goes_on_with_what_it_lacks",
    ),
    Planted(
        "another commit's run goes on",
        "bench/peers/records.py",
        'names = ("comparison", "env_hash", "commit", "dirty")',
        'names = ("comparison", "env_hash", "dirty")',
        f"{COSTS}test_an_interrupted_run_goes_on_with_what_it_lacks",
    ),
    Planted(
        "two lengths in one row",
        "bench/peers/costs.py",
        'LABEL = ("peer", "way", "cell", "neurons", "steps", "batch", "features")',
        'LABEL = ("peer", "way", "cell", "neurons", "batch", "features", "steps")[:6]',
        f"{COSTS}test_each_size_is_a_row_and_what_was_measured_again_counts_once",
    ),
    Planted(
        "the luckiest round decides what a peer is compared with",
        "bench/peers/comparison.py",
        'best = min(whole, key=lambda name: median(line["time"]["median_s"]',
        'best = min(whole, key=lambda name: min(line["time"]["median_s"]',
        f"{COSTS}test_ratios_are_those_of_each_round_over_the_quickest_here",
    ),
    Planted(
        "the newest release counts as the pinned one",
        "bench/peers/environments.py",
        "if not (before.problem or before.newest or newest):",
        "if not (before.problem or newest):",
        "tests/bench/peers/test_environments.py::test_the_newest_release_comes_over_the_pins_and_goes_again",
    ),
    Planted(
        "a line that lacks fields is a record of a comparison",
        "bench/peers/records.py",
        ' and (line["kind"] == "environment" or line.keys() >= FIELDS)',
        "",
        "tests/bench/peers/test_costs.py::test_bad_input_is_one_line",
    ),
]
