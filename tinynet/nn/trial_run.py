"""Running a model once on zeros, to see what it does, and leaving it as it was."""

from contextlib import contextmanager

import numpy as np

from tinynet import backend
from tinynet.autograd import Tensor
from tinynet.errors import ArgumentError
from tinynet.nn.module import Module

__all__ = ["undisturbed", "zeros_for"]


def zeros_for(function, model, input_shape, dtype, batch_size):
    """Inputs of zeros for a model, as `tinynet.nn.summary.summarize` describes them.

    `function` is the name of the caller in error messages.
    """
    first = next(model.parameters(), None)
    if dtype is None:
        dtype = backend.default_dtype() if first is None else first.dtype
    device = backend.default_device() if first is None else first.device
    shapes = _shapes(function, input_shape)
    return [Tensor(backend.to_device(np.zeros((batch_size, *shape), dtype), device)) for shape in shapes]


@contextmanager
def undisturbed(model: Module):
    """Puts training flags, buffers and the default generator back, whatever happens in between."""
    generator = backend.default_generator()
    state = generator.get_state()
    flags = [(module, module.training) for module in model.modules()]
    buffers = [(buffer, buffer.data.copy()) for buffer in model.buffers()]
    try:
        yield
    finally:
        generator.set_state(state)
        for module, training in flags:
            module.training = training
        for buffer, content in buffers:
            if not np.array_equal(backend.to_numpy(buffer.data), backend.to_numpy(content)):
                buffer.data[...] = content


def _shapes(function, input_shape):
    """The shapes of all inputs, from one shape or a list of them."""
    several = isinstance(input_shape, (tuple, list)) and any(
        isinstance(entry, (tuple, list)) for entry in input_shape
    )
    shapes = list(input_shape) if several else [input_shape]
    for shape in shapes:
        if not isinstance(shape, (tuple, list)) or any(
            isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 0 for size in shape
        ):
            raise ArgumentError(
                f"{function}: input_shape must be the sizes of one sample, (H, W, C) for instance, "
                f"not {input_shape!r}"
            )
    return [tuple(map(int, shape)) for shape in shapes]
