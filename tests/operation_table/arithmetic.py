"""Arithmetic, with every way in which shapes broadcast."""

import numpy as np

from operation_table.core import Operation, away_from, constant, normal, positive, sample, uniform
from tinynet import functional

BROADCAST = (
    sample(normal(3, 4), normal(3, 4)),
    sample(normal(3, 4), normal(4)),
    sample(normal(3, 1), normal(1, 4)),
    sample(normal(2, 3, 4), normal(3, 1)),
    sample(normal(3, 4), normal()),
)


def nonzero(*shape):
    return away_from(0, shape=shape, distance=0.3)


OPERATIONS = [
    Operation("add", BROADCAST, np.add, lambda torch, x, y: torch.add(x, y)),
    Operation("subtract", BROADCAST, np.subtract, lambda torch, x, y: torch.subtract(x, y)),
    Operation("multiply", BROADCAST, np.multiply, lambda torch, x, y: torch.multiply(x, y)),
    Operation(
        "divide",
        (
            sample(normal(3, 4), nonzero(3, 4)),
            sample(normal(3, 4), nonzero(1)),
            sample(normal(4), nonzero(3, 1)),
        ),
        np.divide,
        lambda torch, x, y: torch.divide(x, y),
    ),
    Operation("reciprocal", (sample(nonzero(3, 4)),), np.reciprocal, lambda torch, x: torch.reciprocal(x)),
    Operation(
        "floor_divide",
        (sample(uniform(1.2, 1.8, 3, 4), constant(np.float64([0.5, -1.0, 2.0, -7.0]))),),
        np.floor_divide,
        lambda torch, x, y: torch.floor(x / y),
    ),
    Operation(
        "remainder",
        (
            sample(uniform(5.2, 5.8, 3, 4), uniform(2.1, 2.4, 3, 4)),
            sample(uniform(5.2, 5.8, 3, 4), uniform(-2.4, -2.1, 4)),
            sample(uniform(-5.8, -5.2, 4), uniform(2.1, 2.4, 3, 1)),
        ),
        np.remainder,
        lambda torch, x, y: torch.remainder(x, y),
    ),
    Operation("negative", (sample(normal(3, 4)),), np.negative, lambda torch, x: torch.negative(x)),
    Operation(
        "square", (sample(normal(3, 4)), sample(normal())), np.square, lambda torch, x: torch.square(x)
    ),
    Operation(
        "power",
        (
            sample(positive(3, 4), normal(3, 4)),
            sample(positive(3, 1), normal(4)),
            sample(positive(), normal(2, 3)),
            sample(normal(3, 4), constant(np.float64([0.0, 1.0, 2.0, 3.0]))),
        ),
        np.power,
        lambda torch, x, y: torch.pow(x, y),
    ),
    *[
        Operation(
            "power",
            (sample(numbers(3, 4)), sample(numbers())),
            lambda x, exponent=exponent: x**exponent,
            lambda torch, x, exponent=exponent: x**exponent,
            lambda x, exponent=exponent: functional.power(x, exponent),
        )
        for numbers, exponent in (
            (normal, 0),
            (normal, 1),
            (normal, 2),
            (normal, 3),
            (nonzero, -1),
            (nonzero, -2.0),
            (positive, 0.5),
            (positive, -1.7),
        )
    ],
    Operation(
        "power",
        (sample(normal(3, 4)),),
        lambda x: 2.0**x,
        lambda torch, x: torch.pow(2.0, x),
        lambda x: functional.power(2.0, x),
    ),
]
