"""Shows that snnTorch's RLeaky with reset_mechanism="zero" drops the current that comes in; needs snntorch alone.

After a spike, `Leaky` sets the potential to zero and then adds the input: mem' = beta (1 - reset) mem + input.
`RLeaky` subtracts reset times the whole new state, beta mem + input + recurrent, so that mem' = 0: the input of that
step is lost. Without recurrence (its weight set to 0) both layers should be the same.

    python snntorch_rleaky_zero.py           exits with 1 while the potentials differ
"""

import snntorch
import torch


def main():
    """Run both layers on the same input, of which the first step makes a spike."""
    leaky = snntorch.Leaky(0.9, reset_mechanism="zero")
    recurrent = snntorch.RLeaky(0.9, reset_mechanism="zero", all_to_all=False)
    with torch.no_grad():
        recurrent.recurrent.V.zero_()
    mem, spikes, mem_r = torch.zeros(1, 1), torch.zeros(1, 1), torch.zeros(1, 1)
    differs = False
    for current in (1.5, 0.4, 0.4):
        x = torch.full((1, 1), current)
        _, mem = leaky(x, mem)
        spikes, mem_r = recurrent(x, spikes, mem_r)
        print(f"input {current}: Leaky {mem.item():.3f}, RLeaky {mem_r.item():.3f}")
        differs |= not torch.allclose(mem, mem_r)
    print("snntorch", snntorch.__version__)
    raise SystemExit(int(differs))


if __name__ == "__main__":
    main()
