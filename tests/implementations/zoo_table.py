"""The coverage table: what was compared with the reference, and how far from BPTT each algorithm is by construction."""

from collections.abc import Iterable

from support.problems import RULES, ZOO, cosine, errors

from drtrl_bench import registry

HEAD = """# Which algorithm was checked with which cell

Each entry stands for comparisons of every weight's gradient with a NumPy reference in float64, in {frameworks}, for
networks of 1, 2 and 3 layers (K = 1, 3 and T = 7; linear, trained leaky and leaky readout) in which every spiking
layer spikes. The largest relative error of any weight in any of these {number} comparisons is {worst:.0e}.

- **exact**: the algorithm's gradient is BPTT's, at every depth.
- numbers: the algorithm is an approximation; its cosine with BPTT's gradient of the hidden layers, for 1 / 2 / 3 of
  them. These are small random networks over 7 steps, chosen to make every path matter: they show that an algorithm
  differs, not how well it learns.
- (x): this combination failed or was not run.

`bptt`, `bptt_checkpointed` and `bptt_native` are exact with K = T; their truncated form was compared as well.
`snap1` of a cell without recurrent weights (`lru`) is `drtrl`.

"""


def table(results: Iterable[tuple[str, str, int, str, float]]) -> str:
    """Markdown of (algorithm, cell, layers, framework, largest relative error) of the comparisons that passed."""
    from test_zoo import DEPTHS, truth

    results = list(results)
    frameworks = sorted({framework for *_, framework, _ in results})
    done = {(rule, cell, layers, framework) for rule, cell, layers, framework, _ in results}
    lines = ["| cell | " + " | ".join(RULES) + " |", "|---" * (len(RULES) + 1) + "|"]
    for cell in ZOO:
        entries = []
        for rule in RULES:
            complete = all((rule, cell, layers, f) in done for layers in DEPTHS for f in frameworks)
            if not complete:
                entries.append("(x)")
                continue
            if rule in ("rtrl", *registry.BPTT):
                entries.append("exact")
                continue
            exact = [truth("rtrl", cell, layers)[1] for layers in DEPTHS]
            own = [truth(rule, cell, layers)[1] for layers in DEPTHS]
            if all(max(errors(g, e).values()) < 1e-9 for g, e in zip(own, exact, strict=True)):
                entries.append("exact")
            else:
                entries.append(" / ".join(f"{cosine(g[:-1], e[:-1]):.2f}" for g, e in zip(own, exact, strict=True)))
        lines.append(f"| {cell} | " + " | ".join(entries) + " |")
    named = {"jax": "JAX", "torch": "PyTorch"}
    said = HEAD.format(
        frameworks=" and ".join(named[f] for f in frameworks), number=len(results), worst=max(e for *_, e in results)
    )
    return said + "\n".join(lines) + "\n"
