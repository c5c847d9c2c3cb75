"""Dropout on the GPU: the words are drawn, compared and used in one launch. See gpu.cu."""

from tinynet_kernels.cuda import Source, blocks_for, contiguous, empty, launch
from tinynet_kernels.dropout.philox import scale, threshold

_source = Source(__package__)

_THREADS = 256
_PACK = 16  # bytes, which a thread reads of an array at a time


def keep_mask(like, shape, key, p):
    mask = empty(shape, "bool")
    if mask.size:
        draw = *_words(key), threshold(p)
        _launch("draw_mask", like.dtype, _quarter(mask.size), (mask, *draw, mask.size))
    return mask


def forward(x, key, p):
    y, mask = empty(x.shape, x.dtype), empty(x.shape, "bool")
    if x.size:
        draw = *_words(key), threshold(p)
        _launch("drop", x.dtype, _quarter(x.size), (contiguous(x), y, mask, *draw, _scale(x, p), x.size))
    return y, mask


def backward(gy, mask, p):
    gx = empty(gy.shape, gy.dtype)
    if gx.size:
        arguments = contiguous(gy), contiguous(mask), gx, _scale(gy, p), gx.size
        _launch("apply_mask", gy.dtype, -(-gx.nbytes // _PACK), arguments)
    return gx


def _words(key):
    """The key as the kernels take it: an array, or None and two numbers."""
    return (None, *map(int, key)) if isinstance(key, tuple | list) else (key, 0, 0)


def _quarter(size):
    return -(-size // 4)


def _scale(x, p):
    return x.dtype.type(scale(p))


def _launch(name, dtype, threads, arguments):
    launch(_source.function(name, dtype), blocks_for(threads, _THREADS), _THREADS, arguments)
