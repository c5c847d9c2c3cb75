"""New tensors filled by rule: constants, ranges, random numbers.

``dtype`` is the default floating dtype and ``device`` the default device unless given.
"""

from tinynet.autograd import Tensor, as_tensor
from tinynet.backend import Device, array_module, default_device, default_dtype, default_generator
from tinynet.functional.axes import as_shape

__all__ = [
    "arange",
    "eye",
    "full",
    "full_like",
    "linspace",
    "ones",
    "ones_like",
    "rand",
    "randn",
    "zeros",
    "zeros_like",
]


def _module(device):
    return (default_device() if device is None else Device(device)).xp


def zeros(*shape, dtype=None, device=None, requires_grad=False):
    """Zeros of a shape, given as sizes or as a sequence of them."""
    return Tensor(_module(device).zeros(as_shape(shape), dtype or default_dtype()), requires_grad)


def ones(*shape, dtype=None, device=None, requires_grad=False):
    """Ones of a shape, given as sizes or as a sequence of them."""
    return Tensor(_module(device).ones(as_shape(shape), dtype or default_dtype()), requires_grad)


def full(shape, value, dtype=None, device=None, requires_grad=False):
    """A shape filled with one number."""
    return Tensor(_module(device).full(as_shape((shape,)), value, dtype or default_dtype()), requires_grad)


def zeros_like(x, dtype=None):
    """Zeros of the shape, dtype and device of x."""
    x = as_tensor(x).data
    return Tensor(array_module(x).zeros(x.shape, dtype or x.dtype))


def ones_like(x, dtype=None):
    """Ones of the shape, dtype and device of x."""
    x = as_tensor(x).data
    return Tensor(array_module(x).ones(x.shape, dtype or x.dtype))


def full_like(x, value, dtype=None):
    """One number in the shape, dtype and device of x."""
    x = as_tensor(x).data
    return Tensor(array_module(x).full(x.shape, value, dtype or x.dtype))


def arange(start, stop=None, step=1, dtype=None, device=None):
    """The numbers from start (0 if only one is given) up to, not including, stop.

    int64 when all are integers, else the default floating dtype.
    """
    if stop is None:
        start, stop = 0, start
    if dtype is None:
        whole = all(isinstance(number, int) for number in (start, stop, step))
        dtype = "int64" if whole else default_dtype()
    return Tensor(_module(device).arange(start, stop, step, dtype=dtype))


def linspace(start, stop, count, dtype=None, device=None):
    """`count` numbers at equal distances from start to stop, both included."""
    return Tensor(_module(device).linspace(start, stop, count, dtype=dtype or default_dtype()))


def eye(rows, columns=None, dtype=None, device=None):
    """Ones on the diagonal of a matrix of zeros, square unless the number of columns is given."""
    return Tensor(_module(device).eye(rows, columns, dtype=dtype or default_dtype()))


def rand(*shape, dtype=None, device=None, generator=None, requires_grad=False):
    """Numbers drawn uniformly from [0, 1), from the default generator unless another is given."""
    generator = generator or default_generator()
    return Tensor(generator.uniform(as_shape(shape), dtype=dtype, device=device), requires_grad)


def randn(*shape, dtype=None, device=None, generator=None, requires_grad=False):
    """Numbers drawn from the standard normal distribution, from the default generator unless given."""
    generator = generator or default_generator()
    return Tensor(generator.normal(as_shape(shape), dtype=dtype, device=device), requires_grad)
