"""The type of the indices that max pooling hands from its forward to its backward pass."""

from math import prod

import numpy as np

__all__ = ["winner_dtype"]

_FEW = 255  # the last number of a byte means "none"


def winner_dtype(window):
    """The dtype of positions inside a window: one byte if possible, as the backward pass reads them all.

    -1, or what becomes of it in an unsigned type, marks a window that saw nothing.
    """
    return np.dtype(np.uint8) if prod(window) < _FEW else np.dtype(np.int32)
