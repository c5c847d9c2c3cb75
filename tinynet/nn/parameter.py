"""`Parameter`, and the flat buffers in which the parameters of a model live side by side.

An optimiser that had to visit every parameter would launch hundreds of small kernels a step. Instead the
parameters are views into one flat array, their gradients views into another of the same layout, and a
step is one kernel call over both. ::

    buffer.data      | weight 0 ... | bias 0 . | weight 1 ........ |    flat, one dtype, one device
    buffer.gradient  | gradient ... | gradient | gradient ........ |    the same layout

Each parameter begins at a multiple of 16 numbers, so at a cache line or better; the gaps in between hold
zeros in both arrays and stay so.
"""

from typing import NamedTuple

import numpy as np

from tinynet import backend
from tinynet.autograd import Tensor
from tinynet.autograd.ownership import IN_ATTRIBUTE, references

__all__ = ["Parameter", "ParameterBuffer", "Run", "flatten", "runs"]

_STEP = 16  # numbers: a cache line and a vector register of AVX-512 hold 16 of float32
_CACHE_LINE = 64  # bytes


class Parameter(Tensor):
    """A tensor that is learnt: a leaf whose gradient is wanted, registered by the module that holds it.

    Args:
        data: an array, tensor or numbers of floating-point dtype.
        requires_grad: False for a frozen parameter.
    """

    __slots__ = ("_home", "_home_gradient", "buffer", "start")

    def __init__(self, data, requires_grad=True):
        super().__init__(data, requires_grad)
        self._leave_home()

    def _leave_home(self):
        self.buffer = None
        self.start = 0
        self._home = self._home_gradient = None

    @property
    def is_at_home(self):
        """Whether the data still is the view into the flat buffer, and was not replaced since."""
        return self.buffer is not None and self.data is self._home

    def settle(self, buffer, start):
        """Moves data and gradient to their place in a flat buffer."""
        stop = start + self.size
        home = buffer.data[start:stop].reshape(self.shape)
        home_gradient = buffer.gradient[start:stop].reshape(self.shape)
        home[...] = self.data
        if self.grad is not None:
            home_gradient[...] = self.grad.data
            self.grad = Tensor(home_gradient)
        self.buffer, self.start = buffer, start
        self.data = self._home = home
        self._home_gradient = home_gradient

    def accumulate_gradient(self, gradient, may_keep=False):
        """Adds `gradient`, an array, to ``grad``; the first one overwrites the place in the buffer."""
        if self.grad is not None:
            self.grad.data += gradient
        elif self.is_at_home:
            if gradient is not self._home_gradient:  # where the operation may have written it by itself
                self._home_gradient[...] = gradient
            self.grad = Tensor(self._home_gradient)
        else:
            super().accumulate_gradient(gradient, may_keep)

    def place_of_gradient(self):
        """The place in the flat buffer, unless it holds a gradient that is added to or that somebody has."""
        if self.grad is not None or not self.is_at_home:
            return None
        return self._home_gradient if references(self._home_gradient) == IN_ATTRIBUTE else None

    def place_in_buffer(self):
        """The flat array that it lives in, and where in it; None if it has memory of its own."""
        return (self.buffer.data, self.start) if self.is_at_home else None

    def zero_grad(self):
        """Forgets the gradient."""
        self.grad = None

    def bring_gradient_home(self):
        """Copies a gradient that was assigned from elsewhere into the flat buffer."""
        if self.grad.data is not self._home_gradient:
            self._home_gradient[...] = self.grad.data
            self.grad = Tensor(self._home_gradient)

    def __repr__(self):
        return f"Parameter: {super().__repr__()}"


class ParameterBuffer:
    """The flat arrays in which some parameters and their gradients live.

    Attributes:
        data: 1-D array of the parameters.
        gradient: 1-D array of the gradients, of the same layout.
        parameters: the parameters, in their order in the arrays.
    """

    def __init__(self, parameters, dtype, device):
        self.parameters = list(parameters)
        self._starts, self._size = [], 0
        for parameter in self.parameters:
            self._starts.append(self._size)
            self._size += _room_for(parameter)
        self._allocate(np.dtype(dtype), backend.Device(device))
        for parameter, start in zip(self.parameters, self._starts, strict=True):
            parameter.settle(self, start)

    def _allocate(self, dtype, device):
        self.data = _aligned_zeros(self._size, dtype, device)
        self.gradient = _aligned_zeros(self._size, dtype, device)

    def to(self, dtype=None, device=None):
        """Moves the parameters to another dtype or device; buffer and places in it stay the same."""
        tenants = [
            (parameter, start)
            for parameter, start in zip(self.parameters, self._starts, strict=True)
            if parameter.buffer is self and parameter.is_at_home
        ]
        device = backend.Device(device or backend.device_of(self.data))
        self._allocate(np.dtype(dtype or self.data.dtype), device)
        for parameter, start in tenants:
            parameter.data = backend.to_device(parameter.data, device)
            if parameter.grad is not None:
                parameter.grad = Tensor(backend.to_device(parameter.grad.data, device))
            parameter.settle(self, start)


def _room_for(parameter):
    """How many numbers a parameter takes up in a buffer, the gap behind it included."""
    return -(-parameter.size // _STEP) * _STEP


def _aligned_zeros(size, dtype, device):
    """A 1-D array of zeros that begins at a cache line."""
    surplus = _CACHE_LINE // dtype.itemsize
    xp = device.xp
    if xp is not np:
        with xp.cuda.Device(device.index):
            return xp.zeros(size, dtype)  # CuPy aligns to 512 bytes
    memory = np.zeros(size + surplus, dtype)
    first = -memory.ctypes.data % _CACHE_LINE // dtype.itemsize
    return memory[first : first + size]


class Run(NamedTuple):
    """Parameters that lie side by side in one flat buffer and all have a gradient.

    Attributes:
        data: 1-D view of the parameters.
        gradient: 1-D view of the gradients.
        parameters: the parameters in it.
        buffer: the `ParameterBuffer` that it is a part of.
        start: where it begins in the buffer.
        stop: where it ends in the buffer.
    """

    data: object
    gradient: object
    parameters: list
    buffer: ParameterBuffer
    start: int
    stop: int


def flatten(parameters):
    """Gives a place in a flat buffer to every parameter that has none, one buffer per dtype and device."""
    homeless = {}
    for parameter in parameters:
        if not parameter.is_at_home:
            homeless.setdefault((parameter.dtype, parameter.device), []).append(parameter)
    for (dtype, device), group in homeless.items():
        ParameterBuffer(group, dtype, device)


def runs(parameters):
    """The longest stretches of flat buffer that cover the parameters which have a gradient, in order.

    Frozen parameters and those that no backward pass reached are left out: they must not move, not even
    by weight decay or momentum.
    """
    flatten(parameters)
    stretches = []
    for parameter in parameters:
        if parameter.grad is None or not parameter.requires_grad:
            continue
        parameter.bring_gradient_home()
        buffer, start = parameter.buffer, parameter.start
        last = stretches[-1] if stretches else None
        if last is not None and last[0] is buffer and last[3] == start:
            last[1].append(parameter)
        else:
            last = [buffer, [parameter], start, 0]
            stretches.append(last)
        last[3] = start + _room_for(parameter)
    return [
        Run(buffer.data[start:stop], buffer.gradient[start:stop], members, buffer, start, stop)
        for buffer, members, start, stop in stretches
    ]
