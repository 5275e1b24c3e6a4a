"""Read the result of a child process: one JSON object in a file. Its form, size and fields are all checked."""

import json
import math
import os
import stat
from pathlib import Path
from typing import Any

MOST = 2**20
"""The most bytes of a result; the largest result of the plans has a hundredth of that."""
DEEPEST = 6
"""The most levels of objects and lists within one another; `fidelity.per_parameter` has three."""
LONGEST = 4096
"""The most characters of a text."""


class ResultError(ValueError):
    """A file that is no result; the message says why, in the words of a record's reason."""


def read(path: Path, fields: tuple[str, ...]) -> dict[str, Any]:
    """Return the JSON object in a file. Raises ResultError for another value, a large one, or unknown fields."""
    try:
        text = content(path).decode()
        value = json.loads(text, parse_float=finite, parse_constant=finite)
    except UnicodeDecodeError:
        raise ResultError("it is not text in UTF-8") from None
    except RecursionError:
        raise ResultError(f"it is nested more than {DEEPEST} deep") from None
    except ResultError:
        raise
    except ValueError as error:
        raise ResultError(f"it is not JSON ({str(error)[:100]})") from None
    if not isinstance(value, dict):
        raise ResultError(f"it is {kind(value)}, not an object")
    if unknown := next((key for key in value if key not in fields), None):
        raise ResultError(f"it has the field {unknown!a:.60}, which is not the child's to say")
    require_sound(value, 1)
    return value


def content(path: Path) -> bytes:
    """Return the bytes of a regular file. Raises ResultError for any other file, and waits for no pipe."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ResultError("there is none") from None
    except OSError as error:
        raise ResultError(f"it is not a regular file ({error.strerror})") from None
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise ResultError("it is not a regular file")
        data = os.read(file, MOST + 1)
    finally:
        os.close(file)
    if len(data) > MOST:
        raise ResultError(f"it has more than {MOST} bytes")
    if not data.strip():
        raise ResultError("it is empty")
    return data


def finite(text: str) -> float:
    """Return a number of JSON. Raises ResultError unless the number is finite."""
    if not math.isfinite(value := float(text)):
        raise ResultError(f"it has {text[:40]}, which is not a finite number")
    return value


def require_sound(value: Any, depth: int) -> None:
    """Raise ResultError for what no record could hold, at whatever depth of a value."""
    if isinstance(value, dict | list):
        if depth > DEEPEST:
            raise ResultError(f"it is nested more than {DEEPEST} deep")
        for item in value:
            require_sound(item, depth + 1)
        for item in value.values() if isinstance(value, dict) else ():
            require_sound(item, depth + 1)
    elif isinstance(value, str):
        if len(value) > LONGEST:
            raise ResultError(f"it has a text of {len(value)} characters")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise ResultError("it has a text with half a surrogate pair")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ResultError("it has a whole number of more than 64 bits")


def kind(value: Any) -> str:
    """Return what JSON calls a value that is no object."""
    names = {list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")
