"""Pooling on the GPU: a thread for every element of the result. See gpu.cu."""

from tinynet_kernels.cuda import Source, blocks_for, contiguous, empty, launch
from tinynet_kernels.pool.winners import winner_dtype
from tinynet_kernels.windows import Volume, output_size

_source = Source(__package__)

_THREADS = 256


def max_forward(x, window, stride, padding, dilation):
    geometry = x.shape[1:-1], window, stride, padding, dilation
    shape = (x.shape[0], *output_size(*geometry), x.shape[-1])
    y, indices = empty(shape, x.dtype), empty(shape, winner_dtype(window))
    _launch("max_forward", y, geometry, contiguous(x), y, *_bytes_and_words(indices))
    return y, indices


def max_backward(gy, indices, input_size, window, stride, padding, dilation):
    gx = empty((gy.shape[0], *input_size, gy.shape[-1]), gy.dtype)
    geometry = input_size, window, stride, padding, dilation
    _launch("max_backward", gx, geometry, contiguous(gy), *_bytes_and_words(indices), gx)
    return gx


def max_gather(values, indices, window, stride, padding, dilation):
    y = empty(indices.shape, values.dtype)
    geometry = values.shape[1:-1], window, stride, padding, dilation
    _launch("max_gather", y, geometry, contiguous(values), *_bytes_and_words(indices), y)
    return y


def average_forward(x, window, stride, padding, count_padding):
    geometry = x.shape[1:-1], window, stride, padding, (1,) * len(window)
    y = empty((x.shape[0], *output_size(*geometry), x.shape[-1]), x.dtype)
    _launch("average_forward", y, geometry, contiguous(x), y, count_padding)
    return y


def average_backward(gy, input_size, window, stride, padding, count_padding):
    gx = empty((gy.shape[0], *input_size, gy.shape[-1]), gy.dtype)
    geometry = input_size, window, stride, padding, (1,) * len(window)
    _launch("average_backward", gx, geometry, contiguous(gy), gx, count_padding)
    return gx


def _bytes_and_words(indices):
    """The indices as the kernels take them: in the first of two arrays or in the second."""
    if indices.dtype == "uint8":
        return contiguous(indices), None
    return None, contiguous(indices, "int32")


def _launch(name, result, geometry, *arguments):
    if not result.size:
        return
    numbers = [number for axis in Volume(*geometry).axes for number in axis]
    function = _source.function(name, result.dtype)
    grid = blocks_for(result.size, _THREADS)
    launch(function, grid, _THREADS, (*arguments, result.size, result.shape[-1], *numbers))
