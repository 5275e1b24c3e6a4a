"""Map definitions and rules: what each library calls what, how it differs, and which learning rules exist where.

Each table has a column for this project, "here", and one for each peer. `page.py` writes them as Markdown.
"""

from dataclasses import dataclass, field

HERE = "here"
SAME = "="
"""As in this project."""

DEFINITIONS: dict[str, dict[str, str]] = {
    "layer of LIF neurons": {
        HERE: "`lif_delta`, `lif_delta_hard`",
        "braintrace": "the user's own module, with `braintrace.nn.Linear`",
        "snntorch": "`Leaky`",
        "spikingjelly": "`LIFNode(decay_input=False)`",
        "norse": "`lif_box_feed_forward_step`",
        "spyx": "`RLIF`",
    },
    "decay a = exp(-1/tau)": {
        HERE: "`tau`",
        "braintrace": "the user's own",
        "snntorch": "`beta` = a",
        "spikingjelly": "`tau` = 1/(1 - a)",
        "norse": "`dt * tau_mem_inv` = 1 - a",
        "spyx": "`beta` = a, clipped to [0, 1]",
    },
    "potential, soft reset": {
        HERE: "V' = a (V - s) + I",
        "braintrace": SAME,
        "snntorch": "V' = a V - s + I; with `reset_delay=False` as here below twice the threshold",
        "spikingjelly": "= (`v_reset=None`)",
        "norse": "= (`reset_subtract`)",
        "spyx": "V' = a V - s + I",
    },
    "gradient through the reset's spike": {
        HERE: "yes; `detach_reset`: no",
        "braintrace": SAME,
        "snntorch": "no; with `reset_delay=False` yes",
        "spikingjelly": "= (`detach_reset=True`: no)",
        "norse": "= (`lif_step`: no)",
        "spyx": SAME,
    },
    "hard reset": {
        HERE: "V - s V, no gradient through that V; `multiply`: (1 - s) V, gradient through both",
        "braintrace": SAME,
        "snntorch": '`reset_mechanism="zero"`, not run',
        "spikingjelly": "`multiply`",
        "norse": "`multiply`",
        "spyx": "none",
    },
    "default reset, as it is called here": {
        HERE: "`soft`",
        "braintrace": "the user's own",
        "snntorch": "`soft` of the whole threshold, detached",
        "spikingjelly": "`multiply`",
        "norse": "`multiply`",
        "spyx": "`soft` of the whole threshold",
    },
    "input current": {
        HERE: "I, unscaled",
        "braintrace": SAME,
        "snntorch": SAME,
        "spikingjelly": "= (`decay_input=True`, the default: I / tau)",
        "norse": "(1 - a) I: the adapter divides the weights by it",
        "spyx": SAME,
    },
    "a spike where": {
        HERE: "V >= 1",
        "braintrace": SAME,
        "snntorch": "V > 1 by its own surrogates; as here by the one handed to it",
        "spikingjelly": SAME,
        "norse": "V > 1",
        "spyx": "V > 1 by its own; as here by the one handed to it",
    },
    "surrogate alpha max(width - abs(v), 0)": {
        HERE: "`relu`, 0.3 and 1",
        "braintrace": "handed to it (`ReluGrad` of its sister library)",
        "snntorch": "handed to it as `spike_grad`",
        "spikingjelly": "handed to it as `surrogate_function`",
        "norse": '`"triangle"`, of width 1',
        "spyx": "handed to it by `axn.custom`",
    },
    "default surrogate, as it is called here": {
        HERE: "`relu`",
        "braintrace": "the user's own",
        "snntorch": "`atan`",
        "spikingjelly": "`sigmoid`",
        "norse": '`superspike` (`"super"`, its alpha 100)',
        "spyx": "`fast_sigmoid` (its `superspike`, k = 25)",
    },
    "spikes that a step returns": {
        HERE: "of the potential after the step",
        "braintrace": SAME,
        "snntorch": SAME,
        "spikingjelly": SAME,
        "norse": SAME,
        "spyx": "of the potential before it: one step late",
    },
    "GRU": {
        HERE: "`gru`, reset gate after the product",
        "braintrace": "the user's own, a product for each gate; its `nn.GRUCell` resets before the product",
        "snntorch": "",
        "spikingjelly": "",
        "norse": "",
        "spyx": "",
    },
}
"""A row for each definition; an empty cell is one that the library does not have, or that is not run."""


@dataclass(frozen=True)
class Rule:
    """A learning rule: its name here, and what it is called in each library that has it."""

    ours: str = ""
    """The algorithm of this project, empty if there is none."""
    names: dict[str, str] = field(default_factory=dict)
    """What each peer has: MODULE:NAME of what can be imported, or a remark."""


DIFFERENTIATED = "by differentiation"
ONLINE = "spikingjelly.activation_based.neuron"

RULES: dict[str, Rule] = {
    "BPTT": Rule(
        "bptt",
        {
            "braintrace": DIFFERENTIATED,
            "snntorch": "snntorch.backprop:BPTT",
            "spikingjelly": DIFFERENTIATED,
            "norse": DIFFERENTIATED,
            "spyx": DIFFERENTIATED,
        },
    ),
    "BPTT with checkpoints": Rule("bptt_checkpointed"),
    "BPTT in truncated windows": Rule("bptt", {"snntorch": "snntorch.backprop:TBPTT"}),
    "RTRL": Rule("rtrl", {"snntorch": "none: its `backprop.RTRL` is truncated BPTT of one step"}),
    "D-RTRL": Rule("drtrl", {"braintrace": "braintrace:D_RTRL"}),
    "BPTT in windows, D-RTRL before": Rule("drtrl_window", {"braintrace": 'D_RTRL with `vjp_method="multi-step"`'}),
    "ES-D-RTRL": Rule("es_drtrl", {"braintrace": "braintrace:pp_prop"}),
    "SnAp-1": Rule("snap1", {"braintrace": "braintrace:OSTLRecurrent"}),
    "SnAp-n, n >= 2": Rule("snap2", {"braintrace": "braintrace:SnAp"}),
    "UORO": Rule("uoro", {"braintrace": "braintrace:UORO"}),
    "e-prop with its kappa filter": Rule("eprop", {"braintrace": "braintrace:EProp"}),
    "random feedback": Rule("random_feedback", {"braintrace": "braintrace:FixedRandomFeedback"}),
    "OSTL, feed-forward": Rule("", {"braintrace": "braintrace:OSTLFeedforward"}),
    "three-factor rule": Rule("", {"braintrace": "braintrace:ThreeFactor"}),
    "synthetic gradients, DNI": Rule("", {"braintrace": "braintrace:DNI"}),
    "OTTT": Rule("ottt", {"spikingjelly": f"{ONLINE}:OTTTLIFNode"}),
    "SLTT": Rule("", {"spikingjelly": f"{ONLINE}:SLTTLIFNode"}),
    "adjoint of spike times": Rule("", {"norse": "norse.torch.functional.adjoint.lif_adjoint:LIFAdjointFunction"}),
    "control: the current step only": Rule("no_trace"),
}
"""Every rule of this project, and what the peers have of it or besides."""
