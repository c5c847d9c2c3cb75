"""Whose array is a gradient: what the backward pass may keep, or add to in place, instead of copying it.

The array that an operation gives as the gradient of an input may be known elsewhere, too. A sum gives both
of its inputs the gradient that it got itself, ``reshape`` gives a view of it, a hook may have stored it, and
the first gradient of all belongs to the caller of `backward`. Writing into such an array would change what
others hold.

Nobody has to promise anything, because Python counts the references to every object: what the backward pass
holds alone, nobody else can read or write. Views count as well, since each refers to the array that it looks
into. This is all that the author of an operation has to know: its ``backward_arrays`` may return what it
likes, new arrays, its argument, views, the same array twice. An array that is new and held nowhere else is
handed over without a copy, every other one is copied where that is needed.

How many references the backward pass has itself depends on where it holds the array (a local variable, a
tuple) and on the version of Python. It is counted here once, for each of these places.
"""

from sys import getrefcount

import numpy as np
from numpy import ndarray

from tinynet_kernels.memory import is_lease

__all__ = ["IN_ATTRIBUTE", "IN_DICTIONARY", "IN_RESULTS", "IN_VARIABLE", "is_alone", "references"]


def references(array):
    """How many references there are to an array, those of the call included."""
    return getrefcount(array)


def is_alone(array, expected):
    """Whether nothing refers to an array and its memory but the place from which it is passed.

    Args:
        array: a gradient. What is no NumPy array (a CuPy array, a NumPy scalar) is never alone.
        expected: how many references that place has, one of the constants of this module.
    """
    if getrefcount(array) != expected or type(array) is not ndarray:
        return False
    flags = array.flags
    if not flags.writeable:
        return False
    owner = array.base
    if type(owner) is ndarray:
        # A view may stand for the array behind it, as after a reshape, if it shows each element once.
        if getrefcount(owner) != _AS_BASE or owner.nbytes != array.nbytes or not flags.forc:
            return False
        flags, owner = owner.flags, owner.base
    return flags.owndata if owner is None else is_lease(owner)


def _references_in_variable():
    array = np.empty(0)
    return references(array)


def _references_in_dictionary():
    arrays = {0: np.empty(0)}
    return references(arrays[0])


def _references_in_results():
    """As in the loop over what an operation returned, see engine.py."""
    edges, results = (None,), (np.empty(0),)
    for _, result in zip(edges, results):  # noqa: B905 - as there
        count = references(result)
    return count


class _Holder:
    __slots__ = ("array",)

    def count(self):
        return references(self.array)


def _references_in_attribute():
    holder = _Holder()
    holder.array = np.empty(0)
    return holder.count()


def _references_as_base():
    """As of `owner` above."""
    array = np.empty(0)[:]
    owner = array.base
    return getrefcount(owner)


IN_VARIABLE = _references_in_variable()
IN_DICTIONARY = _references_in_dictionary()
IN_RESULTS = _references_in_results()
IN_ATTRIBUTE = _references_in_attribute()
_AS_BASE = _references_as_base()
