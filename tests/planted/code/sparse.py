"""Errors of sparse weights: of the pattern, of what is read spike by spike, and of the rules on it."""

from planted import Planted

FOLDER, TEST = "implementations/sparse/", "tests/implementations/sparse/test_sparse.py::"
GRADIENT = f"{TEST}test_gradient_is_the_masked_dense_one"
PLANTED = [
    Planted(
        "the trace decays by the loss's adjoint",
        f"{FOLDER}drtrl_torch.py",
        "eps_b[0].mul_(sparse.at_post(synapses, P[b, 0, 0]))",
        "eps_b[0].mul_(sparse.at_post(synapses, lam[b, 0]))",
        f"{GRADIENT}[torch-drtrl-lif_soft-2layers-B1-K3]",
    ),
    Planted(
        "the transposed matrix of a neuron's states",
        f"{FOLDER}drtrl_jax.py",
        "P[b, s, u]",
        "P[b, u, s]",
        f"{GRADIENT}[jax-drtrl-alif-1layers-B2-K3]",
    ),
    Planted(
        "the first sample's trace alone",
        f"{FOLDER}drtrl_torch.py",
        "in zip(lam, eps, strict=True)",
        "in zip(lam[:1], eps[:1], strict=True)",
        f"{GRADIENT}[torch-drtrl-lif_soft-1layers-B3-K1]",
    ),
    Planted(
        "a neuron's second row is read twice, its first not at all",
        f"{FOLDER}pattern.py",
        "np.arange(len(pre)) - np.repeat(np.cumsum(degree) - degree, degree)",
        "np.arange(len(pre)) - np.repeat(np.cumsum(degree) - degree, degree) ^ 1",
        f"{TEST}test_pattern_by_hand",
    ),
    Planted(
        "the last block of rows is left out",
        f"{FOLDER}synapses_jax.py",
        "lambda state: state[0] < end[-1]",
        "lambda state: state[0] + size <= end[-1]",
        f"{GRADIENT}[jax-bptt-lif_soft-1layers-B3-K3]",
    ),
    Planted(
        "every sample reads the first one's factors",
        f"{FOLDER}synapses_torch.py",
        "(at * (synapses.N + 1))[:, None]",
        "(at * 0)[:, None]",
        f"{GRADIENT}[torch-bptt-lif_soft-1layers-B3-K3]",
    ),
    Planted(
        "a spike counts as 1 whatever the neuron emits",
        f"{FOLDER}synapses_jax.py",
        "add(total, rows, post, z[neuron][:, None])",
        "add(total, rows, post, (z != 0).astype(z.dtype)[neuron][:, None])",
        f"{GRADIENT}[jax-drtrl-leaky_rnn-1layers-B1-K3]",
    ),
    Planted(
        "the filter of earlier chunks is lost",
        f"{FOLDER}es_drtrl_torch.py",
        "torch.cat([a * q[:1], q])",
        "torch.cat([0 * q[:1], q])",
        f"{GRADIENT}[torch-es_drtrl-lif_soft-1layers-B3-K3]",
    ),
    Planted(
        "BPTT without the path through recurrent weights",
        f"{FOLDER}bptt_jax.py",
        'if "r" in w:\n                lam = lam +',
        'if "r" not in w:\n                lam = lam +',
        f"{GRADIENT}[jax-bptt-lif_soft-1layers-B3-K11]",
    ),
    Planted(
        "feedback by every second slot",
        f"{FOLDER}synapses_torch.py",
        "zip(W.T, synapses.post.T, strict=True)",
        "zip(W.T[::2], synapses.post.T[::2], strict=True)",
        f"{GRADIENT}[torch-drtrl-lif_soft-2layers-B1-K3]",
    ),
    Planted(
        "neurons that excite and inhibit",
        "datasets/connectomes/generated.py",
        "synapses * sign[pre]",
        "synapses * sign[post]",
        "tests/datasets/connectomes/test_connectomes.py::test_generated_connectome_has_what_it_says",
    ),
]
