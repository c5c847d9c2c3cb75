"""Softmax and its logarithm along any axis, on the kernels for the rows of a matrix."""

from tinynet.autograd import Function
from tinynet.functional.axes import one_axis
from tinynet.functional.conversion import accurate
from tinynet.functional.elementwise import exp
from tinynet_kernels import softmax as kernels

__all__ = ["log_softmax", "softmax"]


def along_axis(xp, kernel, axis, *arrays):
    """Applies a kernel for matrices (M, C) with the given axis, counted from the front, as C."""
    if not arrays[0].size:
        return xp.empty_like(arrays[0])
    is_last = axis == arrays[0].ndim - 1
    moved = arrays if is_last else [xp.moveaxis(array, axis, -1) for array in arrays]
    shape = moved[0].shape
    result = kernel(*[array.reshape(-1, shape[-1]) for array in moved]).reshape(shape)
    return result if is_last else xp.moveaxis(result, -1, axis)


class Softmax(Function):
    __slots__ = ("axis",)
    reads_output = True

    def __init__(self, axis):
        self.axis = axis

    def forward(self, x):
        return along_axis(self.xp, kernels.softmax, self.axis, x)

    def backward(self, gy):
        y = self.output
        return y * (gy - (gy * y).sum(axis=self.axis, keepdims=True))

    def backward_arrays(self, gy):
        return along_axis(self.xp, kernels.softmax_backward, self.axis, gy, self.output_data)


def softmax(x, axis=-1):
    """exp(x) / Σ exp(x) along an axis: positive numbers that sum to 1.

    Any shape with at least one axis. x is shifted by its maximum first, so nothing overflows; −∞ is allowed
    and gives 0. Raises ShapeError when the axis does not exist.
    """
    x = accurate(x)
    return Softmax(one_axis("softmax", axis, x.ndim, x.shape))(x)


class LogSoftmax(Function):
    __slots__ = ("axis",)
    reads_output = True

    def __init__(self, axis):
        self.axis = axis

    def forward(self, x):
        return along_axis(self.xp, kernels.log_softmax, self.axis, x)

    def backward(self, gy):
        return gy - exp(self.output) * gy.sum(axis=self.axis, keepdims=True)

    def backward_arrays(self, gy):
        return along_axis(self.xp, kernels.log_softmax_backward, self.axis, gy, self.output_data)


def log_softmax(x, axis=-1):
    """x − ln Σ exp(x) along an axis: the logarithm of `softmax`, accurate also where that is nearly 0.

    Any shape with at least one axis. Raises ShapeError when the axis does not exist.
    """
    x = accurate(x)
    return LogSoftmax(one_axis("log_softmax", axis, x.ndim, x.shape))(x)
