"""Initialisers: functions that fill a tensor in place with numbers drawn from an explicit generator.

Numbers are drawn on the CPU and then moved, so that one seed gives the same weights on every device.
Every function returns the tensor that it has filled.

Fans are counted for channels-last weights (*kernel, in, out): ``fan_in`` is the number of inputs that one
output sees, prod(kernel) · in, and ``fan_out`` is prod(kernel) · out.
"""

from contextlib import contextmanager
from contextvars import ContextVar
from math import prod, sqrt
from statistics import NormalDist

import numpy as np

from tinynet.autograd.versions import mark_changed
from tinynet.backend import default_generator, to_device
from tinynet.errors import ArgumentError, DTypeError, ShapeError

__all__ = [
    "constant",
    "fans",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "ones",
    "orthogonal",
    "skipped",
    "truncated_normal",
    "uniform",
    "zeros",
]

_SMALLEST_SHARE = 0.01
_skipping = ContextVar("skipped initialisers", default=False)


@contextmanager
def skipped():
    """Inside a ``with`` block nothing is drawn: tensors to be filled with random numbers stay as they are.

    For layers whose weights will be loaded, filled by another initialiser, or only counted. What memory
    happens to hold then is what they hold, and the operating system need not even provide it. Holds for the
    current thread. Constants, such as biases of zero, are filled in as ever.
    """
    token = _skipping.set(True)
    try:
        yield
    finally:
        _skipping.reset(token)


def fans(shape):
    """(fan_in, fan_out) of a weight: dense (in, out) or convolution (*kernel, in // groups, out).

    Raises ShapeError for fewer than two axes, which have no fans.
    """
    if len(shape) < 2:
        raise ShapeError(f"fans: a weight needs the shape (*kernel, in, out), not {tuple(shape)}")
    *kernel, inputs, outputs = shape
    return prod(kernel) * inputs, prod(kernel) * outputs


def uniform(tensor, low=0.0, high=1.0, *, generator=None):
    """Uniform numbers from [low, high). Any shape. Raises ArgumentError when low is above high."""
    if low > high:
        raise ArgumentError(f"uniform: low ({low}) must not be above high ({high})")
    return _draw("uniform", tensor, generator, lambda g, **where: g.uniform(tensor.shape, low, high, **where))


def normal(tensor, mean=0.0, std=1.0, *, generator=None):
    """Normal numbers of this mean and standard deviation. Any shape. Raises ArgumentError when std < 0."""
    if std < 0:
        raise ArgumentError(f"normal: std must not be below 0, but is {std}")
    return _draw("normal", tensor, generator, lambda g, **where: g.normal(tensor.shape, mean, std, **where))


def truncated_normal(tensor, mean=0.0, std=1.0, low=-2.0, high=2.0, *, generator=None):
    """Normal numbers, of which those outside the bounds are drawn again.

    Args:
        tensor: any shape.
        mean, std: of the normal distribution before it is cut; the std of what is left is smaller.
        low, high: the bounds, in standard deviations from the mean.
        generator: the source of the numbers; the default generator if None.

    Raises:
        ArgumentError: std is below 0, or less than 1 % of the numbers would be kept.
    """
    if std < 0:
        raise ArgumentError(f"truncated_normal: std must not be below 0, but is {std}")
    if not low < high or NormalDist().cdf(high) - NormalDist().cdf(low) < _SMALLEST_SHARE:
        raise ArgumentError(
            f"truncated_normal: low ({low}) and high ({high}) must keep at least 1 % of the numbers"
        )

    def draw(source, **where):
        numbers = source.normal(tensor.shape, **where)
        outside = (numbers < low) | (numbers > high)
        while outside.any():
            numbers[outside] = source.normal((int(outside.sum()),), **where)
            outside = (numbers < low) | (numbers > high)
        return mean + std * numbers

    return _draw("truncated_normal", tensor, generator, draw)


