"""Being told when kernels are compiled, which makes the first run on a machine some seconds longer.

Importing this imports nothing, Numba least of all.
"""

from contextlib import contextmanager

__all__ = ["announce_compilation", "watched_compilation"]

_watchers: list = []


@contextmanager
def watched_compilation(notify):
    """Calls ``notify(name)`` inside the block before a kernel of this name is compiled, in any thread.

    Kernels whose compiled code is on disk already are not compiled.
    """
    _watchers.append(notify)
    try:
        yield
    finally:
        _watchers.remove(notify)


def announce_compilation(name):
    """Tells all who watch that the kernel of this name is about to be compiled."""
    for notify in tuple(_watchers):  # which another thread may change
        notify(name)
