"""Errors that the reference, JAX and PyTorch share, or the specification that all of them read, or the tables."""

from planted import Planted

CELLS = "tests/implementations/by_hand/test_cells_by_hand.py::test_"
SLOPES = "tests/implementations/by_hand/test_slopes_by_hand.py::test_"
RESETS = "tests/implementations/by_hand/test_resets.py::test_"
PSI = "tests/implementations/by_hand/test_surrogates.py::test_"
NETWORK = "tests/implementations/by_hand/test_network_by_hand.py::test_"
INITIAL = "tests/implementations/by_hand/test_initialisers.py::test_"
OPTIONS = "tests/implementations/by_hand/test_paper_options.py::test_"
LONG = "tests/implementations/test_long_chunks.py::test_"
SNAP2 = "tests/implementations/rules/test_snap2.py::test_"
TURNED = "tests/bench/measure/test_turned_gradients.py::test_"

Edit = tuple[str, str]
"""What stands in a file, and what it is replaced by."""


def everywhere(
    error: str, test: str, *, numpy: Edit, jax: Edit, torch: Edit | None = None, files: tuple[str, str] | None = None
) -> Planted:
    """The same error in the reference and both frameworks; `torch` is as `jax` where the text is the same."""
    ours, theirs = files or ("reference/cells", "cells/cells")
    more = [("jax", jax), ("torch", torch or jax)]
    also = tuple((f"implementations/{theirs}_{framework}.py", old, new) for framework, (old, new) in more)
    return Planted(error, f"implementations/{ours}.py", *numpy, test, also)


def specified(error: str, test: str, old: str, new: str, file: str = "spec") -> Planted:
    """An error in the specification, which all codes read: of one cell, or of every one (`file="cell"`)."""
    return Planted(error, f"implementations/cells/{file}.py", old, new, test)


def listed(error: str, test: str, old: str, new: str) -> Planted:
    """An error in the registry's tables."""
    return Planted(error, "bench/registry.py", old, new, test)


def both(error: str, file: str, test: str, *, jax: Edit, torch: Edit) -> Planted:
    """The same error in both frameworks."""
    also = ((f"implementations/{file}_torch.py", *torch),)
    return Planted(error, f"implementations/{file}_jax.py", *jax, test, also)


RULES = ("reference/algorithms", "engine/network")

