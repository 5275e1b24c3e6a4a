"""Errors of the kernels for a GPU, which their tests see on a CPU: in Triton's interpreter, and in Pallas's."""

from planted import Planted

TRITON = "tests/implementations/kernels/test_triton.py::test_in_the_interpreter"
TRACE = "tests/implementations/kernels/test_trace_step_triton.py::test_in_the_interpreter"
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
        f"{PALLAS}[drtrl-lif_soft]",
    ),
    Planted(
        "a hard reset is a soft one, Pallas",
        TWIN,
        'spikes if cell.reset == "soft" else named["V"] * spikes',
        "spikes",
        f"{PALLAS}[bptt-lif_hard]",
    ),
    Planted(
        "the threshold does not adapt, Pallas",
        TWIN,
        '(named["a"] + cell.beta / cell.threshold * spikes)',
        'named["a"]',
        f"{PALLAS}[drtrl-alif]",
    ),
    Planted(
        "earlier steps are joined the wrong way round",
        "implementations/engine/adjoint_jax.py",
        "neuronwise(later[0], earlier[0]), neuronwise(later[1], earlier[0])",
        "neuronwise(later[0], earlier[0]), neuronwise(earlier[1], later[0])",
        f"{PALLAS}[drtrl-alif]",
    ),
]
