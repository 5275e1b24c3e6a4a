"""Errors of the kernels for a GPU, which their tests see on a CPU: in Triton's interpreter, and in Pallas's."""

from planted import Planted

TRITON = "tests/implementations/kernels/test_triton.py::test_in_the_interpreter"
TRACE = "tests/implementations/kernels/test_trace_step_triton.py::test_in_the_interpreter"
WIDE = "tests/implementations/kernels/test_triton.py::test_the_others_compile"
PALLAS = "tests/implementations/kernels/test_pallas.py::test_gradient"
FORWARD, ADJOINT = "implementations/kernels/forward_triton.py", "implementations/kernels/adjoint_triton.py"
STEP, TWIN = "implementations/kernels/trace_step_triton.py", "implementations/kernels/forward_pallas.py"

PLANTED = [
    Planted(
        "the last rows on a list are left out", FORWARD, "while first < count:", "while first + ROWS < count:", TRITON
    ),
    Planted(
        "a row is added twice",
        FORWARD,
        "                    first += ROWS\n",
        "                    first += ROWS // 2\n",
        TRITON,
    ),
    Planted("a hard reset is a soft one", FORWARD, "(V * drop if HARD else drop)", "drop", TRITON),
    Planted("(1 - s) V is V - s", FORWARD, 'cell.reset != "soft",', 'cell.reset == "hard",', TRITON),
    Planted("the threshold does not adapt", FORWARD, "keep_a * (a + jump * drop)", "keep_a * a", TRITON),
    Planted(
        "the adjoint times the transposed Jacobian",
        ADJOINT,
        "lam[:, None, :] * D_t, 0)",
        "lam[None, :, :] * D_t, 1)",
        TRITON,
    ),
    Planted("the loss of a step is left out", ADJOINT, "        if i < m:\n", "        if i < m - 1:\n", TRITON),
    Planted(
        "the path through the recurrent weights is left out",
        ADJOINT,
        "        lam += dr_n[None, :]",
        "        lam += 0 * dr_n[None, :]",
        TRITON,
    ),
    Planted("the trace does not decay", STEP, "updated += tl.load(P +", "updated += 0 * tl.load(P +", TRACE),
    Planted("a sample is left out", STEP, "inside = (b < B) & (s < S)", "inside = (b < B - 1) & (s < S)", TRACE),
    Planted(
        "the last rows on a list are left out, Pallas",
        TWIN,
        "lambda carry: carry[0] < count",
        "lambda carry: carry[0] + ROWS < count",
        f"{PALLAS}[drtrl-lif_soft-64]",
    ),
    Planted(
        "a hard reset is a soft one, Pallas",
        TWIN,
        'spikes if cell.reset == "soft" else named["V"] * spikes',
        "spikes",
        f"{PALLAS}[bptt-lif_hard-64]",
    ),
    Planted(
        "the threshold does not adapt, Pallas",
        TWIN,
        '(named["a"] + cell.beta / cell.threshold * spikes)',
        'named["a"]',
        f"{PALLAS}[drtrl-alif-64]",
    ),
    Planted(
        "earlier steps are joined the wrong way round",
        "implementations/engine/adjoint_jax.py",
        "neuronwise(later[0], earlier[0]), neuronwise(later[1], earlier[0])",
        "neuronwise(later[0], earlier[0]), neuronwise(earlier[1], later[0])",
        f"{PALLAS}[drtrl-alif-64]",
    ),
    Planted(
        "the loss's adjoint is not handed on from block to block, in parallel",
        "implementations/engine/adjoint_jax.py",
        "before = neuronwise(lam, P).at",
        "before = neuronwise(lam.at[:, :m].multiply(0), P).at",
        f"{PALLAS}[drtrl-lif_soft-2]",
    ),
    Planted(
        "the loss's adjoint is not handed on from block to block",
        ADJOINT,
        "    dy, start = lam.new_empty(K, B, Q, G, N)",
        "    if recurrent is None:\n        lam = lam.clone()\n        lam[:, :m] = 0\n"
        "    dy, start = lam.new_empty(K, B, Q, G, N)",
        TRITON,
    ),
    Planted(
        "one graph of all steps with paths through the weights",
        "implementations/kernels/execution_triton.py",
        "return (full if FULL in (rule.loss, rule.carry) else diagonal)(rule, *arguments)",
        "return diagonal(rule, *arguments)",
        "tests/implementations/kernels/test_triton.py::test_paths_through_weights_are_launched_step_by_step",
    ),
    Planted(
        "a place in a trace in 32 bits",
        STEP,
        "eps + b.to(tl.int64) * (J * S * G * N)",
        "eps + b * (J * S * G * N)",
        WIDE,
    ),
    Planted(
        "a place in a block in 32 bits", ADJOINT, "tl.full([], K - 1, tl.int64)", "tl.full([], K - 1, tl.int32)", WIDE
    ),
]
