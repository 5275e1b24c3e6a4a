"""What a child leaves: one JSON object in a file. It is not trusted to be that, or small, or to keep to its fields."""

import json
import math
import os
import stat
from pathlib import Path
from typing import Any

MOST = 2**20
"""Bytes of a result; the largest of the plans has a hundredth of it."""
DEEPEST = 6
"""Objects and lists in one another; `fidelity.per_parameter` has three."""
LONGEST = 4096
"""Characters of a text."""


class ResultError(ValueError):
    """A file that is no result; the message says why, in the words of a record's reason."""


def read(path: Path, fields: tuple[str, ...]) -> dict[str, Any]:
    """The object in a file. Raises ResultError for anything but a small one that has no other than these fields."""
    try:
        text = content(path).decode()
        found = json.loads(text, parse_float=finite, parse_constant=finite)
    except UnicodeDecodeError:
        raise ResultError("it is not text in UTF-8") from None
    except RecursionError:
        raise ResultError(f"it is nested more than {DEEPEST} deep") from None
    except ResultError:
        raise
    except ValueError as error:
        raise ResultError(f"it is not JSON ({str(error)[:100]})") from None
    if not isinstance(found, dict):
        raise ResultError(f"it is {kind(found)}, not an object")
    if odd := next((key for key in found if key not in fields), None):
        raise ResultError(f"it has the field {odd!a:.60}, which is not the child's to say")
    sound(found, 1)
    return found


def content(path: Path) -> bytes:
    """The bytes of a regular file, which is opened without waiting for what a pipe would bring."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ResultError("there is none") from None
    except OSError as error:
        raise ResultError(f"it is not a regular file ({error.strerror})") from None
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise ResultError("it is not a regular file")
        found = os.read(file, MOST + 1)
    finally:
        os.close(file)
    if len(found) > MOST:
        raise ResultError(f"it has more than {MOST} bytes")
    if not found.strip():
        raise ResultError("it is empty")
    return found


def finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ResultError(f"it has {text[:40]}, which is not a finite number")
    return value


def sound(value: Any, depth: int) -> None:
    """Raises ResultError for what no record could hold, wherever it is."""
    if isinstance(value, dict | list):
        if depth > DEEPEST:
            raise ResultError(f"it is nested more than {DEEPEST} deep")
        for each in value:
            sound(each, depth + 1)
        for each in value.values() if isinstance(value, dict) else ():
            sound(each, depth + 1)
    elif isinstance(value, str):
        if len(value) > LONGEST:
            raise ResultError(f"it has a text of {len(value)} characters")
        if any("\ud800" <= each <= "\udfff" for each in value):
            raise ResultError("it has a text with half a surrogate pair")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ResultError("it has a whole number of more than 64 bits")


def kind(value: Any) -> str:
    """What JSON calls a value that is no object."""
    names = {list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")
