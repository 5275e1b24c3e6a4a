"""Check the options of ES-D-RTRL, the same in both frameworks."""

BIAS_CORRECTIONS = ("corrected", "as_published", "none")


def smoothing(decay: float, bias_correction: str, name: str = "decay") -> float:
    """Return the decay a of a filter: `decay`, or (k - 1) / (k + 1) if it is a rank k >= 1; errors call it `name`.

    Raises ValueError for any other decay or bias correction.
    """
    a = decay if decay < 1 else (decay - 1) / (decay + 1)
    if a < 0 or (decay >= 1 and decay != round(decay)):
        raise ValueError(f"{name} is {decay}; it can be a number from 0 up to 1, or a whole number as a rank")
    if bias_correction not in BIAS_CORRECTIONS:
        raise ValueError(f"bias_correction is {bias_correction!r}; it can be {', '.join(BIAS_CORRECTIONS)}")
    if a == 0 and bias_correction == "as_published":
        raise ValueError("bias_correction 'as_published' divides by 0 with decay 0; use 'corrected'")
    return a
