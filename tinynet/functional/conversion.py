"""Conversion: another dtype, another device, another memory. Gradients are converted back."""

import numpy as np

from tinynet.autograd import Function, Tensor, as_tensor, precision
from tinynet.autograd.mode import per_thread
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
        place = self.place_of_gradient(0, self.source_dtype)
        if place is None:
            return gy.astype(self.source_dtype)
        place[...] = gy
        return place


class CastOnce(Cast):
    """A cast that `Precision.cast_of` has done already, perhaps for other uses as well."""

    __slots__ = ("result",)
    operation = "cast"

    def __init__(self, result):
        super().__init__(result.dtype)
        self.result = result

    def forward(self, x):
        self.source_dtype = x.dtype
        result, self.result = self.result, None
        return result


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


def as_factors(*values):
    """The operands of a product (tensors, or None) in the dtype that `autocast` asks for.

    Outside of its blocks, and where one is neither float16 nor float32, they stay as they are.
    """
    wanted = per_thread.mode.precision
    if wanted is None or not wanted.applies_to([value.data for value in values if value is not None]):
        return values
    return [
        value if value is None or value.data.dtype == wanted.dtype else CastOnce(wanted.cast_of(value))(value)
        for value in values
    ]


def is_coarse(x):
    """Whether a tensor is float16 in a block of `autocast`, to be cast up where its digits are too few."""
    return x.data.dtype == np.float16 and per_thread.mode.precision is not None


def widened(x):
    """x as a tensor, in float32 where it `is_coarse`."""
    x = as_tensor(x)
    return cast(x, np.float32) if precision.open_blocks and is_coarse(x) else x


def accurate(x):
    """`widened` for what has to be of floating-point numbers, as by `floating`."""
    x = as_tensor(x)
    if x.data.dtype.kind != "f":
        return cast(x, default_dtype())
    return cast(x, np.float32) if precision.open_blocks and is_coarse(x) else x


def in_float32(function, x, *arguments):
    """``function(x, *arguments)`` computed in float32, for an x that `is_coarse`; the result in x's dtype."""
    return cast(function(cast(x, np.float32), *arguments), x.data.dtype)


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
