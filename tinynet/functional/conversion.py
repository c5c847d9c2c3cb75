"""Conversion: another dtype, another device, another memory. Gradients are converted back."""

import numpy as np

from tinynet.autograd import Function, Tensor, as_tensor
from tinynet.backend import Device, default_dtype, device_of, to_device

__all__ = ["cast", "clone", "to"]


class Cast(Function):
    __slots__ = ("dtype", "source_dtype")

    def __init__(self, dtype):
        self.dtype = dtype

    def forward(self, x):
        self.source_dtype = x.dtype
        return x.astype(self.dtype)

    def backward(self, gy):
        return cast(gy, self.source_dtype)

    def backward_arrays(self, gy):
        return gy.astype(self.source_dtype)


def cast(x, dtype):
    """x in another dtype; x itself when it has that dtype already. The gradient is cast back.

    What is cast to integers or truth values has no gradient.
    """
    x = as_tensor(x)
    dtype = np.dtype(dtype)
    if x.data.dtype == dtype:
        return x
    if x.requires_grad and dtype.kind != "f":
        return Tensor(x.data.astype(dtype))
    return Cast(dtype)(x)


def floating(x):
    """x as a tensor of floating-point numbers: integers and truth values are cast to the default dtype."""
    x = as_tensor(x)
    return x if x.data.dtype.kind == "f" else cast(x, default_dtype())


class ToDevice(Function):
    __slots__ = ("device", "source_device")

    def __init__(self, device):
        self.device = device

    def forward(self, x):
        self.source_device = device_of(x)
        return to_device(x, self.device)

    def backward(self, gy):
        return ToDevice(self.source_device)(gy)

    def backward_arrays(self, gy):
        return to_device(gy, self.source_device)


def to(x, target=None, *, dtype=None, device=None):
    """x in another dtype, on another device, or both; x itself where nothing changes.

    Args:
        target: a device (``"cuda"``, a `Device`) or a dtype, told apart by what it is.
        dtype: the dtype to convert to.
        device: the device to move to.
    """
    x = as_tensor(x)
    if isinstance(target, Device) or (isinstance(target, str) and target.startswith(("cpu", "cuda"))):
        device = target
    elif target is not None:
        dtype = target
    if dtype is not None:
        x = cast(x, dtype)
    if device is not None and x.device != Device(device):
        x = ToDevice(Device(device))(x)
    return x


class Clone(Function):
    __slots__ = ()

    def forward(self, x):
        return x.copy()

    def backward(self, gy):
        return gy

    backward_arrays = backward


def clone(x):
    """A copy of x in memory of its own. The gradient flows through unchanged."""
    return Clone()(as_tensor(x))