def constant(tensor, value):
    """The same value everywhere. Any shape."""
    tensor.data[...] = value
    mark_changed(tensor.data)
    return tensor


def zeros(tensor):
    """Zeros everywhere. Any shape."""
    return constant(tensor, 0)


def ones(tensor):
    """Ones everywhere. Any shape."""
    return constant(tensor, 1)


def glorot_uniform(tensor, gain=1.0, *, generator=None):
    """Uniform from ±gain · √(6 / (fan_in + fan_out)). Shape (*kernel, in, out).

    X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    2010, equation 16.
    """
    return _uniform_of_std(tensor, gain * sqrt(2 / max(sum(fans(tensor.shape)), 1)), generator)


def glorot_normal(tensor, gain=1.0, *, generator=None):
    """Normal with std gain · √(2 / (fan_in + fan_out)). Shape (*kernel, in, out). See `glorot_uniform`."""
    return normal(tensor, std=gain * sqrt(2 / max(sum(fans(tensor.shape)), 1)), generator=generator)


def he_uniform(tensor, gain=1.0, *, generator=None):
    """Uniform from ±gain · √(6 / fan_in), meant for ReLU. Shape (*kernel, in, out).

    K. He et al., "Delving deep into rectifiers", 2015, equation 10.
    """
    return _uniform_of_std(tensor, gain * sqrt(2 / max(fans(tensor.shape)[0], 1)), generator)


def he_normal(tensor, gain=1.0, *, generator=None):
    """Normal with std gain · √(2 / fan_in), meant for ReLU. Shape (*kernel, in, out). See `he_uniform`."""
    return normal(tensor, std=gain * sqrt(2 / max(fans(tensor.shape)[0], 1)), generator=generator)


def lecun_uniform(tensor, gain=1.0, *, generator=None):
    """Uniform from ±gain · √(3 / fan_in), meant for SELU. Shape (*kernel, in, out).

    Y. LeCun et al., "Efficient BackProp", 1998, equation 16.
    """
    return _uniform_of_std(tensor, gain * sqrt(1 / max(fans(tensor.shape)[0], 1)), generator)


def lecun_normal(tensor, gain=1.0, *, generator=None):
    """Normal with std gain · √(1 / fan_in), meant for SELU. Shape (*kernel, in, out). See `lecun_uniform`."""
    return normal(tensor, std=gain * sqrt(1 / max(fans(tensor.shape)[0], 1)), generator=generator)


def orthogonal(tensor, gain=1.0, *, generator=None):
    """A random matrix (prod(kernel) · in, out) with orthonormal rows or columns, whichever are fewer.

    Shape (*kernel, in, out). Raises ShapeError for fewer than two axes.

    A. Saxe, J. McClelland and S. Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep
    linear neural networks", 2014.
    """
    fans(tensor.shape)
    rows, columns = prod(tensor.shape[:-1]), tensor.shape[-1]

    def draw(source, **where):
        numbers = source.normal((max(rows, columns), min(rows, columns)), **where)
        basis, triangle = np.linalg.qr(numbers)
        # With the signs of the diagonal taken out, every orthogonal matrix is equally likely.
        basis = basis * np.sign(np.diagonal(triangle))
        return gain * (basis if rows >= columns else basis.T).reshape(tensor.shape)

    return _draw("orthogonal", tensor, generator, draw)


def _uniform_of_std(tensor, std, generator):
    bound = sqrt(3) * std
    return uniform(tensor, -bound, bound, generator=generator)


def _draw(name, tensor, generator, draw):
    """Fills the tensor with what ``draw(generator, dtype=..., device="cpu")`` gives."""
    if tensor.dtype.kind != "f":
        raise DTypeError(f"{name}: only floating-point tensors can be filled, not {tensor.dtype}")
    if _skipping.get():
        return tensor
    source = default_generator() if generator is None else generator
    numbers = draw(source, dtype=tensor.dtype, device="cpu")
    tensor.data[...] = to_device(numbers, tensor.device)
    mark_changed(tensor.data)
    return tensor
