"""Elementwise functions away from their kinks, the points of the kinks by hand."""

import math

import numpy as np

from operation_table.core import (
    Operation,
    away_from,
    booleans,
    distinct,
    normal,
    positive,
    sample,
    uniform,
)


def function_of_one(name, inputs, **options):
    """A function that is called the same in NumPy and PyTorch."""
    return Operation(
        name,
        (sample(inputs(3, 4)), sample(inputs())),
        getattr(np, name),
        lambda torch, x: getattr(torch, name)(x),
        **options,
    )


def between_integers(*shape):
    """Numbers that are no integers and no halves."""
    draw = uniform(0.1, 0.4, *shape).draw
    return type(uniform(0, 1))(shape, lambda rng, size: draw(rng, size) + rng.integers(-4, 4, size) / 2)


def nonzero(*shape):
    return away_from(0, shape=shape)


def clip_reference(x, low=None, high=None):
    return np.minimum(np.maximum(x, -np.inf if low is None else low), np.inf if high is None else high)


PAIRS = (
    sample(distinct(3, 4), distinct(3, 4, gap=0.07)),
    sample(distinct(3, 4), away_from(0, shape=(4,), distance=3.0)),
    sample(distinct(3, 1), away_from(0, shape=(2, 1, 4), distance=3.0)),
)

OPERATIONS = [
    function_of_one("exp", normal),
    function_of_one("expm1", normal),
    function_of_one("log", positive),
    function_of_one("log1p", positive),
    function_of_one("log2", positive),
    function_of_one("log10", positive),
    function_of_one("sqrt", positive),
    function_of_one("abs", nonzero),
    function_of_one("sign", nonzero),
    function_of_one("floor", between_integers),
    function_of_one("ceil", between_integers),
    function_of_one("round", between_integers),
    Operation(
        "round",
        (sample(uniform(0.12, 0.14, 3, 4), decimals=1),),
        np.round,
        lambda torch, x, decimals: torch.round(x, decimals=decimals),
    ),
    Operation(
        "clip",
        (
            sample(away_from(-0.7, 0.9, shape=(3, 4)), low=-0.7, high=0.9),
            sample(away_from(0.5, shape=(3, 4)), low=0.5),
            sample(away_from(0.5, shape=(3, 4)), high=0.5),
        ),
        clip_reference,
        lambda torch, x, low=None, high=None: torch.clip(x, low, high),
    ),
    Operation("maximum", PAIRS, np.maximum, lambda torch, x, y: torch.maximum(x, y)),
    Operation("minimum", PAIRS, np.minimum, lambda torch, x, y: torch.minimum(x, y)),
    Operation(
        "where",
        (
            sample(booleans(3, 4), normal(3, 4), normal(3, 4)),
            sample(booleans(3, 1), normal(4), normal(2, 1, 4)),
            sample(booleans(4), normal(), normal(3, 1)),
        ),
        np.where,
        lambda torch, condition, x, y: torch.where(condition, x, y),
    ),
    Operation(
        "erf",
        (sample(normal(3, 4)), sample(uniform(-6.5, 6.5, 30)), sample(uniform(-0.4, 0.4, 5))),
        lambda x: np.reshape([math.erf(number) for number in x.flat], x.shape),
        lambda torch, x: torch.erf(x),
    ),
]
