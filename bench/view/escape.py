"""Makes foreign text plain: replaces what a terminal, a page or a figure would obey by its escape."""


def shown(value: object) -> str:
    """Replace unprintable characters by their escapes.

    They are control characters, line ends, overrides of the text's direction, and bytes of a file's name that are not
    UTF-8.
    """
    text = str(value)
    return text if text.isprintable() else "".join(c if c.isprintable() else escaped(c) for c in text)


def escaped(character: str) -> str:
    r"""Return the escape of a character, as in \x1b or \u202e."""
    if "\udc80" <= character <= "\udcff":  # how Python represents a byte that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return ascii(character)[1:-1]
