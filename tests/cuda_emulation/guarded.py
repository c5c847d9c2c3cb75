"""Memory that notices who reads or writes beside an array."""

import ctypes
import mmap

import numpy as np

__all__ = ["GuardedArray"]

_PAGE = mmap.PAGESIZE
_PACK = 16  # bytes that are read together
_PROTECT = ctypes.CDLL(None, use_errno=True).mprotect
_PROTECT.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int


class GuardedArray:
    """A copy of some bytes that ends where forbidden memory begins, and has a zone full of a pattern before
    it.

    Reading or writing behind the end is a segmentation fault. What is read before the start is the pattern,
    and what is written there is found afterwards. Where packs start in the copy, but not in the original, the
    copy is moved down by some bytes, behind which it is as before the start.

    Args:
        content: an array of bytes, the original.
        pattern: the byte that fills the zone.
        is_written: whether writing to the copy is allowed.
    """

    def __init__(self, content, pattern, is_written):
        size = -(-content.size // _PAGE) * _PAGE
        self._memory = mmap.mmap(-1, _PAGE + size + _PAGE)
        self._all = np.frombuffer(self._memory, np.uint8)
        start = _PAGE + size - content.size
        if start % _PACK == 0:
            start -= -content.ctypes.data % _PACK
        self._zones = self._all[:start], self._all[start + content.size : _PAGE + size]
        self.content = self._all[start : start + content.size]
        for zone in self._zones:
            zone.fill(pattern)
        self.content[:] = content
        self._pattern = pattern
        first = self._all.ctypes.data
        self.address = first + start
        self.end = first + _PAGE + size
        if not is_written:
            _protect(first, _PAGE + size, mmap.PROT_READ)
        _protect(self.end, _PAGE, 0)

    def zone_is_whole(self):
        """Whether nothing was written before the start, nor between the end and the forbidden memory."""
        return all((zone == self._pattern).all() for zone in self._zones)


def _protect(address, size, protection):
    if _PROTECT(address, size, protection) != 0:
        raise OSError(ctypes.get_errno(), "mprotect failed")
