"""The lower bound of what a gradient costs, in numbers counted by hand."""

from drtrl_bench.case import Case
from drtrl_bench.cost.flops import lower_bound
from drtrl_bench.cost.sizes import sizes


def test_direct_feedback_by_hand() -> None:
    """The error of 3 classes goes to each hidden layer of 4 by itself, and not from the second to the first."""
    case = Case(algorithm="random_feedback", cell="leaky_rnn", layers=2, neurons=4, batch=2, steps=6, chunk=6)
    first, second, readout = 5 * 4 + 4 * 4, 4 * 4 + 4 * 4, 4 * 3  # weights of x and r
    forward = 2 * 2 * (first + second + readout)
    feedback = 2 * 2 * (3 * 4 + 3 * 4)
    least = lower_bound(sizes(case, 5, 3))
    assert least.forward_flops == 6 * forward
    assert least.flops == 6 * (2 * forward + feedback)
