"""Define what figures share that need no matplotlib: the resolution, and the error for records without points."""

DPI = 150
"""Resolution of the PNGs. Figures are laid out at it, so that words that do not touch then do not touch in the file."""


class NothingToDraw(ValueError):  # noqa: N818
    """Records without points for a figure; the message says in one line which it needs and which there are."""
