"""Checks of the arguments of layers, at the moment a layer is made."""

from numbers import Integral, Real

import numpy as np

from tinynet.backend import default_device, default_dtype
from tinynet.errors import ArgumentError
from tinynet.functional.geometry import padding_pairs, per_axis
from tinynet.nn.parameter import Parameter

__all__ = ["count", "empty_parameter", "fraction", "padded_window"]


def count(layer, name, value):
    """The value as an int. Raises ArgumentError unless it is an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ArgumentError(f"{type(layer).__name__}: {name} must be an integer of at least 1, not {value!r}")
    return int(value)


def padded_window(layer, dimensions, kernel_size, stride, padding, dilation):
    """Kernel size, stride and dilation with one entry per spatial axis, after the padding was checked too."""
    name = type(layer).__name__
    kernel_size = per_axis(name, "kernel_size", kernel_size, dimensions)
    stride = per_axis(name, "stride", stride, dimensions)
    dilation = per_axis(name, "dilation", dilation, dimensions)
    padding_pairs(name, padding, kernel_size, kernel_size, stride, dilation)
    return kernel_size, stride, dilation


def fraction(layer, name, value):
    """The value as a float. Raises ArgumentError unless it lies in [0, 1]."""
    if not isinstance(value, Real) or not 0 <= value <= 1:
        raise ArgumentError(f"{type(layer).__name__}: {name} must lie in [0, 1], not {value!r}")
    return float(value)


def empty_parameter(*shape):
    """A parameter of this shape, in the default dtype on the default device, to be filled by `init`."""
    device = default_device()
    if device.kind == "cpu":
        return Parameter(np.empty(shape, default_dtype()))
    with device.xp.cuda.Device(device.index):
        return Parameter(device.xp.empty(shape, default_dtype()))
