"""What a figure's files and its drawing have in common: the resolution, and that there may be nothing to draw."""

DPI = 150


class NothingToDraw(ValueError):  # noqa: N818
    """Records of which a figure shows nothing; the message says in one line what it needs and what there is."""
