"""Finding things by their names, with an error that helps when there is no such name."""

import difflib

from tinynet.errors import ArgumentError

__all__ = ["UnknownNameError", "find"]


class UnknownNameError(ArgumentError):
    """There is nothing of this name; the message proposes the closest one that exists."""


def find(kind, name, known):
    """The value of `name` in the dictionary `known`; `kind` is what the error message calls it.

    Raises:
        UnknownNameError: the dictionary has no such name.
    """
    try:
        return known[name]
    except KeyError:
        close = difflib.get_close_matches(str(name).lower(), known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there is {', '.join(sorted(known)) or 'none'}"
        raise UnknownNameError(f"there is no {kind} {name!r}; {hint}") from None
