"""The cpu take of a family for float16, which no compiled kernel computes in: float32, rounded at the end.

That is what a GPU does as well: the factors of its products have 16 bits, the sums 32. NumPy's own products
of float16 take a hundred times as long, and a sum that is added up in several of them is rounded in between.
"""

import numpy as np

__all__ = ["Widened"]

_NARROW, _WIDE = np.dtype(np.float16), np.dtype(np.float32)


class Widened:
    """The functions of a module, for arrays that are all float16.

    Each calls the module's with float32 copies and gives float16. A copy that the function returns, having
    written its result there, is copied back into the array that it stands for.
    """

    def __init__(self, module):
        self._module = module

    def __getattr__(self, name):
        function = getattr(self._module, name)

        def widened(*arguments):
            originals = {}
            results = function(*[_widen(argument, originals) for argument in arguments])
            if isinstance(results, tuple):
                return tuple([_narrow(result, originals) for result in results])
            return _narrow(results, originals)

        setattr(self, name, widened)
        return widened


def _widen(argument, originals):
    if not isinstance(argument, np.ndarray) or argument.dtype != _NARROW:
        return argument
    copy = argument.astype(_WIDE)
    originals[id(copy)] = copy, argument
    return copy


def _narrow(result, originals):
    if not isinstance(result, np.ndarray) or result.dtype != _WIDE:
        return result
    if id(result) not in originals:
        return result.astype(_NARROW)
    _, original = originals[id(result)]
    original[...] = result
    return original
