"""Dropout with a seeded generator: the definition draws the same numbers, one after the other."""

import numpy as np

import tinynet as tn
from operation_table.core import Operation, normal, sample
from tinynet import functional

SEED = 11


def seeded(function):
    """The operation with a fresh generator at each call, so that every call draws the same."""

    def call(x, **options):
        return function(x, generator=tn.Generator(SEED), **options)

    return call


def philox(counter, key):
    """The four words of Philox 4x32-10; Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3 (2011)."""
    c = [counter % 2**32, counter >> 32, 0, 0]
    for number in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        k = [(key[0] + number * 0x9E3779B9) % 2**32, (key[1] + number * 0xBB67AE85) % 2**32]
        c = [(b >> 32) ^ c[1] ^ k[0], b % 2**32, (a >> 32) ^ c[3] ^ k[1], a % 2**32]
    return c


def kept(shape, p):
    """Element e belongs to word e // q of counter e % q."""
    key = np.random.default_rng(SEED).integers(0, 2**32, 2).tolist()
    size = int(np.prod(shape))
    quarter = -(-size // 4)
    words = [philox(e % quarter, key)[e // quarter] for e in range(size)]
    return np.array([word >= round(p * 2**32) for word in words]).reshape(shape)


def inverted(mask, p):
    return mask / (1 - p) if p < 1 else np.zeros(mask.shape)


def dropout(x, p=0.5, training=True):
    return x * inverted(kept(x.shape, p), p) if training else x


def dropout2d(x, p=0.5, training=True):
    shape = (x.shape[0], *(1,) * (x.ndim - 2), x.shape[-1])
    return x * inverted(kept(shape, p), p) if training else x


def alpha_dropout(x, p=0.5, training=True):
    """Equation 5 of the paper and the affine map behind it."""
    if not training:
        return x
    if p == 1:
        return np.zeros_like(x)
    floor = -1.0507009873554805 * 1.6732632423543772
    scale = 1 / np.sqrt((1 - p) * (1 + p * floor**2))
    return scale * np.where(kept(x.shape, p), x, floor) - scale * p * floor


def samples(*shapes):
    return (
        *[sample(normal(*shape), p=p) for shape, p in zip(shapes, (0.5, 0.2, 0.7), strict=True)],
        sample(normal(*shapes[-1]), p=0.0),
        sample(normal(*shapes[-1]), p=1.0),
        sample(normal(*shapes[-1]), p=0.4, training=False),
    )


OPERATIONS = [
    Operation("dropout", samples((5,), (4, 6), (2, 3, 4)), dropout, function=seeded(functional.dropout)),
    Operation(
        "dropout2d",
        samples((2, 3, 4), (2, 3, 2, 4), (1, 2, 2, 2, 5)),
        dropout2d,
        function=seeded(functional.dropout2d),
    ),
    Operation(
        "alpha_dropout",
        samples((5,), (4, 6), (2, 3, 4)),
        alpha_dropout,
        function=seeded(functional.alpha_dropout),
    ),
]
