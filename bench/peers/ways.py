"""List the ways in which each peer computes a gradient, what of this project each is compared with, and what differs.

A difference names its cause, and how to emulate it: the peer's gradient then is the emulated one to 1e-10 in float64.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from drtrl_bench.case import Case
from drtrl_bench.implementations.reference.algorithms import jacobians_with_own_weight, local_jacobians
from drtrl_bench.peers import online
from drtrl_bench.peers.emulation import Definition, bptt, filtered_in_step_twice, in_step_twice

LIF, HARD = "lif_delta", "lif_delta_hard"
SYNAPTIC = ("lif_expcu", "alif_expcu")
RATE = ("tanh_rnn", "gru")
GATED = (*RATE, "lstm")
READOUTS = ("linear", "leaky")


@dataclass(frozen=True)
class Difference:
    """Why a peer's gradient is another one, for the cells and readouts that are named, or for all."""

    cause: str
    cell: str = ""
    readout: str = ""
    emulate: Callable[..., tuple[float, Any]] = field(kw_only=True)
    """Loss and gradient as the peer computes them: (network, weights, inputs, targets)."""

    def applies(self, cell: str, readout: str) -> bool:
        """Tell whether this is the difference for a cell and a readout."""
        return self.cell in ("", cell) and self.readout in ("", readout)


@dataclass(frozen=True)
class Way:
    """One way in which a peer computes a gradient."""

    about: str
    ours: tuple[str, ...]
    """The algorithms here for the same gradient; a cost is compared with the quickest of them."""
    cells: tuple[str, ...]
    differences: tuple[Difference, ...] = ()

    def difference(self, cell: str, readout: str) -> Difference | None:
        """Return why the gradient of a cell with a readout is another one than here; None if it is the same."""
        return next((each for each in self.differences if each.applies(cell, readout)), None)


@dataclass(frozen=True)
class Peer:
    """A library, the framework that it is for, and its ways."""

    framework: str
    ways: dict[str, Way] = field(default_factory=dict)


BPTT = ("bptt", "bptt_checkpointed", "bptt_native")


def in_step(emulate: Callable[..., tuple[float, Any]], *cells: str) -> tuple[Difference, ...]:
    """Return the differences of braintrace's single-step rules in cells with a path between states within a step."""
    paths = {"lstm": "c to h"} | dict.fromkeys(SYNAPTIC, "g to V")
    return tuple(
        Difference(f"the path from {paths[cell]} within a step counts twice", cell, emulate=emulate) for cell in cells
    )


PRODUCT = Difference(
    "the hard reset is (1 - s) V with a gradient through both factors",
    HARD,
    emulate=partial(bptt, Definition(product=True)),
)
WHOLE = "the reset subtracts the whole threshold after the decay"

SLOPES = "the filter of kappa is before the spike's slope, not after it"
READOUT = "the readout's traces are filtered, too"

EVERY = (LIF, HARD, *SYNAPTIC, *GATED)
OF_TRACE = in_step(partial(in_step_twice, local_jacobians), *SYNAPTIC, "lstm")
OF_FILTERS = in_step(partial(filtered_in_step_twice, decay=Case().decay), *SYNAPTIC)
PEERS = {
    "braintrace": Peer(
        "jax",
        {
            "d_rtrl": Way("D_RTRL, its own batching", ("drtrl",), EVERY, OF_TRACE),
            "d_rtrl_vmap": Way("D_RTRL, vmap=True", ("drtrl",), EVERY, OF_TRACE),
            "d_rtrl_windows": Way('D_RTRL, vjp_method="multi-step"', ("drtrl_window",), EVERY),
            "ostl_recurrent": Way(
                "OSTLRecurrent, which is SnAp-1, vmap=True",
                ("snap1",),
                EVERY,
                in_step(partial(in_step_twice, jacobians_with_own_weight), *SYNAPTIC, "lstm"),
            ),
            "snap2": Way("SnAp, n=2, vmap=True", ("snap2",), (LIF, HARD, *RATE)),
            "pp_prop": Way("pp_prop, which is ES-D-RTRL", ("es_drtrl",), (LIF, HARD, *SYNAPTIC, *RATE), OF_FILTERS),
            "eprop": Way(
                "EProp, kappa the readout's leak",
                ("eprop",),
                (LIF, HARD, *RATE),
                (
                    Difference(f"{SLOPES}, and {READOUT}", LIF, "leaky", emulate=online.eprop_of_states),
                    Difference(f"{SLOPES}, and {READOUT}", HARD, "leaky", emulate=online.eprop_of_states),
                    Difference(READOUT, "", "leaky", emulate=online.eprop_of_states),
                ),
            ),
            "uoro": Way(
                "UORO, its own batching, with the signs of here",
                ("uoro",),
                (LIF, HARD, *RATE),
                (
                    Difference(
                        "one product for all samples, and one for each layer with memory",
                        emulate=online.uoro_of_batch,
                    ),
                ),
            ),
            "bptt": Way("transform.grad over its scan", BPTT, EVERY),
        },
    ),
    "snntorch": Peer(
        "torch",
        {
            "bptt": Way(
                "Leaky, reset_delay=True",
                BPTT,
                (LIF,),
                (
                    Difference(
                        f"{WHOLE}, and its spike is detached",
                        emulate=partial(bptt, Definition(reset_after_decay=True, detached=True)),
                    ),
                ),
            ),
            "bptt_undelayed": Way(
                "Leaky, reset_delay=False",
                BPTT,
                (LIF,),
                (
                    Difference(
                        "a potential of twice the threshold or more is reset once more in the next step",
                        emulate=partial(bptt, Definition(twice=True)),
                    ),
                ),
            ),
        },
    ),
    "spikingjelly": Peer(
        "torch",
        {
            "bptt": Way("LIFNode", BPTT, (LIF, HARD), (PRODUCT,)),
            "bptt_detached": Way(
                "LIFNode, detach_reset=True",
                BPTT,
                (LIF, HARD),
                (
                    Difference("the reset's spike is detached", LIF, emulate=partial(bptt, Definition(detached=True))),
                    Difference(
                        "the hard reset is (1 - s) V, with a gradient through V alone",
                        HARD,
                        emulate=partial(bptt, Definition(detached=True, product=True)),
                    ),
                ),
            ),
            "ottt": Way(
                "OTTTLIFNode, GradwithTrace",
                ("ottt",),
                (LIF, HARD),
                (
                    Difference(
                        "the readout's weights have the trace by the neuron's leak; here by the readout's own, or none",
                        emulate=online.ottt_of_the_neurons,
                    ),
                ),
            ),
        },
    ),
    "norse": Peer(
        "torch",
        {"bptt": Way("lif_box_feed_forward_step", BPTT, (LIF, HARD), (PRODUCT,))},
    ),
    "spyx": Peer(
        "jax",
        {
            "bptt": Way(
                "RLIF",
                BPTT,
                (LIF,),
                (
                    Difference(
                        f"{WHOLE}, and spikes are returned one step late",
                        emulate=partial(bptt, Definition(reset_after_decay=True, late=True)),
                    ),
                ),
            ),
        },
    ),
}
