"""Makes text of others plain: what a terminal, a page or a figure would obey in it is replaced by its escape."""


def shown(value: object) -> str:
    """Replaces what is not printable by its escape: control characters, line ends, overrides of the direction of text,
    and bytes of a file's name that are no UTF-8."""
    text = str(value)
    return text if text.isprintable() else "".join(c if c.isprintable() else escaped(c) for c in text)


def escaped(character: str) -> str:
    r"""An escape that names a character, as in \x1b or \u202e."""
    if "\udc80" <= character <= "\udcff":  # what Python makes of a byte that is no UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return ascii(character)[1:-1]