PLANTED = [
    # rate cells
    everywhere(
        "forget gate without its 1",
        f"{CELLS}lstm",
        numpy=("sigmoid(I_f + 1)", "sigmoid(I_f)"),
        jax=("sigmoid(I_f + 1)", "sigmoid(I_f)"),
    ),
    everywhere(
        "the gate keeps what it should let in",
        f"{CELLS}mgu",
        numpy=("s[0] + f * (tanh(y[0] + f * y[2]) - s[0])", "s[0] + (1 - f) * (tanh(y[0] + f * y[2]) - s[0])"),
        jax=("(1 - f) * h + f * jnp.tanh(", "f * h + (1 - f) * jnp.tanh("),
        torch=("(1 - f) * h + f * torch.tanh(", "f * h + (1 - f) * torch.tanh("),
    ),
    everywhere(
        "gain of half the decay",
        f"{CELLS}lru",
        numpy=("-np.expm1(-2 * v), lambda v: 2 * np.exp(-2 * v)", "-np.expm1(-v), lambda v: np.exp(-v)"),
        jax=("-jnp.expm1(-2 * rate)", "-jnp.expm1(-rate)"),
        torch=("-torch.expm1(-2 * rate)", "-torch.expm1(-rate)"),
    ),
    everywhere(
        "decay of Euler's method",
        f"{CELLS}lif_delta",
        numpy=("return exp(-1 / constant(cell, y, name))", "return 1 - 1 / constant(cell, y, name)"),
        jax=("return math.exp(-1 / getattr(cell, name))", "return 1 - 1 / getattr(cell, name)"),
    ),
    # leaky integrate-and-fire
    everywhere(
        "no spike at the threshold itself",
        f"{CELLS}a_spike_is_at_the_threshold",
        numpy=("np.where(v >= 0, 1.0, 0.0)", "np.where(v > 0, 1.0, 0.0)"),
        jax=("(v >= 0).astype(v.dtype)", "(v > 0).astype(v.dtype)"),
        torch=(".clone().ge_(0)", ".clone().gt_(0)"),
    ),
    everywhere(
        "the synapse's current of the step before",
        f"{CELLS}lif_expcu",
        numpy=('jump = (1 - k) * after["g"]', 'jump = (1 - k) * s[cell.states.index("g")]'),
        jax=('I = (1 - a) * after["g"]', 'I = (1 - a) * named["g"]'),
    ),
    everywhere(
        "adaptation decays before the spike is added",
        f"{CELLS}alif",
        numpy=(
            'decay(cell, y, "tau_a") * (s[cell.states.index("a")] + strength * spikes)',
            'decay(cell, y, "tau_a") * s[cell.states.index("a")] + strength * spikes',
        ),
        jax=(
            'decay(self, y, "tau_a") * (named["a"] + jump)',
            'decay(self, y, "tau_a") * named["a"] + jump',
        ),
    ),
    everywhere(
        "adaptation lowers the threshold",
        f"{CELLS}alif",
        numpy=('s[cell.states.index("V")] - adaptation - 1', 's[cell.states.index("V")] + adaptation - 1'),
        jax=('s["V"] - s["a"] - 1', 's["V"] + s["a"] - 1'),
    ),
    everywhere(
        "depletion by the u before the spike",
        f"{CELLS}short_term_plasticity",
        numpy=("after = rested - spikes * facilitated * x", "after = rested - spikes * u * x"),
        jax=("used = self.U if u is None else u", 'used = self.U if u is None else s["u"]'),
    ),
    everywhere(
        "facilitation of the decayed u",
        f"{CELLS}short_term_plasticity",
        numpy=("spikes * cell.U * (1 - u)", "spikes * cell.U * (1 - u * np.exp(-1 / cell.tau_f))"),
        jax=('spikes * (1 - s["u"])', 'spikes * (1 - s["u"] * math.exp(-1 / self.tau_f))'),
    ),
    everywhere(
        "plasticity recovers by the time constant of depression",
        f"{CELLS}short_term_plasticity",
        numpy=("np.exp(-1 / cell.tau_d)", "np.exp(-1 / cell.tau_std)"),
        jax=('self.tau_d if "u" in s else self.tau_std', "self.tau_std"),
    ),
    everywhere(
        "depletion of the recovered resources",
        f"{CELLS}short_term_depression",
        numpy=("after = rested - cell.U * spikes * x", "after = rested - cell.U * spikes * rested"),
        jax=('used * spikes * s["x"]', "used * spikes * recovered"),
    ),
    everywhere(
        "gradient through the V that a hard reset subtracts",
        f"{SLOPES}lif",
        numpy=('"hard": stop(V)', '"hard": V'),
        jax=("lax.stop_gradient(V) * spikes", "V * spikes"),
        torch=("V.detach() * spikes", "V * spikes"),
    ),
    everywhere(
        "no gradient through the V that a spike multiplies",
        f"{RESETS}gradients",
        numpy=('"multiply": V}', '"multiply": stop(V)}'),
        jax=("case _:\n            return V * spikes", "case _:\n            return lax.stop_gradient(V) * spikes"),
        torch=("case _:\n            return V * spikes", "case _:\n            return V.detach() * spikes"),
    ),
    everywhere(
        "gradient through the spike of a detached reset",
        f"{RESETS}gradients",
        numpy=("stop(spikes) if cell.detach_reset", "spikes if cell.detach_reset"),
        jax=("spikes = lax.stop_gradient(spikes)", "spikes = spikes + 0"),
        torch=("spikes = spikes.detach()", "spikes = spikes + 0"),
    ),
    everywhere(
        "no gradient through any spike in its own neuron",
        f"{SLOPES}a_detached_reset_of_an_adaptive_neuron",
        numpy=(", lif_spikes(cell, s)\n    after", ", stop(lif_spikes(cell, s))\n    after"),
        jax=(
            "spikes, a, threshold = self.spikes(named), ",
            "spikes, a, threshold = lax.stop_gradient(self.spikes(named)), ",
        ),
        torch=(
            "spikes, a, threshold = self.spikes(named), ",
            "spikes, a, threshold = self.spikes(named).detach(), ",
        ),
    ),
    # generalised integrate-and-fire
    everywhere(
        "a spike raises the slow current",
        f"{CELLS}gif",
        numpy=("(J - cell.A * spikes)", "(J + cell.A * spikes)"),
        jax=("(J - self.A * spikes)", "(J + self.A * spikes)"),
    ),
    everywhere(
        "V takes the slow current of the step before",
        f"{CELLS}gif",
        numpy=("(g + J), J, g]", "(g + s[1]), J, g]"),
        jax=("(g + J), J, g]", "(g + s[..., 1, :]), J, g]"),
    ),
    everywhere(
        "gradient through a spike in its own neuron",
        f"{SLOPES}gif",
        numpy=("stop(emit_gif(cell, s))", "emit_gif(cell, s)"),
        jax=('decay(self, y, "tau"), lax.stop_gradient(self.emit(s))', 'decay(self, y, "tau"), self.emit(s)'),
        torch=('decay(self, y, "tau"), self.emit(s).detach()', 'decay(self, y, "tau"), self.emit(s)'),
    ),
    everywhere(
        "a spike lowers the fast current",
        f"{CELLS}ei_gif",
        numpy=("(J1 + cell.A_fast * spikes)", "(J1 - cell.A_fast * spikes)"),
        jax=("(J1 + self.A_fast * spikes)", "(J1 - self.A_fast * spikes)"),
    ),
    everywhere(
        "threshold falls from where it was before the spike",
        f"{CELLS}ei_gif",
        numpy=("h = raised - (raised - 1) / cell.tau_h", "h = raised - (h - 1) / cell.tau_h"),
        jax=("h = h - (h - 1) / self.tau_h", "h = h - (s[..., 3, :] - 1) / self.tau_h"),
    ),
    everywhere(
        "reversal potentials the wrong way round",
        f"{CELLS}ei_gif",
        numpy=("gE * cell.E_E + gI * cell.E_I", "gE * cell.E_I + gI * cell.E_E"),
        jax=("gE * self.E_E + gI * self.E_I", "gE * self.E_I + gI * self.E_E"),
    ),
    everywhere(
        "no leak but by conductances",
        f"{CELLS}ei_gif",
        numpy=("total = 1 + gE + gI", "total = gE + gI + 1e-9"),
        jax=("leak = 1 + gE + gI", "leak = gE + gI + 1e-9"),
    ),
    everywhere(
        "gradient through the moving threshold",
        f"{SLOPES}ei_gif",
        numpy=("(s[0] - stop(s[3])) / stop(s[3])", "(s[0] - s[3]) / s[3]"),
        jax=("lax.stop_gradient(s[..., 3, :])", "s[..., 3, :]"),
        torch=("s[..., 3, :].detach()", "s[..., 3, :]"),
    ),
    # event-based GRU
    everywhere(
        "an event takes all of h",
        f"{CELLS}egru",
        numpy=("[c - event * threshold, event * c,", "[c - event * c, event * c,"),
        jax=("[c - e * threshold, e * c,", "[c - e * c, e * c,"),
    ),
    # surrogates
    everywhere(
        "width stretches the surrogate and does not lift it",
        f"{PSI}alpha_and_width",
        numpy=(
            "cell.alpha * np.maximum(cell.width - np.abs(v), 0)",
            "cell.alpha * np.maximum(1 - np.abs(v) / cell.width, 0)",
        ),
        jax=("jnp.maximum(cell.width - jnp.abs(v), 0)", "jnp.maximum(1 - jnp.abs(v) / cell.width, 0)"),
        torch=("(cell.width - v.abs()).clamp(min=0)", "(1 - v.abs() / cell.width).clamp(min=0)"),
        files=("reference/surrogates", "cells/surrogates"),
    ),
    everywhere(
        "slope of the sigmoid without its 4",
        f"{PSI}psi",
        numpy=('"sigmoid": 4 * logistic', '"sigmoid": logistic'),
        jax=("return 4 * jax.nn.sigmoid(4 * v)", "return jax.nn.sigmoid(4 * v)"),
        torch=("return 4 * torch.sigmoid(4 * v)", "return torch.sigmoid(4 * v)"),
        files=("reference/surrogates", "cells/surrogates"),
    ),
    everywhere(
        "arc tangent of v, and not of pi v",
        f"{PSI}psi",
        numpy=('"atan": 1 / (1 + pi**2 * v**2)', '"atan": 1 / (1 + v**2)'),
        jax=("1 / (1 + (math.pi * v) ** 2)", "1 / (1 + v**2)"),
        files=("reference/surrogates", "cells/surrogates"),
    ),
    everywhere(
        "fast sigmoid as steep as SuperSpike",
        f"{RESETS}gradients",
        numpy=("(1 + 25 * np.abs(v))", "(1 + 100 * np.abs(v))"),
        jax=("1 / (1 + 25 * jnp.abs(v))", "1 / (1 + 100 * jnp.abs(v))"),
        torch=("1 / (1 + 25 * torch.abs(v))", "1 / (1 + 100 * torch.abs(v))"),
        files=("reference/surrogates", "cells/surrogates"),
    ),
    everywhere(
        "SuperSpike without its square",
        f"{PSI}psi",
        numpy=("(1 + 100 * np.abs(v)) ** -2.0", "(1 + 100 * np.abs(v)) ** -1.0"),
        jax=("1 / (1 + 100 * jnp.abs(v)) ** 2", "1 / (1 + 100 * jnp.abs(v))"),
        torch=("1 / (1 + 100 * torch.abs(v)) ** 2", "1 / (1 + 100 * torch.abs(v))"),
        files=("reference/surrogates", "cells/surrogates"),
    ),
    everywhere(
        "middle bell of height 1",
        f"{PSI}psi",
        numpy=("1.15 * normal(v, 0, 0.5)", "normal(v, 0, 0.5)"),
        jax=("1.15 * bell(0, 0.5)", "bell(0, 0.5)"),
        files=("reference/surrogates", "cells/surrogates"),
    ),
    everywhere(
        "s2nn falls with the square",
        f"{PSI}psi",
        numpy=("1 / (np.maximum(v, 0) + 1)", "1 / (np.maximum(v, 0) + 1) ** 2"),
        jax=("1 / (jnp.maximum(v, 0) + 1)", "1 / (jnp.maximum(v, 0) + 1) ** 2"),
        torch=("1 / (v.clamp(min=0) + 1)", "1 / (v.clamp(min=0) + 1) ** 2"),
        files=("reference/surrogates", "cells/surrogates"),
    ),
    everywhere(
        "boxcar without its edges",
        f"{PSI}psi",
        numpy=("np.abs(v) <= 0.5", "np.abs(v) < 0.5"),
        jax=("jnp.abs(v) <= 0.5", "jnp.abs(v) < 0.5"),
        torch=("torch.abs(v) <= 0.5", "torch.abs(v) < 0.5"),
        files=("reference/surrogates", "cells/surrogates"),
    ),
    # networks and rules
    everywhere(
        "loss averaged over the steps too",
        f"{NETWORK}loss",
        numpy=("targets[t, b]].sum()) / targets.shape[1]", "targets[t, b]].sum()) / targets.size"),
        jax=(".sum() / targets.shape[1]", ".sum() / targets.size"),
        torch=(".sum() / targets.shape[1]", ".sum() / targets.numel()"),
        files=RULES,
    ),
    everywhere(
        "signed weights below 0 are none",
        f"{INITIAL}masks_and_signs_act",
        numpy=("np.sign(v) if cell.signed", "np.maximum(np.sign(v), 0) if cell.signed"),
        jax=('jnp.sign(w["r"]) * derivative', 'jnp.maximum(jnp.sign(w["r"]), 0) * derivative'),
        torch=('w["r"].sign() * derivative', 'w["r"].sign().clamp(min=0) * derivative'),
        files=RULES,
    ),
    everywhere(
        "postsynaptic filter not normalised",
        f"{NETWORK}filters",
        numpy=("eps_f + np.zeros_like(D_f)) + (1 - a) * D_f", "eps_f + np.zeros_like(D_f)) + D_f"),
        jax=("(1 - a) * D_f[0]\n", "D_f[0]\n"),
        torch=("(1 - a) * D_f)", "D_f)"),
        files=("reference/algorithms", "algorithms/approximate/es_drtrl"),
    ),
    everywhere(
        "the bias is filtered",
        f"{NETWORK}filters",
        numpy=('if k in ("x", "r") else z[t]', 'if k in ("x", "r", "b") else z[t]'),
        jax=('FILTERED = ("x", "r")', 'FILTERED = ("x", "r", "b")'),
        files=("reference/algorithms", "algorithms/approximate/es_drtrl"),
    ),
    everywhere(
        "a readout without memory is filtered",
        f"{NETWORK}filters",
        numpy=('(0.0, 0.0, "none") if cell.memoryless else (keep,', "(keep,"),
        jax=("(0.0, 0.0, jnp.ones_like(c)) if cell.memoryless else (a,", "(a,"),
        torch=("(0.0, 0.0, torch.ones_like(c)) if cell.memoryless else (a,", "(a,"),
        files=("reference/algorithms", "algorithms/approximate/es_drtrl"),
    ),
    everywhere(
        "both filters with the decay of one",
        f"{NETWORK}filters",
        numpy=("else (keep, keep_x, bias", "else (keep, keep, bias"),
        jax=("else (a, a_x, c)", "else (a, a, c)"),
        files=("reference/algorithms", "algorithms/approximate/es_drtrl"),
    ),
    Planted(
        "random feedback as wide as the layer is large",
        "implementations/algorithms/approximate/feedback.py",
        "/ np.sqrt(C)",
        "/ np.sqrt(N)",
        f"{NETWORK}gradient",
    ),
    Planted(
        "a rank stands for another decay",
        "implementations/algorithms/approximate/filtering.py",
        "(decay - 1) / (decay + 1)\n    if",
        "decay / (decay + 1)\n    if",
        f"{NETWORK}ranks",
    ),
    # the specification
    specified(
        "truncated weights not widened",
        f"{INITIAL}variance_is_the_scale_over_the_lines",
        "TRUNCATED_DEVIATION = 0.87962566",
        "TRUNCATED_DEVIATION = 1.0",
        file="cell",
    ),
    specified(
        "weights cut at three deviations",
        f"{INITIAL}truncated_normal",
        "np.abs(draw) > 2).any()",
        "np.abs(draw) > 3).any()",
        file="cell",
    ),
    specified(
        "recurrent weights as wide as the input's",
        f"{INITIAL}variance_is_the_scale_over_the_lines",
        "np.sqrt(scale[kind] / J)",
        "np.sqrt(scale[kind] / I)",
        file="cell",
    ),
    specified(
        "inhibitory weights four times as large",
        f"{INITIAL}variance_is_the_scale_over_the_lines",
        'weights["r"][:, 1] *= 2',
        'weights["r"][:, 1] *= 4',
    ),
    specified(
        "spread is a variance",
        f"{INITIAL}trained_constants_start_around_their_middle",
        "self.spread * draw",
        "self.spread**2 * draw",
        file="cell",
    ),
    specified("nothing to release at rest", f"{INITIAL}states_at_rest", '"u": self.U}', '"u": 0.0}'),
    specified(
        "potentials start normal",
        f"{INITIAL}states_at_rest",
        "np.random.default_rng(N).random(N)",
        "np.random.default_rng(N).standard_normal(N)",
    ),
    specified(
        "density is a share that is missing",
        f"{INITIAL}mask_of_a_sparse_recurrence",
        "reads.stop - reads.start, N)) < self.density",
        "reads.stop - reads.start, N)) > self.density",
        file="cell",
    ),
    specified(
        "another mask at every call",
        f"{INITIAL}mask_of_a_sparse_recurrence",
        "np.random.default_rng([J, N]).random((J, reads.stop",
        "np.random.default_rng().random((J, reads.stop",
        file="cell",
    ),
    specified(
        "one neuron in five excitatory",
        f"{INITIAL}mask_of_excitatory_and_inhibitory_neurons",
        "round(self.excitatory * J)",
        "round((1 - self.excitatory) * J)",
    ),
    specified("inhibition that excites", f"{OPTIONS}options", "E_I: float = -10.0", "E_I: float = 10.0"),
    specified("events too flat", f"{OPTIONS}options", "alpha: float = 0.7 * 1.7", "alpha: float = 0.7"),
    specified(
        "slower synapse",
        f"{OPTIONS}options",
        "tau_syn: float = 10.0\n    tau_std",
        "tau_syn: float = 20.0\n    tau_std",
    ),
    specified(
        "recurrence into the wrong gate",
        f"{OPTIONS}which_weights_feed_which_drives",
        '{"x": slice(0, 2), "r": slice(1, 3)',
        '{"x": slice(0, 2), "r": slice(0, 2)',
    ),
    # the tables
    listed(
        "plasticity with the U of depression",
        f"{OPTIONS}options",
        '"alif_stp": ("LIF", {"states": ("V", "a", "u", "x", "g"), "U": 0.15})',
        '"alif_stp": ("LIF", {"states": ("V", "a", "u", "x", "g"), "U": 0.1})',
    ),
    listed(
        "a neuron without its adaptation",
        f"{OPTIONS}options",
        '"alif_expcu": ("LIF", {"states": ("V", "a", "g")})',
        '"alif_expcu": ("LIF", {"states": ("V", "g")})',
    ),
    listed(
        "reset of another kind",
        f"{OPTIONS}options",
        '"if_delta": ("LIF", {})',
        '"if_delta": ("LIF", {"reset": "hard"})',
    ),
    listed("trace not seen", f"{OPTIONS}options", '{"traced": True}', '{"traced": False}'),
    listed(
        "release before the spike taken for after",
        f"{OPTIONS}options",
        '"x", "g"), "U": 0.1, "release": "before"}',
        '"x", "g"), "U": 0.1, "release": "after"}',
    ),
    listed(
        "one readout for the other",
        f"{OPTIONS}readouts",
        '"linear": "LinearReadout"',
        '"linear": "LeakyReadout"',
    ),
    listed(
        "decay not told to the reference",
        f"{OPTIONS}algorithms",
        '"es_drtrl", ES, ES, carry',
        '"es_drtrl", (), ES, carry',
    ),
    Planted(
        "scale of the hidden layers in the readout too",
        "bench/measure/problem.py",
        "replace(readout, initial=case.initial)",
        "replace(readout, **scales)",
        f"{OPTIONS}scales_of_a_case",
    ),
    Planted(
        "the cells of a case have their own surrogate and reset whatever it says",
        "bench/measure/problem.py",
        "scales | case.cell_options",
        "scales",
        f"{OPTIONS}surrogate_and_reset_of_a_case",
    ),
    Planted(
        "a case may set an option that its cell does not have",
        "bench/plan.py",
        "case.cell_options.keys() - vars(cell).keys()",
        "set[str]()",
        "tests/bench/test_case.py::test_bad_plan_names_file_key_and_way_out",
    ),
    # training, streams, long chunks
    both(
        "loss of the last chunk only",
        "training/fit",
        "tests/implementations/test_fit.py::test_updates_per_chunk_by_hand",
        jax=("loss = loss + more", "loss = more"),
        torch=("loss += float(more)", "loss = float(more)"),
    ),
    both(
        "gradient with respect to the effective weights",
        "training/fit",
        "tests/implementations/test_fit.py::test_updates_per_chunk_by_hand",
        jax=("return carry, loss, to_stored(grads, derivatives)", "return carry, loss, grads"),
        torch=("update(to_stored(grads, derivatives))", "update(grads)"),
    ),
    both(
        "gradient with respect to the effective weights",
        "training/stream",
        "tests/implementations/test_stream.py::test_masks_and_signs_in_a_stream",
        jax=("sums, to_stored(grads, derivatives))", "sums, grads)"),
        torch=("to_stored(sums, derivatives)", "sums"),
    ),
    both(
        "stored weights taken for effective ones",
        "training/stream",
        "tests/implementations/test_stream.py::test_masks_and_signs_in_a_stream",
        jax=("algorithm.advance(net, effective,", "algorithm.advance(net, params,"),
        torch=("                net, effective, carry,", "                net, params, carry,"),
    ),
    Planted(
        "trace kept as it is computed",
        "implementations/engine/trace_jax.py",
        "updated.append(later.astype(tile.dtype))",
        "updated.append(later)",
        f"{LONG}trace_is_stored_as_asked",
    ),
    Planted(
        "trace in another half precision",
        "implementations/engine/trace_torch.py",
        "getattr(torch, dtype)",
        "torch.float16",
        f"{LONG}trace_is_stored_as_asked",
    ),
    both(
        "adjoints are not passed on to the blocks before",
        "engine/blocks",
        f"{LONG}gradient_of_several_blocks",
        jax=("adjoints, sums, rest = backward_(", "_, sums, rest = backward_("),
        torch=("adjoints, grads, new = execution.backward(", "_, grads, new = execution.backward("),
    ),
    # which neurons a weight reaches, read by JAX and PyTorch; and the reference's own pattern
    Planted(
        "neurons that feed, in place of those that are fed",
        "implementations/algorithms/further/pattern.py",
        "mask.any(axis=1)",
        "mask.any(axis=1).T",
        f"{SNAP2}pattern_of_a_chain",
    ),
    Planted(
        "those alone that are fed by every gate",
        "implementations/algorithms/further/pattern.py",
        "mask.any(axis=1)",
        "mask.all(axis=1)",
        f"{SNAP2}gradient_is_that_of_dense_matrices_and_a_pattern",
    ),
    Planted(
        "the neuron itself in the order of all",
        "implementations/algorithms/further/pattern.py",
        "lists = [[n, *(m for m in np.flatnonzero(feeds[n]) if m != n)] for n in range(N)]",
        "lists = [sorted({n, *np.flatnonzero(feeds[n])}) for n in range(N)]",
        f"{SNAP2}gradient_is_that_of_dense_matrices_and_a_pattern",
    ),
    Planted(
        "the reference keeps the neurons that feed",
        "implementations/reference/online.py",
        "new * pattern[:, None, :]",
        "new * pattern.T[:, None, :]",
        f"{SNAP2}reference_is_that_of_dense_matrices_and_a_pattern",
    ),
    Planted(
        "the reference keeps every neuron",
        "implementations/reference/online.py",
        "new * pattern[:, None, :]",
        "new",
        f"{SNAP2}reference_is_that_of_dense_matrices_and_a_pattern",
    ),
    # fidelity
    Planted(
        "cosine of the sizes",
        "bench/measure/fidelity.py",
        '"cosine": float(g @ reference / (norm * reference_norm)) if norm else None,',
        '"cosine": float(np.abs(g) @ np.abs(reference) / (norm * reference_norm)) if norm else None,',
        f"{TURNED}all_of_them_are_one_vector",
    ),
    Planted(
        "cosine of all as the mean over weights",
        "bench/measure/fidelity.py",
        '"overall": together(true),',
        '"overall": together(true) | {"cosine": float(np.mean('
        '[agreement(vectors[n], true[n])["cosine"] for n in true]))},',
        f"{TURNED}all_of_them_are_one_vector",
    ),
    Planted(
        "ratio of norms the wrong way round",
        "bench/measure/fidelity.py",
        '"norm_ratio": norm / reference_norm',
        '"norm_ratio": reference_norm / norm',
        f"{TURNED}each_weight",
    ),
    Planted(
        "a spike that does not reset, in PyTorch's closed form",
        "implementations/cells/closed_torch.py",
        ".mul_(-a).add_(a)",
        ".mul_(0).add_(a)",
        "tests/implementations/test_closed_torch.py",
    ),
]
