"""Dropout with a seeded generator: the definition draws the same numbers from NumPy's generator."""

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


def kept(shape, p):
    return np.random.default_rng(SEED).random(shape, dtype=np.float32) >= p


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
