"""Errors of what is asked of a GPU, which tests see by the calls: kernels' errors are in `kernels.py`."""

from planted import Planted

CALLS = "tests/bench/measure/test_gpu_calls.py::"
AHEAD = "tests/implementations/kernels/test_ahead.py::test_which_stream_waits_for_what"
TORCH, JAX = "bench/measure/backend_torch.py", "bench/measure/backend_jax.py"

PLANTED = [
    Planted(
        "mode triton runs its kernels one by one",
        TORCH,
        'self.replayed = case.mode in ("cuda_graph", "triton")',
        'self.replayed = case.mode in ("cuda_graph",)',
        f"{CALLS}test_a_gradient_is_recorded_once_and_replayed_from_then_on[triton]",
    ),
    Planted(
        "the bytes of a replay",
        TORCH,
        "memory.torch_peak_bytes(self.run, self.device)",
        "memory.torch_peak_bytes(self.call, self.device)",
        f"{CALLS}test_bytes_are_those_of_a_gradient_and_not_of_a_replay",
    ),
    Planted(
        "the time to record is not told",
        TORCH,
        'self.capture(self.run)\n            self.phases["compile_s"] = perf_counter() - start\n',
        "self.capture(self.run)\n",
        f"{CALLS}test_the_time_to_record_is_the_time_to_compile",
    ),
    Planted(
        "chunks of several blocks run ahead",
        TORCH,
        'case.mode == "triton" and case.chunk <= self.execution.block < case.steps',
        'case.mode == "triton"',
        f"{CALLS}test_chunks_of_one_block_each_run_ahead",
    ),
    Planted(
        "XLA times its own products",
        JAX,
        "lowered.compile(self.options)",
        "lowered.compile(None)",
        f"{CALLS}test_a_gpu_does_not_time_xlas_own_products",
    ),
    Planted(
        "XLA times its own products of the forward pass alone",
        JAX,
        "lower(*self.arguments[:2]).compile(self.options)",
        "lower(*self.arguments[:2]).compile()",
        f"{CALLS}test_a_gpu_does_not_time_xlas_own_products",
    ),
    Planted(
        "the time to compile is not told",
        JAX,
        '"compile_s": perf_counter() - middle',
        '"compile_s": 0.0',
        f"{CALLS}test_a_gpu_does_not_time_xlas_own_products",
    ),
    Planted(
        "JAX does not unroll",
        JAX,
        "    return Execution(block(case), case.unroll)\n",
        "    return Execution(block(case))\n",
        f"{CALLS}test_jax_unrolls_as_the_case_says_and_takes_the_kernel_in_mode_triton",
    ),
    Planted(
        "JAX leaves its kernel out",
        JAX,
        "Execution(block(case), case.unroll, forward_pallas.layer)",
        "Execution(block(case), case.unroll)",
        f"{CALLS}test_jax_unrolls_as_the_case_says_and_takes_the_kernel_in_mode_triton",
    ),
    Planted(
        "a backward pass does not wait for its forward pass",
        "implementations/kernels/ahead_torch.py",
        "        main.wait_stream(self.stream)\n",
        "",
        AHEAD,
    ),
    Planted(
        "a forward pass overwrites what a backward pass still reads",
        "implementations/kernels/ahead_torch.py",
        "self.stream.wait_event(self.pending.pop(0).backward_end)",
        "self.pending.pop(0)",
        AHEAD,
    ),
    Planted(
        "a truncated BPTT of the framework's own on the curve of the whole",
        "bench/asv_suite/gpu.py",
        'WHOLE = {"bptt", "bptt_native"}',
        'WHOLE = {"bptt"}',
        "tests/bench/gate/test_asv.py::test_a_truncated_bptt_is_on_no_curve",
    ),
]
