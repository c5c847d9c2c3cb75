"""Pooling as a loop over window positions, each of which is a shifted view of x."""

from tinynet_kernels.dispatch import array_module
from tinynet_kernels.pool.winners import winner_dtype
from tinynet_kernels.windows import crop_spatial, output_size, pad_spatial, window_counts, window_views


def max_forward(x, window, stride, padding, dilation):
    xp = array_module(x)
    output = output_size(x.shape[1:-1], window, stride, padding, dilation)
    shape = (x.shape[0], *output, x.shape[-1])
    y = xp.full(shape, _lowest(xp, x.dtype), x.dtype)
    indices = xp.full(shape, -1, xp.int32)
    is_inside = pad_spatial(xp, xp.ones((1, *x.shape[1:-1], 1), bool), padding)
    candidates = window_views(pad_spatial(xp, x, padding), window, stride, dilation, output)
    insides = window_views(is_inside, window, stride, dilation, output)
    for k, ((_, candidate), (_, inside)) in enumerate(zip(candidates, insides, strict=True)):
        is_new_nan = (candidate != candidate) & (y == y)
        wins = inside & ((indices < 0) | (candidate > y) | is_new_nan)
        y = xp.where(wins, candidate, y)
        indices = xp.where(wins, xp.int32(k), indices)
    return y, indices.astype(winner_dtype(window))


def max_backward(gy, indices, input_size, window, stride, padding, dilation):
    xp = array_module(gy)
    padded = _zeros_padded(xp, gy, input_size, padding)
    for k, (_, view) in enumerate(window_views(padded, window, stride, dilation, gy.shape[1:-1])):
        view += xp.where(indices == k, gy, 0)
    return xp.ascontiguousarray(crop_spatial(padded, padding))


def max_gather(values, indices, window, stride, padding, dilation):
    xp = array_module(values)
    y = xp.zeros(indices.shape, values.dtype)
    padded = pad_spatial(xp, values, padding)
    for k, (_, view) in enumerate(window_views(padded, window, stride, dilation, indices.shape[1:-1])):
        y = xp.where(indices == k, view, y)
    return y


def average_forward(x, window, stride, padding, count_padding):
    xp = array_module(x)
    dilation = (1,) * len(window)
    output = output_size(x.shape[1:-1], window, stride, padding, dilation)
    counts = _counts(xp, x, x.shape[1:-1], window, stride, padding, count_padding)
    total = xp.zeros((x.shape[0], *output, x.shape[-1]), x.dtype)
    for _, view in window_views(pad_spatial(xp, x, padding), window, stride, dilation, output):
        total += view
    return total / counts


def average_backward(gy, input_size, window, stride, padding, count_padding):
    xp = array_module(gy)
    share = gy / _counts(xp, gy, input_size, window, stride, padding, count_padding)
    padded = _zeros_padded(xp, share, input_size, padding)
    for _, view in window_views(padded, window, stride, (1,) * len(window), gy.shape[1:-1]):
        view += share
    return xp.ascontiguousarray(crop_spatial(padded, padding))


def _lowest(xp, dtype):
    return -xp.inf if dtype.kind == "f" else xp.iinfo(dtype).min


def _zeros_padded(xp, like, input_size, padding):
    size = [before + size + after for size, (before, after) in zip(input_size, padding, strict=True)]
    return xp.zeros((like.shape[0], *size, like.shape[-1]), like.dtype)


def _counts(xp, like, input_size, window, stride, padding, count_padding):
    counts = window_counts(input_size, window, stride, padding, count_padding)
    return xp.asarray(counts[..., None], dtype=like.dtype)
