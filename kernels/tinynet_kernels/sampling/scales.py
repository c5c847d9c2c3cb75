"""Where the elements of a resized axis lie on the old one, in whole numbers, so that all takes agree exactly.

New element j lies at (step · j + offset) / divisor on the old axis, or at 0 if that is negative: at or above
the old element `lower`, the quotient rounded down, and `share` of the way from there to the next.
"""

from typing import NamedTuple

import numpy as np

__all__ = ["METHODS", "Scale", "first_at", "scale", "table"]

METHODS = ("nearest", "linear", "corners")


class Scale(NamedTuple):
    """How the places on an axis of `old` elements follow from those on an axis of `new` ones."""

    old: int
    new: int
    step: int
    offset: int
    divisor: int
    interpolates: bool


def scale(old, new, method):
    """The `Scale` of a method, one of METHODS."""
    if method == "nearest":
        return Scale(old, new, old, 0, max(new, 1), False)
    if method == "linear":  # centres: (j + 1/2) · old / new − 1/2
        return Scale(old, new, 2 * old, old - new, max(2 * new, 1), True)
    return Scale(old, new, old - 1, 0, max(new - 1, 1), True)


def table(scale):
    """For each new element the one below its place (new,), int64, and its share of the way up (new,).

    The share is 0 for methods that don't interpolate, and at the last element, above which there is none.
    """
    numerators = np.maximum(np.arange(scale.new) * scale.step + scale.offset, 0)
    lower, rest = np.divmod(numerators, scale.divisor)
    share = rest / scale.divisor
    share[lower == scale.old - 1] = 0
    return lower, share if scale.interpolates else np.zeros(scale.new)


def first_at(scale):
    """The first new element at or above each old one, and above the last: int64 (old + 1,)."""
    wanted = np.arange(scale.old + 1) * scale.divisor - scale.offset
    first = -(-wanted // scale.step) if scale.step else np.full(scale.old + 1, scale.new)
    first[0] = 0
    return np.clip(first, 0, scale.new)
