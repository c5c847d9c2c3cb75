"""Noting where a program waits for the GPU."""

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

__all__ = ["Synchronisation", "note", "watched_synchronisations"]

_HERE = str(Path(__file__).parent)
_ROOT = Path(__file__).parents[2]

_watching: list = []


class Synchronisation(NamedTuple):
    """One wait.

    Attributes:
        what: the function of CuPy that waits.
        place: the line of the engine, or of whoever called it, that called this function.
    """

    what: str
    place: str


@contextmanager
def watched_synchronisations():
    """Yields a list to which every wait inside the block is added."""
    found: list[Synchronisation] = []
    _watching.append(found)
    try:
        yield found
    finally:
        _watching.remove(found)


def note(what):
    """Notes that the caller waits for the GPU here; while the stream is captured that is an error."""
    from cupy_stand_in import recording

    recording.refuse(what)
    if _watching:
        entry = Synchronisation(what, _place())
        for found in _watching:
            found.append(entry)


def _place():
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    path = Path(frame.f_code.co_filename)
    name = path.relative_to(_ROOT) if path.is_relative_to(_ROOT) else path
    return f"{name}:{frame.f_lineno} in {frame.f_code.co_name}"
