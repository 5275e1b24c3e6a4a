"""Errors that change no gradient but what it holds or how often it runs, which tests see by bytes and by counts."""

from planted import Planted

PLANTED = [
    Planted(
        "the loss reaches the first adjoint alone",
        "implementations/engine/adjoint_torch.py",
        "adjoints[:, :, : l.shape[2]] = l\n",
        "adjoints[:, :, : min(1, l.shape[2])] = l[:, :, :1]\n",
        "tests/implementations/by_hand/test_recursion_by_hand.py::test_the_loss_is_added_to_the_first_adjoints[2]",
    ),
    Planted(
        "ES-D-RTRL keeps a whole chunk",
        "implementations/algorithms/approximate/es_drtrl_torch.py",
        "inputs, targets, execution.block)",
        "inputs, targets, len(inputs))",
        "tests/implementations/test_memory_growth.py::test_filters_run_block_by_block_however_long_the_chunk[torch]",
    ),
    Planted(
        "inputs of every layer and step are kept",
        "implementations/engine/blocks_torch.py",
        "[r._replace(inputs=x[:0]) for r in residuals]",
        "list(residuals)",
        "tests/implementations/test_memory_growth.py::test_inputs_of_upper_layers_are_not_kept[torch]",
    ),
    Planted(
        "the last of the filters keeps all",
        "implementations/algorithms/approximate/es_drtrl_torch.py",
        "return eps_f.clone(), filtered",
        "return eps_f, filtered",
        "tests/implementations/test_memory_growth.py::test_what_is_carried_keeps_nothing_else[es_drtrl]",
    ),
    Planted(
        "the last states keep all",
        "implementations/engine/network_torch.py",
        "[r.states[-1].clone() for r in residuals]",
        "[r.states[-1] for r in residuals]",
        "tests/implementations/test_memory_growth.py::test_what_is_carried_keeps_nothing_else[drtrl]",
    ),
    Planted(
        "tiles on a GPU are as small as on a CPU",
        "implementations/engine/xla_jax.py",
        "least = TILE_BYTES if on_cpu() else GPU_TILE_BYTES",
        "least = TILE_BYTES",
        "tests/implementations/test_tiles.py::test_tiles_are_few_and_not_small",
    ),
    Planted(
        "ES-D-RTRL's gradients are summed over blocks and over chunks, JAX",
        "bench/measure/backend_jax.py",
        "chunk=at_once(case)",
        "chunk=case.chunk",
        "tests/implementations/test_memory_growth.py::test_gradients_of_filters_are_summed_once[jax]",
    ),
    Planted(
        "ES-D-RTRL's gradients are summed over blocks and over chunks, PyTorch",
        "bench/measure/backend_torch.py",
        "self.chunk = at_once(case)",
        "self.chunk = case.chunk",
        "tests/implementations/test_memory_growth.py::test_gradients_of_filters_are_summed_once[torch]",
    ),
    Planted(
        "XLA updates all tiles of an influence at once",
        "implementations/engine/influence_jax.py",
        "P_n = lax.dynamic_slice_in_dim(padded, zero, len(P))",
        "P_n = P",
        "tests/implementations/test_memory_growth.py::test_one_influence_and_a_chunk[jax]",
    ),
    Planted(
        "an influence's factors are not cut tile by tile",
        "implementations/engine/influence_jax.py",
        "start + zero, tile.shape[3]",
        "start, tile.shape[3]",
        "tests/implementations/test_memory_growth.py::test_one_influence_and_a_chunk[jax]",
    ),
    Planted(
        "the last segment runs forward twice",
        "implementations/engine/blocks_jax.py",
        "looped = (K - (segment > 0)) // length * length",
        "looped = K // length * length",
        "tests/implementations/test_memory_growth.py::test_the_last_segment_runs_once",
    ),
    Planted(
        "ES-D-RTRL keeps a whole chunk, JAX",
        "implementations/algorithms/approximate/es_drtrl_jax.py",
        "execution.block, last_differs=False)",
        "len(inputs), last_differs=False)",
        "tests/implementations/test_memory_growth.py::test_filters_run_block_by_block_however_long_the_chunk[jax]",
    ),
    Planted(
        "XLA updates all tiles of a trace at once",
        "implementations/engine/trace_jax.py",
        "start += len(tile) + xla.later_than(updated[-1])",
        "start += len(tile)",
        "tests/implementations/test_memory_growth.py::test_one_trace_and_a_chunk",
    ),
    Planted(
        "the formula keeps a whole chunk of ES-D-RTRL",
        "bench/cost/footprint.py",
        " or sizes.algorithm.filters  # keeps",
        "  # keeps",
        "tests/implementations/test_memory_growth.py::test_filters_run_block_by_block_however_long_the_chunk[torch]",
    ),
]
