"""Errors of runs on a cluster, where records are lost, doubled or mixed up, and of networks on several devices."""

from planted import Planted

SHARDED = "tests/implementations/sharded/test_sharded.py::test_"
TEST = "tests/bench/cluster/test_dispatch.py::"
PLANTED = [
    Planted(
        "two workers of a machine measure at once",
        "bench/measure/runner.py",
        'with locks.measuring(lambda text: report(f"    {text}", None)):',
        "if True:",
        f"{TEST}test_two_workers_of_one_machine_take_turns",
    ),
    Planted(
        "a case whose worker went away is forgotten",
        "bench/cluster/dispatch.py",
        "                waiting.appendleft(task)\n            else:",
        "                pass\n            else:",
        TEST + "test_a_killed_worker_loses_and_doubles_no_record",
    ),
    Planted(
        "one worker measures all",
        "bench/cluster/dispatch.py",
        "if (address := cluster.free(task.case)) is None:",
        "if (address := cluster.free(task.case)) is None or cluster.busy:",
        TEST + "test_a_killed_worker_loses_and_doubles_no_record",
    ),
    Planted(
        "every round is the first",
        "bench/cluster/worker.py",
        'return dict(measured) | {"round": job["round"]}',
        "return dict(measured)",
        TEST + "test_rounds_are_kept_apart",
    ),
    Planted(
        "the machine that measured is not described",
        "bench/cluster/dispatch.py",
        '            appending.append(path, environments[record["env_hash"]])\n',
        "",
        TEST + "test_a_record_is_the_one_that_the_machine_itself_makes",
    ),
    Planted(
        "a worker measures with the variables that dask sets",
        "bench/cluster/worker.py",
        "                del os.environ[name]",
        "                pass",
        TEST + "test_a_record_is_the_one_that_the_machine_itself_makes",
    ),
    Planted(
        "other sources measure, too",
        "bench/cluster/dispatch.py",
        'if machine["sources"] != self.sources:',
        "if not self.sources:",
        TEST + "test_other_sources_are_refused",
    ),
    Planted(
        "a GPU's case goes to any worker",
        "bench/cluster/dispatch.py",
        'if machine["gpu"] or not on_gpu]',
        "if machine]",
        TEST + "test_cases_of_a_gpu_go_to_a_worker_that_has_one",
    ),
    Planted(
        "what goes to the layer below is one device's part, JAX",
        "implementations/sharded/drtrl_sharded_jax.py",
        "lax.psum(part, AXIS) if isinstance(cell, Gathered) else part",
        "part",
        SHARDED + "four_devices_have_the_gradient_of_one_in_jax[lif_soft-2]",
    ),
    Planted(
        "an adjoint takes the first device's part, JAX",
        "implementations/sharded/drtrl_sharded_jax.py",
        "start = lax.axis_index(AXIS) * shard.shape[-1]",
        "start = 0 * lax.axis_index(AXIS)",
        SHARDED + "four_devices_have_the_gradient_of_one_in_jax[gru-1]",
    ),
    Planted(
        "every device holds all neurons, JAX",
        "implementations/sharded/drtrl_sharded_jax.py",
        "hidden = PartitionSpec(None, None, AXIS)",
        "hidden = PartitionSpec()",
        SHARDED + "a_device_of_four_needs_a_quarter_of_the_memory",
    ),
    Planted(
        "what goes to the layer below is one process's part, PyTorch",
        "implementations/sharded/drtrl_sharded_torch.py",
        "        dist.all_reduce(part := part.contiguous())\n",
        "        part = part.contiguous()\n",
        SHARDED + "two_processes_have_the_gradient_of_one_in_torch[lif_soft-2]",
    ),
    Planted(
        "an adjoint takes the first process's part, PyTorch",
        "implementations/sharded/drtrl_sharded_torch.py",
        "dist.get_rank() * ctx.neurons, ctx.neurons",
        "0, ctx.neurons",
        SHARDED + "two_processes_have_the_gradient_of_one_in_torch[gru-1]",
    ),
]
