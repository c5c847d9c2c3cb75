"""Comparisons and logic: truth values, elementwise, with broadcasting. None of them has a gradient."""

from tinynet.autograd import Tensor, as_tensor
from tinynet.backend import array_module
from tinynet.errors import DeviceError
from tinynet.functional.arithmetic import check_broadcast, operands

__all__ = [
    "equal",
    "greater",
    "greater_equal",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "not_equal",
]


def _compared(name, x, y):
    """What the array function of this name makes of both operands."""
    x, y = operands(x, y)
    xp = array_module(x.data)
    if array_module(y.data) is not xp:
        raise DeviceError(f"{name}: x is on {x.device} but y on {y.device}; move them with .to(device)")
    check_broadcast(name, x.shape, y.shape)
    return Tensor(getattr(xp, name)(x.data, y.data))


def equal(x, y):
    """Where x = y."""
    return _compared("equal", x, y)


def not_equal(x, y):
    """Where x ≠ y."""
    return _compared("not_equal", x, y)


def less(x, y):
    """Where x < y."""
    return _compared("less", x, y)


def less_equal(x, y):
    """Where x ≤ y."""
    return _compared("less_equal", x, y)


def greater(x, y):
    """Where x > y."""
    return _compared("greater", x, y)


def greater_equal(x, y):
    """Where x ≥ y."""
    return _compared("greater_equal", x, y)


def logical_and(x, y):
    """Where neither x nor y is zero or false."""
    return _compared("logical_and", x, y)


def logical_or(x, y):
    """Where x, y or both are neither zero nor false."""
    return _compared("logical_or", x, y)


def logical_xor(x, y):
    """Where one of x and y is zero or false and the other is not."""
    return _compared("logical_xor", x, y)


def logical_not(x):
    """Where x is zero or false."""
    x = as_tensor(x)
    return Tensor(array_module(x.data).logical_not(x.data))


def isnan(x):
    """Where x is NaN."""
    x = as_tensor(x)
    return Tensor(array_module(x.data).isnan(x.data))


def isinf(x):
    """Where x is infinite, of either sign."""
    x = as_tensor(x)
    return Tensor(array_module(x.data).isinf(x.data))


def isfinite(x):
    """Where x is neither NaN nor infinite."""
    x = as_tensor(x)
    return Tensor(array_module(x.data).isfinite(x.data))
