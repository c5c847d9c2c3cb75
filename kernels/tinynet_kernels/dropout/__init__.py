"""Dropout: random zeros, drawn by a generator that can compute any of its numbers at once.

The random numbers are those of Philox 4x32-10, which turns a counter and a key into four words of 32 bits.
They can be drawn in any order and by any number of threads, and the same key always gives the same numbers:
of n elements in row-major order, element e has word ``e // q`` of counter ``e % q``, where q is n / 4 rounded
up. An element is kept if its word is at least ``round(p * 2**32)``.

`key` is a pair of integers of 32 bits, or on a GPU an array (2,) of them, uint32, which the kernel reads when
it runs; every call should have its own.

Sources: Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting (2014); Salmon,
Moraes, Dror & Shaw, Parallel Random Numbers: As Easy as 1, 2, 3 (2011).
"""

from tinynet_kernels.dispatch import FLOATS, Family

__all__ = ["backward", "forward", "keep_mask"]

_family = Family(__name__, gpu=FLOATS)


def keep_mask(like, shape, key, p):
    """Which elements of an array of this shape are kept when each is dropped with probability p, as bool.

    `like` is any floating-point array on the device where the mask shall live.
    """
    _check_probability("keep_mask", p)
    return _family.take(like).keep_mask(like, tuple(shape), key, p)


def forward(x, key, p):
    """x with some elements set to 0 and the others divided by 1 - p.

    Args:
        x: any shape.

    Returns:
        y, shaped like x, and the mask (bool) of the elements that were kept. It is a product: where x is NaN
        or infinite and dropped, y is NaN.

    Raises:
        ValueError: p is not a probability.
    """
    _check_probability("forward", p)
    return _family.take(x).forward(x, key, p)


def backward(gy, mask, p):
    """The gradient with respect to x: gy where the mask of `forward` is set, divided by 1 - p, 0 elsewhere.

    Raises:
        ValueError: the shapes of gy and mask differ, or p is not a probability.
    """
    _check_probability("backward", p)
    if mask.shape != gy.shape:
        raise ValueError(f"dropout.backward: mask has shape {mask.shape}, but gy {gy.shape}")
    return _family.take(gy).backward(gy, mask, p)


def _check_probability(function, p):
    if not 0 <= p <= 1:
        raise ValueError(f"dropout.{function}: p must be a probability from 0 to 1, not {p!r}")
