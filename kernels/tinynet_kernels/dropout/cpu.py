"""Dropout on the CPU: random words for some thousand elements at a time, used while they are in the cache."""

import numpy as np
from numba import prange

from tinynet_kernels.compile import inner, kernel
from tinynet_kernels.dropout.philox import KEY_STEPS, MULTIPLIERS, ROUNDS, scale, threshold
from tinynet_kernels.memory import empty
from tinynet_kernels.simd.parts import part
from tinynet_kernels.simd.views import view
from tinynet_kernels.tasks import run

_COUNTERS = 1024  # per block; their words take 16 KiB
_ELEMENTS = 16384  # per block of the backward pass
_ALONE = 32768  # with fewer elements, waking another thread takes longer than it helps

_M0, _M1 = np.uint64(MULTIPLIERS[0]), np.uint64(MULTIPLIERS[1])
_W0, _W1 = np.uint64(KEY_STEPS[0]), np.uint64(KEY_STEPS[1])
_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)


def keep_mask(like, shape, key, p):
    mask = empty(shape, np.bool_)
    if mask.size:
        _draw(np.uint32(key[0]), np.uint32(key[1]), threshold(p), mask.reshape(-1))
    return mask


def forward(x, key, p):
    y, mask = empty(x.shape, x.dtype), empty(x.shape, np.bool_)
    if x.size:
        x, factor = np.ascontiguousarray(x), np.array(scale(p), x.dtype)
        addresses = (array.ctypes.data for array in (x, mask, y, factor))
        blocks = -(-x.size // (4 * _COUNTERS))
        together = blocks if x.size < _ALONE else 1
        arguments = *addresses, x.size, int(key[0]), int(key[1]), threshold(p), together
        if x.size < _ALONE:
            _drop_blocks(x.dtype.type(0), np.array(arguments, np.int64), 0)
        else:
            run(_drop_blocks, x.dtype, blocks, arguments)
    return y, mask


def backward(gy, mask, p):
    gx = empty(gy.shape, gy.dtype)
    if gy.size:
        _apply(_flat(gy), _flat(mask), gy.dtype.type(scale(p)), gx.reshape(-1))
    return gx


def _flat(array):
    return np.ascontiguousarray(array).reshape(-1)


@kernel
def _draw(key0, key1, threshold, mask):
    counters = (mask.size + 3) // 4
    for block in prange((counters + _COUNTERS - 1) // _COUNTERS):
        _draw_block(np.int64(block) * _COUNTERS, key0, key1, threshold, mask)


@inner
def _drop_blocks(zero, arguments, index):
    """One task, see `tasks.run`: the blocks from ``index * together`` on."""
    x_address, mask_address, y_address, factor, size, key0, key1, threshold, together = arguments[:9]
    x, y = view(zero, x_address, size), view(zero, y_address, size)
    mask, scale = view(False, mask_address, size), view(zero, factor, 1)[0]
    for block in range(index * together, (index + 1) * together):
        _drop_block(block * _COUNTERS, x, np.uint32(key0), np.uint32(key1), threshold, scale, mask, y)


@inner
def _drop_block(first, x, key0, key1, threshold, scale, mask, y):
    """Draws for `_COUNTERS` counters from `first` on, and drops elements in four stretches of memory."""
    _draw_block(first, key0, key1, threshold, mask)
    counters = (x.size + 3) // 4
    last = min(first + _COUNTERS, counters)
    for word in range(4):
        begin, end = word * counters + first, min(word * counters + last, x.size)
        if begin < end:
            _multiply(part(x, begin, end), part(mask, begin, end), scale, part(y, begin, end))


@inner
def _draw_block(first, key0, key1, threshold, mask):
    counters = (mask.size + 3) // 4
    last = min(first + _COUNTERS, counters)
    words = np.empty((4, _COUNTERS), np.uint32)
    _philox(first, last - first, key0, key1, words[0], words[1], words[2], words[3])
    for word in range(4):
        begin, end = word * counters + first, min(word * counters + last, mask.size)
        if begin < end:
            _compare(words[word], threshold, mask[begin:end])


@inner
def _philox(first, count, key0, key1, words0, words1, words2, words3):
    """The words of `count` counters from `first` on.

    They are the lower halves of 64-bit numbers, since that is what vector instructions multiply. The upper
    halves hold what is left of the products and never get into the lower ones.
    """
    for i in range(count):
        counter = np.uint64(first + i)
        c0, c1, c2, c3 = counter & _LOW, counter >> _HALF, np.uint64(0), np.uint64(0)
        k0, k1 = np.uint64(key0), np.uint64(key1)
        for _ in range(ROUNDS):
            a, b = (c0 & _LOW) * _M0, (c2 & _LOW) * _M1
            c0, c1, c2, c3 = (b >> _HALF) ^ c1 ^ k0, b, (a >> _HALF) ^ c3 ^ k1, a
            k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
        words0[i], words1[i], words2[i], words3[i] = c0, c1, c2, c3


@inner
def _compare(words, threshold, mask):
    # The threshold may be 2**32, one more than a word can hold.
    if threshold > 0xFFFFFFFF:
        mask[:] = False
        return
    least = np.uint32(threshold)
    for i in range(mask.size):
        mask[i] = words[i] >= least


@kernel
def _apply(gy, mask, scale, gx):
    if gy.size < _ALONE:
        _multiply(gy, mask, scale, gx)
        return
    for block in prange((gy.size + _ELEMENTS - 1) // _ELEMENTS):
        first, last = block * _ELEMENTS, (block + 1) * _ELEMENTS
        _multiply(gy[first:last], mask[first:last], scale, gx[first:last])


@inner
def _multiply(x, mask, scale, y):
    nothing = y.dtype.type(0)
    for i in range(x.size):
        y[i] = x[i] * (scale if mask[i] else nothing)
