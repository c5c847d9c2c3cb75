"""Dropout with whole arrays: ten rounds of Philox for all counters at once."""

from math import prod

from tinynet_kernels.dispatch import array_module
from tinynet_kernels.dropout.philox import KEY_STEPS, MULTIPLIERS, ROUNDS, scale, threshold

_WORD = 0xFFFFFFFF


def keep_mask(like, shape, key, p):
    xp = array_module(like)
    size = prod(shape)
    low = xp.arange(-(-size // 4), dtype=xp.uint64)
    zero = xp.zeros_like(low)
    words = philox((low & _WORD, low >> 32, zero, zero), key)
    return (xp.concatenate(words)[:size] >= threshold(p)).reshape(shape)


def forward(x, key, p):
    mask = keep_mask(x, x.shape, key, p)
    return backward(x, mask, p), mask


def backward(gy, mask, p):
    return gy * (mask.astype(gy.dtype) * gy.dtype.type(scale(p)))


def philox(counter, key):
    """Four arrays of random words from the four words of the counter, each an array of uint64 below 2**32."""
    c0, c1, c2, c3 = counter
    k0, k1 = map(int, key)
    for _ in range(ROUNDS):
        first, second = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = (second >> 32) ^ c1 ^ k0, second & _WORD, (first >> 32) ^ c3 ^ k1, first & _WORD
        k0, k1 = (k0 + KEY_STEPS[0]) & _WORD, (k1 + KEY_STEPS[1]) & _WORD
    return c0, c1, c2, c3
